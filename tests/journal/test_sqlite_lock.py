"""One server for each journal, also when its lock file is removed; readiness is proved by a write."""

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from journal.stores import sqlite_store, update
from support.deadline import until
from support.journal_file import journal_file
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite import SqliteJournal, proof
from trackpush_server.journal.sqlite.lock import FolderLock, JournalInUseError

LOCK = "journal.lock"


async def test_without_its_lock_file_a_second_server_is_kept_off_and_the_first_makes_it_again(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as first:
        await first.put(update())
        (tmp_path / LOCK).unlink()
        async with sqlite_store(tmp_path).open() as second:
            assert "serves this folder; end it or use another --data" in str(second.journal.unavailable)
            with pytest.raises(JournalUnavailableError):
                second.journal.updates.append([update()])
            await until((tmp_path / LOCK).exists, seconds=5, what="the lock file")
            assert await first.put(update()) == 1
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
        with pytest.raises(JournalInUseError):
            FolderLock(tmp_path / LOCK).acquire()


@contextlib.contextmanager
def _locked_by_another(path: Path) -> Any:
    """As a server of an older version does, which locks the file alone."""
    with path.open("w") as file:
        file.write("4711\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def test_the_first_server_stops_when_another_has_locked_a_new_lock_file(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        (tmp_path / LOCK).unlink()
        with _locked_by_another(tmp_path / LOCK):
            await until(lambda: opened.journal.unavailable is not None, seconds=5, what="the journal to refuse updates")
            assert "process 4711 serves this folder" in str(opened.journal.unavailable)
        await until(lambda: opened.journal.unavailable is None, seconds=10, what="the journal")
        assert await opened.put(update()) == 1


async def test_an_idle_journal_that_cannot_be_written_is_found_by_the_proof(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("trackpush_server.journal.sqlite.connection.BUSY_SECONDS", 0.05)
    monkeypatch.setattr(proof, "_VALID_SECONDS", 0.0)
    async with sqlite_store(tmp_path).open() as opened:
        assert isinstance(opened.journal, SqliteJournal)
        assert await opened.journal.prove() is None
        assert opened.journal.unavailable is None
        with journal_file(tmp_path / "journal.db") as other:
            other.execute("BEGIN IMMEDIATE")
            assert await opened.journal.prove() is None
            assert "another process holds it" in str(opened.journal.unavailable)
            other.execute("ROLLBACK")
        await until(lambda: opened.journal.unavailable is None, seconds=10, what="the journal")


async def test_a_recent_commit_is_proof_enough(tmp_path: Path, monkeypatch: Any) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        assert isinstance(opened.journal, SqliteJournal)
        await opened.put(update())
        commits = opened.journal.stats.commits
        assert await opened.journal.prove() is None
        assert opened.journal.stats.commits == commits
        monkeypatch.setattr(proof, "_VALID_SECONDS", 0.0)
        assert await opened.journal.prove() is None
        assert opened.journal.stats.commits == commits + 1


async def test_probes_at_the_same_time_share_a_write() -> None:
    proving = proof.WriteProof()
    writes: list[asyncio.Future[int]] = []

    def write() -> asyncio.Future[int]:
        writes.append(asyncio.get_running_loop().create_future())
        return writes[-1]

    probes = [asyncio.create_task(proving.give(write)) for _ in range(20)]
    await until(lambda: bool(writes), seconds=10, what="a write")
    await asyncio.sleep(0)  # the other probes have begun, too
    writes[0].set_result(1)
    assert await asyncio.gather(*probes) == [None] * 20
    assert len(writes) == 1
    again = asyncio.create_task(proving.give(write))
    await until(lambda: len(writes) == 2, seconds=10, what="another write after the first has ended")
    writes[1].set_result(1)
    assert await again is None


async def test_a_write_that_does_not_end_is_reported(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(proof, "_VALID_SECONDS", 0.0)
    monkeypatch.setattr(proof, "_PATIENCE_SECONDS", 0.05)
    async with sqlite_store(tmp_path).open() as opened:
        assert isinstance(opened.journal, SqliteJournal)
        with journal_file(tmp_path / "journal.db") as other:
            other.execute("BEGIN IMMEDIATE")
            assert "for the disk" in str(await opened.journal.prove())
            other.execute("ROLLBACK")
        await opened.journal.pushes.flush()
        monkeypatch.setattr(proof, "_PATIENCE_SECONDS", 10)
        assert await opened.journal.prove() is None
