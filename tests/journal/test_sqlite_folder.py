"""The journal's folder is private whatever the umask, and a location that is not safe is refused."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.stores import OMS, page_of, sqlite_store, update
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite.file_reader import JournalReader
from trackpush_server.journal.sqlite.folder import UnusableFolderError, check, check_kept, make_private, prepare

FILES = ("journal.db", "journal.db-wal", "journal.db-shm", "journal.lock", "journal.note")


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
async def test_folder_and_files_are_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "data"
    with _umask(mask):
        async with sqlite_store(folder).open() as opened:
            await opened.put(update())
            assert {name: oct(_mode(folder / name)) for name in FILES} == dict.fromkeys(FILES, "0o600")
            assert oct(_mode(folder)) == "0o700"


def test_a_new_folder_and_a_new_file_are_private_from_the_moment_they_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    with _umask(0o000):
        prepare(tmp_path / "data")
        make_private(tmp_path / "data/journal.db")
    assert oct(_mode(tmp_path / "data")) == "0o700"
    assert oct(_mode(tmp_path / "data/journal.db")) == "0o600"


async def test_what_an_older_version_left_open_to_others_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with sqlite_store(folder).open() as opened:
        await opened.put(update())
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    async with sqlite_store(folder).open() as opened:
        assert oct(_mode(folder)) == "0o700"
        assert {oct(_mode(path)) for path in folder.iterdir()} == {"0o600"}
        assert len((await page_of(opened.journal, OMS, after=0, limit=10)).pushes) == 1


def test_a_folder_that_is_made_private_keeps_its_set_group_id_bit(tmp_path: Path) -> None:
    tmp_path.chmod(0o2755)
    prepare(tmp_path)
    assert _mode(tmp_path) == 0o2700


def test_a_folder_that_everybody_may_write_to_is_refused_unless_it_is_the_pods_own_volume(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UnusableFolderError, match=r"can be written by every user .*mode 0777.*chmod 700"):
        prepare(tmp_path)
    assert _mode(tmp_path) == 0o777, "others may have put something there: a person has to look"
    prepare(tmp_path, volume=True)
    assert _mode(tmp_path) == 0o700


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("mode", [0o2770, 0o2775, 0o770])
def test_a_volume_of_root_that_the_pods_group_may_write_to_is_used_as_it_is(tmp_path: Path, mode: int) -> None:
    """As Kubernetes mounts it with fsGroup: the server may not change the folder, and its files are private."""
    volume = tmp_path / "volume"
    volume.mkdir()
    os.chown(volume, 0, 65532)
    volume.chmod(mode)
    for parent in (tmp_path, *tmp_path.parents):
        if parent == Path("/tmp"):  # noqa: S108  where pytest's folders are
            break
        parent.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([65532])
            os.setgid(65532)
            os.setuid(65532)
            prepare(volume, volume=True)
            (volume / "journal.db").touch(mode=0o600)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert _mode(volume) == mode
    assert _mode(volume / "journal.db") == 0o600


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.db-shm", "journal.lock", "journal.note"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_in_place_of_a_file_is_refused(tmp_path: Path, name: str, exists: bool) -> None:  # noqa: FBT001  a table
    elsewhere = tmp_path / "elsewhere"
    if exists:
        elsewhere.touch()
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(UnusableFolderError, match=f"{name} is a symbolic link"):
        prepare(folder)
    assert elsewhere.exists() is exists


def test_a_symbolic_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "data").symlink_to(tmp_path / "real")
    with pytest.raises(UnusableFolderError, match="data is a symbolic link; name the folder that it points to"):
        check(tmp_path / "data")


def test_a_file_in_place_of_the_folder_and_a_folder_in_place_of_the_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(UnusableFolderError, match="data is not a folder"):
        check(tmp_path / "data")
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(UnusableFolderError, match=r"journal\.db is not a regular file"):
        check(tmp_path)


async def test_a_running_journal_says_why_its_folder_is_refused_and_is_used_once_it_is_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    async with sqlite_store(folder).open() as opened:
        assert "chmod 700" in str(opened.journal.unavailable)
        with pytest.raises(JournalUnavailableError, match="can be written by every user"):
            opened.journal.updates.append([update()])
    assert not list(folder.iterdir())


def test_a_folder_whose_journal_was_moved_away_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.copied.db").touch()
    with pytest.raises(UnusableFolderError, match=r"`trackpush journal copy` moved this journal away") as refusal:
        check_kept(tmp_path)
    assert "start the server on the new storage" in str(refusal.value)
    (tmp_path / "journal.db").touch()
    check_kept(tmp_path)


async def test_no_empty_journal_is_begun_beside_an_unfinished_copy(tmp_path: Path) -> None:
    (tmp_path / "journal.part.db").touch()
    async with sqlite_store(tmp_path).open() as opened:
        assert "unfinished copy of a journal (journal.part.db)" in str(opened.journal.unavailable)
        assert "`trackpush journal copy` again" in str(opened.journal.unavailable)
    assert not (tmp_path / "journal.db").exists()
    (tmp_path / "journal.db").touch()
    check_kept(tmp_path)


async def test_no_empty_journal_is_begun_beside_one_that_was_moved_away(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
    (tmp_path / "journal.db").rename(tmp_path / "journal.copied.db")
    async with sqlite_store(tmp_path).open() as opened:
        assert "moved this journal away" in str(opened.journal.unavailable)
    assert not (tmp_path / "journal.db").exists()
    with JournalReader(tmp_path / "journal.copied.db"):
        pass
