"""A folder's fingerprint changes with every way in which files change, and with nothing else."""

import asyncio
import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from support.deadline import until
from support.serving import account, table
from trackpush_api.routing import RoutingTable
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.resources import ResourceFolder
from trackpush_server.config.source import Loaded
from trackpush_server.config.watch import Report, Swap, Watcher
from trackpush_server.telemetry.routing import RoutingTelemetry


def keys_in(folder: Path) -> tuple[RoutingTable | None, tuple[str, ...]]:
    """One key a line; an empty file is a problem."""
    keys = (folder / "a.yaml").read_text().split()
    if not keys:
        return None, ("a.yaml:1: empty",)
    return table(account(Aggregator.CLICKPOST, *keys)), ()


def folder_of(path: Path) -> ResourceFolder:
    return ResourceFolder(path, keys_in)


def test_nothing_changed_is_the_same_fingerprint_and_the_same_revisions(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("k1")
    source = folder_of(tmp_path)

    assert source.fingerprint() == source.fingerprint()
    assert source.load().revisions == source.load().revisions
    assert source.load().revisions != folder_of(tmp_path).load().revisions  # salted


@pytest.mark.parametrize("change", ["write", "add", "remove", "replace", "touch", "subfolder", "link"])
def test_every_change_changes_the_fingerprint(tmp_path: Path, change: str) -> None:
    file, other = tmp_path / "a.yaml", tmp_path / "b.yml"
    for name in ("1", "2"):
        (tmp_path / f"..{name}").mkdir()
        (tmp_path / f"..{name}" / "c.yaml").write_text("same")
    data = tmp_path / "..data"
    data.symlink_to("..1")
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    file.write_text("k1")
    other.write_text("k1")
    source = folder_of(tmp_path)
    before = source.fingerprint()

    match change:
        case "write":
            file.write_text("k1 k2")
        case "add":
            (tmp_path / "new.json").write_text("{}")
        case "remove":
            other.unlink()
        case "replace":
            (tmp_path / ".draft").write_text("k2")
            (tmp_path / ".draft").replace(file)
        case "touch":
            os.utime(file, ns=(1, 1))
        case "subfolder":
            (tmp_path / "sub").mkdir()
            (tmp_path / "sub" / "d.yaml").write_text("k1")
        case "link":
            (tmp_path / "..new").symlink_to("..2")
            (tmp_path / "..new").replace(data)

    assert source.fingerprint() != before


def test_drafts_and_other_files_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("k1")
    before = folder_of(tmp_path).fingerprint()
    (tmp_path / ".a.yaml.swp").write_text("k2")
    (tmp_path / "notes.txt").write_text("k2")

    assert folder_of(tmp_path).fingerprint() == before


async def test_a_file_that_is_empty_while_it_is_saved_drops_nobody(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("k1")
    taken: list[RoutingTable] = []

    def prepare(loaded: Loaded) -> Swap:
        async def swap() -> None:
            assert loaded.table is not None
            taken.append(loaded.table)

        return swap

    watcher = Watcher(folder_of(tmp_path), telemetry=RoutingTelemetry(CollectorRegistry()), prepare=prepare)
    assert (await watcher.load()).problems == ()
    await watcher.start()
    try:
        for number in range(3):
            file.write_text("")
            await asyncio.sleep(0)  # seen by whoever looks right now
            file.write_text(f"k1 {number}")
        await until(lambda: len(taken) == 2, seconds=2, what="the saved file")
        report = watcher.report()
        assert isinstance(report, Report)
        assert report.problems == ()
        assert list(report.files) == ["a.yaml"]
        file.unlink()
        await until(
            lambda: isinstance(found := watcher.report(), Report) and bool(found.problems), seconds=2, what="the report"
        )
        assert len(taken) == 2
    finally:
        await watcher.stop()


async def test_a_table_that_the_running_server_cant_take_over_is_told_and_the_last_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("k1")
    taken: list[RoutingTable] = []

    def refuse(found: RoutingTable) -> str | None:
        return "set it back" if len(found.accounts[0].key_digests) == 2 else None

    def prepare(loaded: Loaded) -> Swap:
        async def swap() -> None:
            assert loaded.table is not None
            taken.append(loaded.table)

        return swap

    telemetry = RoutingTelemetry(CollectorRegistry())
    watcher = Watcher(folder_of(tmp_path), telemetry=telemetry, prepare=prepare, refuse=refuse)
    await watcher.load()
    await watcher.start()
    try:
        file.write_text("k1 k2")
        await until(
            lambda: isinstance(found := watcher.report(), Report) and found.problems == ("set it back",),
            seconds=30,
            what="the refusal",
        )
        file.write_text("k3")
        await until(lambda: len(taken) == 2, seconds=30, what="the next table")
        report = watcher.report()
        assert isinstance(report, Report)
        assert report.problems == ()
    finally:
        await watcher.stop()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        folder_of(tmp_path / "nowhere").fingerprint()
