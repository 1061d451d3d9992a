"""Checkpoints are as many as the log is long, and one that contradicts itself ends the journal's service."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from journal.stores import Opened, sqlite_store, update
from support.deadline import until
from support.journal_file import journal_file
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite import SqliteJournal, checkpointer
from trackpush_server.journal.sqlite.connection import PAGE_BYTES, LogFrames, SqliteConnection, open_checkpointer
from trackpush_server.journal.sqlite.errors import LogDamagedError

LOG_BYTES = 1024 * 1024
COMMITS = 160
EVERY = 4
"""Commits from one look at the log to the next."""


async def _fill_log(opened: Opened, log: Path) -> None:
    """Store updates until the log's file has the size at which a checkpoint is due; it never shrinks afterwards."""
    while await asyncio.to_thread(lambda: log.stat().st_size) < LOG_BYTES:
        await opened.put(*(update(body=os.urandom(2000)) for _ in range(20)))


async def test_after_the_log_was_long_once_checkpoints_follow_its_length_and_not_the_number_of_commits(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(checkpointer, "LOG_BYTES", LOG_BYTES)
    monkeypatch.setattr(checkpointer, "_EVERY_COMMITS", EVERY)
    async with sqlite_store(tmp_path).open() as opened:
        journal = opened.journal
        assert isinstance(journal, SqliteJournal)
        await _fill_log(opened, tmp_path / "journal.db-wal")
        begun, written, before = journal._checkpointer.checkpoints, 0, 0
        with journal_file(tmp_path / "journal.db") as connection:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # before its first read it knows of no log
            for _ in range(COMMITS):
                await opened.put(update())
                await opened.journal.pushes.flush()  # what follows a commit in the writer's thread is done, too
                now = (await asyncio.to_thread(connection.log_frames)).total
                written += now - before if now >= before else now
                before = now
        checkpoints = journal._checkpointer.checkpoints - begun
        due = written * PAGE_BYTES // LOG_BYTES + 2
        assert due < COMMITS // EVERY // 2, "too much was written to tell the two apart"
        assert checkpoints <= due, f"{checkpoints} checkpoints of {written} frames"


async def test_the_checkpointers_connection_copies_the_log(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        with contextlib.closing(open_checkpointer(tmp_path / "journal.db")) as connection:
            frames = connection.copy_log()
            assert frames.total == frames.copied
            assert frames.total > 0
            await opened.put(update())
            frames = connection.log_frames()
            assert 0 == frames.copied < frames.total, "the next commit starts the log over"


@pytest.mark.parametrize(("total", "copied", "sound"), [(0, 0, True), (7, 0, True), (7, 7, True), (7, 8, False)])
def test_more_frames_copied_than_there_are_is_damage(total: int, copied: int, sound: bool) -> None:  # noqa: FBT001  a table
    if sound:
        LogFrames(total, copied).prove_sound()
    else:
        with pytest.raises(LogDamagedError, match="8 frames of the log count as copied, and it holds 7"):
            LogFrames(total, copied).prove_sound()


async def _put_until_refused(opened: Opened) -> None:
    for _ in range(1000):
        await opened.put(update(body=b"x" * 4096))


@pytest.mark.parametrize("method", ["log_frames", "copy_log"])
async def test_a_damaged_log_stops_the_journal_until_the_next_start(
    tmp_path: Path, monkeypatch: Any, method: str
) -> None:
    monkeypatch.setattr(checkpointer, "LOG_BYTES", 64 * 1024)
    monkeypatch.setattr(checkpointer, "_EVERY_COMMITS", 2)
    sound = getattr(SqliteConnection, method)
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        broken = lambda connection: LogFrames(*sound(connection))._replace(total=3, copied=4)  # noqa: E731  one expression
        monkeypatch.setattr(SqliteConnection, method, broken)
        with pytest.raises(JournalUnavailableError, match="its log may have lost commits: 4 frames"):
            await _put_until_refused(opened)
        await until(lambda: opened.journal.unavailable is not None, seconds=5, what="the journal to refuse updates")
        with pytest.raises(JournalUnavailableError, match="stop the server and copy the folder"):
            opened.journal.updates.append([update()])
        monkeypatch.setattr(SqliteConnection, method, sound)
        stored = len(opened.committed)
        assert opened.states[-1] is not None
        assert opened.states.count(None) == 1, "it was taken for recovered"
    async with sqlite_store(tmp_path).open() as opened:
        assert opened.journal.unavailable is None
        assert len(await opened.pending_ids(limit=10_000)) == stored


async def test_an_idle_journal_notices_damage_too(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        assert isinstance(opened.journal, SqliteJournal)
        opened.journal._checkpointer._note(LogFrames(total=3, copied=4))
        await until(lambda: opened.journal.unavailable is not None, seconds=5, what="the journal to refuse updates")
