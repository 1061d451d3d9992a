"""A folder is looked at again when the kernel tells that something changed, and each time where it can't tell."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from support.deadline import until
from trackpush_server.config import notices
from trackpush_server.config.notices import UNTOLD_SECONDS, Notices, why_polled
from trackpush_server.config.walk import walk

MOUNTS = """\
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/root rw
23 22 0:21 / /data rw,relatime - xfs /dev/sdb rw
24 22 0:22 / /data/shared\\040files rw,relatime - nfs4 server:/files rw
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "resources"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "acme.yaml").write_text("a")
    (folder / "beta.yaml").write_text("b")
    return folder


def _settled(folder: Path, now: Callable[[], float] = lambda: 0.0) -> Notices:
    """Notices of a folder that was looked at."""
    asked = Notices(folder, now)
    assert asked.may_have_changed(), "the first look"
    asked.looked(walk(folder))
    assert not asked.may_have_changed()
    return asked


def _swap(folder: Path) -> None:
    """What the kubelet does with a ConfigMap's volume."""
    (folder / "..2").mkdir()
    (folder / "..2" / "gamma.yaml").write_text("new")
    (folder / "..data_tmp").symlink_to("..2")
    (folder / "..data_tmp").rename(folder / "..data")


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda folder: (folder / "below" / "acme.yaml").write_text("new"),
    "made": lambda folder: (folder / "new.yaml").write_text("new"),
    "removed": lambda folder: (folder / "beta.yaml").unlink(),
    "renamed": lambda folder: (folder / "beta.yaml").rename(folder / "below" / "other.yaml"),
    "mode": lambda folder: (folder / "beta.yaml").chmod(0),
    "folder": lambda folder: shutil.copytree(folder / "below", folder / "copy"),
    "link": _swap,
}


@pytest.mark.parametrize("change", CHANGES)
async def test_the_kernel_reports_each_change(folder: Path, change: str) -> None:
    asked = _settled(folder)

    CHANGES[change](folder)

    await until(asked.may_have_changed, seconds=20, what="the notice")


async def test_a_folder_that_was_made_later_is_watched_too(folder: Path) -> None:
    asked = _settled(folder)
    (folder / "later").mkdir()
    await until(asked.may_have_changed, seconds=20, what="the notice of the folder")
    asked.looked(walk(folder))

    (folder / "later" / "gamma.yaml").write_text("new")

    await until(asked.may_have_changed, seconds=20, what="the notice of the file")


async def test_a_file_outside_that_a_link_leads_to_is_noticed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.yaml"
    target.write_text("a")
    (folder / "linked.yaml").symlink_to(target)
    asked = _settled(folder)

    target.write_text("longer")

    assert asked.may_have_changed()


def test_another_folder_in_the_place_of_the_first_is_noticed_and_watched(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    asked = _settled(link)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "next").symlink_to(other)
    (tmp_path / "next").rename(link)

    assert asked.may_have_changed()
    asked.looked(walk(link))
    assert not asked.may_have_changed()
    (other / "gamma.yaml").write_text("new")
    asyncio.run(until(asked.may_have_changed, seconds=20, what="the notice"))


def test_reading_causes_no_look_and_after_a_minute_there_is_one_without_a_notice(folder: Path) -> None:
    times = [0.0]
    asked = _settled(folder, lambda: times[0])
    (folder / "beta.yaml").read_text()
    walk(folder)

    assert not asked.may_have_changed()
    times[0] = UNTOLD_SECONDS
    assert asked.may_have_changed()
    asked.looked(walk(folder))
    assert not asked.may_have_changed()


def test_a_limit_of_the_kernel_is_logged_once_and_the_folder_is_polled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(notices, "RustNotify", refuse)
    asked = Notices(folder)
    with capture_logs() as logs:
        answers = [asked.may_have_changed() for _ in range(5)]

    assert answers == [True] * 5
    assert [log["event"] for log in logs] == ["resources_polled"]
    assert "fs.inotify.max_user_watches" in logs[0]["reason"]


def test_a_limit_that_is_reached_later_is_logged_and_the_folder_is_polled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _settled(folder)

    class Failing:
        def watch(self, *_: object) -> str:
            raise RuntimeError("OS file watch limit reached")

    monkeypatch.setattr(asked, "_notify", Failing())
    with capture_logs() as logs:
        answers = [asked.may_have_changed() for _ in range(5)]

    assert answers == [True] * 5
    assert [log["event"] for log in logs] == ["resources_polled"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("/data/resources", None),
        ("/resources", None),
        ("/data/shared files/resources", "/data/shared files is nfs4"),
        ("/data", "/data/shared files is nfs4"),
        ("/data/shared files.yaml", None),
    ],
)
def test_a_network_file_system_is_polled(tmp_path: Path, place: str, reason: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)

    found = why_polled(place, mounts)

    assert found is None if reason is None else (found or "").startswith(reason)


def test_a_folder_that_is_away_is_looked_at_until_it_is_back(folder: Path) -> None:
    asked = _settled(folder)
    os.rename(folder, folder.with_name("away"))  # noqa: PTH104  the same in one step

    assert asked.may_have_changed()
    assert asked.may_have_changed()
    folder.mkdir()
    assert asked.may_have_changed()
    asked.looked(walk(folder))
    assert not asked.may_have_changed()
