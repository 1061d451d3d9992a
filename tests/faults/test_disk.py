"""A disk that is full, read-only or broken: the last promise of docs/guarantees.md."""

import asyncio
from pathlib import Path

import pytest

from faults.disk import refused_writes, small_disk
from faults.outage import assert_all_pushed_once, assert_asked_to_come_back, assert_unready, post_until_refused
from support.deadline import until
from support.journal_file import back_up
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import accept, hang, open_sink

pytestmark = pytest.mark.slow
JOURNAL = "journal.db"
GARBAGE = b"\xa5"


async def test_a_full_disk_is_answered_with_503_and_nothing_accepted_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="12m") as disk:
        async with open_sink() as sink:
            client = Client(name="acme", url=sink.url)
            async with (
                running(write(tmp_path / "resources", [client]), disk.path / "data") as server,
                open_aggregator(server.url, client) as aggregator,
            ):
                await aggregator.many(range(100))
                assert len(aggregator.accepted) == 100

                await asyncio.to_thread(disk.fill)
                refused = await post_until_refused(aggregator, first=1000, most=8000)
                assert_asked_to_come_back(refused)
                await assert_unready(server, says="disk is full")

                await asyncio.to_thread(disk.empty)
                await server.until_ready()
                await aggregator.many(range(20_000, 20_100))
                assert aggregator.accepted >= set(range(20_000, 20_100))
                await assert_all_pushed_once(aggregator, sink)
                assert await server.terminate() == 0, server.tail()


async def test_a_server_on_a_read_only_file_system_answers_503_and_works_once_it_is_writable(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="12m") as disk:
        disk.read_only(on=True)
        async with open_sink() as sink:
            client = Client(name="acme", url=sink.url)
            async with (
                running(write(tmp_path / "resources", [client]), disk.path / "data", ready=False) as server,
                open_aggregator(server.url, client) as aggregator,
            ):
                await assert_unready(server, says="read-only file system")
                assert_asked_to_come_back(await aggregator.post(0))

                await asyncio.to_thread(disk.read_only, on=False)
                await server.until_ready()
                await aggregator.many(range(1, 50))
                assert aggregator.accepted == set(range(1, 50))
                await assert_all_pushed_once(aggregator, sink)


async def test_a_database_that_turns_read_only_under_the_server_loses_nothing(tmp_path: Path) -> None:
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        data = tmp_path / "data"
        async with (
            running(write(tmp_path / "resources", [client]), data) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            await aggregator.many(range(100))
            # Not the -shm: it is mapped into memory, and the kernel would answer a write there with SIGBUS.
            with refused_writes([data / JOURNAL, data / f"{JOURNAL}-wal"]):
                refused = await post_until_refused(aggregator, first=1000, most=100)
                assert_asked_to_come_back(refused)
                await server.until_ready(ready=False)
            await server.until_ready()
            await aggregator.many(range(20_000, 20_100))
            assert aggregator.accepted >= set(range(20_000, 20_100))
            await assert_all_pushed_once(aggregator, sink)


async def test_a_corrupted_database_is_reported_left_alone_and_read_again_once_restored(tmp_path: Path) -> None:
    async with open_sink(hang) as sink:
        client = Client(name="acme", url=sink.url)
        data, backup = tmp_path / "data", tmp_path / "backup"
        async with (
            running(write(tmp_path / "resources", [client]), data) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            await aggregator.many(range(8))
            await until(lambda: len(sink.marks) == 8, seconds=5, what="the first attempts")
            await server.kill()
            await asyncio.to_thread(back_up, data / JOURNAL, backup)
            await asyncio.to_thread(_corrupt, data)
            sink.behaviour = accept
            sink.arrivals.clear()

            await server.start(ready=False)
            await assert_unready(server, says="damaged")
            assert_asked_to_come_back(await aggregator.post(8))
            assert await asyncio.to_thread(_is_garbage, data / JOURNAL), "the server overwrote the damaged file"

            await asyncio.to_thread(_restore, data, backup)
            await server.until_ready()
            assert (await aggregator.post(9)).status == 200
            await assert_all_pushed_once(aggregator, sink)


def _corrupt(data: Path) -> None:
    for path in data.glob(f"{JOURNAL}*"):
        path.write_bytes(GARBAGE * max(path.stat().st_size, 8192))


def _is_garbage(path: Path) -> bool:
    return set(path.read_bytes()) == set(GARBAGE)


def _restore(data: Path, backup: Path) -> None:
    """As a person does it: without the damaged log, then the file in one step."""
    for path in data.glob(f"{JOURNAL}-*"):
        path.unlink()
    backup.replace(data / JOURNAL)
