"""SQLite: after an erasure no byte of it is left in the folder, also where pages were split, moved and freed before."""

import asyncio
import random
from pathlib import Path

import pytest

from journal.stores import Opened, outcome, sqlite_store, update
from journal.test_erase import erase
from support.journal_file import journal_file
from trackpush_server.journal.model import PushState
from trackpush_server.journal.sqlite import scrub
from trackpush_server.journal.sqlite.connection import SqliteConnection

MARK = b"rahul.sharma-9876543210"


def files_with(folder: Path, mark: bytes) -> dict[str, int]:
    """Files that hold the mark, and how often."""
    found = {file.name: file.read_bytes().count(mark) for file in folder.iterdir() if file.is_file()}
    return {name: count for name, count in found.items() if count}


async def fill(opened: Opened, rng: random.Random, rounds: int) -> None:
    """Updates of all sizes, some of them marked, their pushes failing and ending: pages split, move and are freed."""
    for _ in range(rounds):
        batch = []
        for _ in range(rng.randrange(1, 60)):
            padding = b"x" * rng.choice((10, 900, 3000, 20_000))
            marked = rng.random() < 0.3
            body = MARK + padding if marked else padding
            awb = "awb-of-the-marked" if marked else f"awb-{rng.random()}"
            notification = b'{"remark":"%s"}' % (MARK if marked else b"")
            trace = MARK.decode() if marked else None
            batch.append(update(body=body, notification=notification, awb=awb, shipment=awb, trace=trace))
        before = len(opened.committed)
        await opened.put(*batch)
        for commit in opened.committed[before:]:
            error = MARK.decode() if commit.update.awb == "awb-of-the-marked" else None
            for tries in range(1, rng.randrange(1, 4)):
                opened.journal.pushes.record(outcome(commit.update_id, PushState.PENDING, tries=tries, error=error))
            if rng.random() < 0.7:
                opened.journal.pushes.record(outcome(commit.update_id, PushState.DELIVERED, tries=5))
        await opened.journal.pushes.flush()


async def forget_some(opened: Opened, rng: random.Random) -> None:
    """What retention does: rows go, pages are merged."""
    ids = ",".join(str(commit.update_id) for commit in opened.committed if rng.random() < 0.5)

    def run(connection: SqliteConnection) -> int:
        for table, column in (("attempts", "update_id"), ("pushes", "update_id"), ("updates", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} IN ({ids})")  # noqa: S608  the test's own
        return 0

    await opened.journal._access.write(run)  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(6))
async def test_no_byte_of_what_was_erased_is_left_in_any_file(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  reproducible
    async with sqlite_store(tmp_path).open() as opened:
        for _ in range(5):
            await fill(opened, rng, rounds=6)
            await forget_some(opened, rng)
        assert files_with(tmp_path, MARK)
        before = await opened.journal.backlog.pending_counts()
        await erase(opened, awb="awb-of-the-marked")
        assert files_with(tmp_path, MARK) == {}
        assert files_with(tmp_path, b"awb-of-the-marked") == {}
        assert (
            0
            < sum(count.count for count in await opened.journal.backlog.pending_counts())
            < sum(count.count for count in before)
        )
    with journal_file(tmp_path / "journal.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_updates_are_stored_while_a_large_file_is_scrubbed_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "STEP_BYTES", 64 * 1024)
    async with sqlite_store(tmp_path).open() as opened:
        await fill(opened, random.Random(7), rounds=20)  # noqa: S311  reproducible
        erasing = asyncio.create_task(erase(opened, awb="awb-of-the-marked"))
        stored = 0
        while not erasing.done():
            stored += await opened.put(update())
        assert (await erasing).ended_at is not None
        assert stored > 10
        assert opened.states == [None]
        assert files_with(tmp_path, MARK) == {}


async def test_a_reader_that_holds_the_log_delays_an_erasure_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "_RETRY_DELAYS", (0.01,) * 1000)
    async with sqlite_store(tmp_path).open() as opened:
        await fill(opened, random.Random(8), rounds=3)  # noqa: S311  reproducible
        with journal_file(tmp_path / "journal.db") as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM updates").fetchone()
            erasing = asyncio.create_task(erase(opened, awb="awb-of-the-marked"))
            for _ in range(50):
                assert await opened.put(update()) == 1
            assert not erasing.done()
            assert files_with(tmp_path, MARK)
            reader.execute("ROLLBACK")
            await erasing
        assert files_with(tmp_path, MARK) == {}
