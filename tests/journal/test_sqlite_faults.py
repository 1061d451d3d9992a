"""SQLite: a disk that is full, read-only or broken, and files that others touch. Nothing acknowledged is lost."""

import asyncio
import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.disk import small_disk
from journal.stores import OMS, Opened, outcome, sqlite_store, update
from support.deadline import until
from support.journal_file import back_up, journal_file
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError, open_writer

FILE = "journal.db"


async def _put_until_refused(opened: Opened, most: int = 20_000) -> str:
    for _ in range(most):
        try:
            await opened.put(update(body=b"x" * 4096))
        except JournalUnavailableError as error:
            return str(error)
    raise AssertionError(f"{most} updates were stored although nothing could be")


async def _until_available(opened: Opened, *, available: bool = True) -> None:
    journal = opened.journal
    await until(lambda: (journal.unavailable is None) == available, seconds=30, what=lambda: str(journal.unavailable))


async def _assert_complete(opened: Opened, ended: int = 0) -> None:
    """What was acknowledged, and only that, was announced and is on disk."""
    await opened.journal.pushes.flush()
    ids = [commit.update_id for commit in opened.committed]
    assert await opened.pending_ids(limit=100_000) == ids[ended:]


@pytest.mark.usefixtures("root")
async def test_a_full_disk_refuses_with_a_reason_and_works_again_by_itself_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        data = disk.path / "data"
        async with sqlite_store(data).open() as opened:
            await opened.put(*(update() for _ in range(50)))
            await asyncio.to_thread(disk.fill)
            reason = await _put_until_refused(opened)
            assert f"journal {data / FILE}: the disk is full (" in reason
            assert "free space or grow the volume; updates are refused with 503 until then" in reason
            await _until_available(opened, available=False)
            with pytest.raises(JournalUnavailableError, match="disk is full"):
                opened.journal.updates.append([update()])
            opened.journal.pushes.record(outcome(opened.committed[0].update_id))
            assert opened.journal.outcomes_waiting == 1

            await asyncio.to_thread(disk.empty)
            await _until_available(opened)
            assert await opened.put(update()) == 1
            assert opened.journal.outcomes_waiting == 0
            await _assert_complete(opened, ended=1)
            expected = [commit.update_id for commit in opened.committed][1:]
            assert opened.states[-2:] == [opened.states[-2], None]
        async with sqlite_store(data).open() as opened:
            assert await opened.pending_ids(limit=100_000) == expected


@pytest.mark.usefixtures("root")
async def test_a_full_disk_with_room_for_a_page_is_still_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        async with sqlite_store(disk.path / "data").open() as opened:
            await asyncio.to_thread(disk.fill)
            await _put_until_refused(opened)
            await _until_available(opened, available=False)
            ballast = disk.path / "ballast"
            os.truncate(ballast, ballast.stat().st_size - 128 * 1024)
            states = len(opened.states)
            opened.journal.pushes.record(outcome(1))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(opened.journal.pushes.flush(), 0.7)
            assert opened.journal.unavailable is not None
            assert None not in opened.states[states:]
            await asyncio.to_thread(disk.empty)
            await _until_available(opened)


@contextlib.contextmanager
def _largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_write_that_the_kernel_fails_loses_nothing(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        with _largest_file(1 << 20):
            reason = await _put_until_refused(opened)
            assert "the disk" in reason
            # A small write succeeds, so the journal may be available again before anybody looks.
            await until(lambda: any(opened.states), seconds=30, what=lambda: str(opened.states))
        await _until_available(opened)
        await opened.put(update())
        await _assert_complete(opened)


@pytest.mark.usefixtures("root")
async def test_a_read_only_file_system_is_reported_and_used_once_it_is_writable(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        disk.read_only(on=True)
        async with sqlite_store(disk.path / "data").open() as opened:
            reason = opened.journal.unavailable
            assert reason is not None
            assert "can't be written" in reason
            with pytest.raises(JournalUnavailableError, match="can't be written"):
                opened.journal.updates.append([update()])
            await asyncio.to_thread(disk.read_only, on=False)
            await _until_available(opened)
            assert await opened.put(update()) == 1


async def _filled(data: Path, count: int = 2000) -> list[int]:
    async with sqlite_store(data).open() as opened:
        await opened.put(*(update(body=b"y" * 500) for _ in range(count)))
        return [commit.update_id for commit in opened.committed]


async def test_a_damaged_header_is_reported_left_alone_and_a_restored_file_is_used(tmp_path: Path) -> None:
    ids = await _filled(tmp_path)
    good = (tmp_path / FILE).read_bytes()
    bad = b"\xa5" * 4096 + good[4096:]
    (tmp_path / FILE).write_bytes(bad)
    async with sqlite_store(tmp_path).open() as opened:
        reason = opened.journal.unavailable
        assert reason is not None
        assert "the file is damaged" in reason
        assert "restore the file from a backup" in reason
        assert (tmp_path / FILE).read_bytes() == bad
        (tmp_path / "restored").write_bytes(good)
        (tmp_path / "restored").replace(tmp_path / FILE)
        await _until_available(opened)
        assert await opened.pending_ids(limit=10_000) == ids


async def test_damage_in_the_middle_refuses_all_until_the_file_is_restored(tmp_path: Path) -> None:
    await _filled(tmp_path)
    good = (tmp_path / FILE).read_bytes()
    half = len(good) // 8192 // 2 * 8192
    bad = good[:8192] + b"\xa5" * (half - 8192) + good[half:]
    (tmp_path / FILE).write_bytes(bad)
    async with sqlite_store(tmp_path).open() as opened:
        if opened.journal.unavailable is None:
            with pytest.raises(JournalUnavailableError, match="the file is damaged"):
                await opened.put(update())
        await _until_available(opened, available=False)
        assert (tmp_path / FILE).stat().st_size >= len(bad)
        states = len(opened.states)
        (tmp_path / "restored").write_bytes(good)
        for name in (f"{FILE}-wal", f"{FILE}-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / "restored").replace(tmp_path / FILE)
        await _until_available(opened)
        assert opened.states[states:].count(None) == 1, "taken for recovered between two failures"
        assert await opened.put(update()) == 1


def _damage_index(file: Path, index: str) -> None:
    """Overwrite the root page of an index: opening doesn't look at it, every insert does."""
    with journal_file(file) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (index,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as damaged:
        damaged.seek((root - 1) * size)
        damaged.write(b"\xa5" * size)


async def test_a_damaged_file_that_opens_stays_refused_without_flapping(tmp_path: Path, monkeypatch: Any) -> None:
    await _filled(tmp_path)
    _damage_index(tmp_path / FILE, "terms")
    opens: list[Path] = []

    def noted(path: Path, *, create: bool) -> SqliteConnection:
        opens.append(path)
        return open_writer(path, create=create)

    monkeypatch.setattr("trackpush_server.journal.sqlite.writer.open_writer", noted)
    async with sqlite_store(tmp_path).open() as opened:
        assert opened.journal.unavailable is None, "the damage is where opening doesn't look"
        with pytest.raises(JournalUnavailableError, match="damaged"):
            await opened.put(update())
        await until(lambda: len(opens) >= 4, seconds=5, what="further tries to open")
        assert opened.states[0] is None
        assert None not in opened.states[1:]
        with pytest.raises(JournalUnavailableError, match="damaged"):
            opened.journal.updates.append([update()])


async def test_a_second_server_on_the_folder_says_which_process_holds_it_and_takes_over(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as first, sqlite_store(tmp_path).open() as second:
        assert f"process {os.getpid()} serves this folder" in str(second.journal.unavailable)
        await first.put(update())
        await first.journal.close()
        await _until_available(second)
        assert await second.put(update()) == 1
        assert len(await second.pending_ids()) == 2


async def test_a_lock_by_another_program_refuses_and_ends_with_it(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("trackpush_server.journal.sqlite.connection.BUSY_SECONDS", 0.05)
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        with journal_file(tmp_path / FILE) as other:
            other.execute("BEGIN IMMEDIATE")
            opened.journal.pushes.record(outcome(1))
            with pytest.raises(JournalUnavailableError, match="another process holds it"):
                await opened.put(update())
            assert opened.journal.outcomes_waiting == 1
            other.execute("ROLLBACK")
        await _until_available(opened)
        assert await opened.put(update()) == 1
        await _assert_complete(opened, ended=1)
        assert opened.journal.outcomes_waiting == 0


async def test_a_file_that_is_moved_away_is_noticed_and_used_again_once_it_is_back(
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr("trackpush_server.journal.sqlite.writer._LOOK_EVERY", 0.0)
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        (tmp_path / FILE).rename(tmp_path / "away")
        with pytest.raises(JournalUnavailableError, match=r"moved(,| or) removed"):  # by this put, or before it
            await opened.put(update())
        await until(lambda: "put it back" in str(opened.journal.unavailable), seconds=20, what="the reason")
        assert not (tmp_path / FILE).exists(), "an empty journal was begun under a running server"
        (tmp_path / "away").rename(tmp_path / FILE)
        await _until_available(opened)
        assert await opened.put(update()) == 1
        await _assert_complete(opened)


async def test_ids_do_not_go_back_over_a_file_restored_from_an_older_backup(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("trackpush_server.journal.sqlite.writer._LOOK_EVERY", 0.0)
    async with sqlite_store(tmp_path / "data").open() as opened:
        await opened.put(update())
        back_up(tmp_path / "data" / FILE, tmp_path / "backup")
        last = (await opened.put_one()).update_id
        assert len(await opened.pending_ids()) == 2
        # First the old file's log: what stands beside the restored file once the journal has opened it is its own.
        for name in (f"{FILE}-wal", f"{FILE}-shm"):
            (tmp_path / "data" / name).unlink(missing_ok=True)
        (tmp_path / "backup").replace(tmp_path / "data" / FILE)
        await until(lambda: any(opened.states), seconds=20, what="the restored file is noticed")
        await _until_available(opened)
        assert (await opened.put_one()).update_id > last
        assert await opened.pending_ids() == [1, opened.committed[-1].update_id], "read from the file that is gone"


class _LosesTheAnswer:
    """A connection whose next COMMIT takes place, but reports a failure."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, *values: Any) -> Any:
        result = self._connection.execute(sql, *values)
        if sql == "COMMIT":
            raise SqliteError("disk I/O error")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_an_update_whose_commit_failed_and_yet_took_place_is_announced(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    opened = Opened(journal)
    await journal.start()
    writer = journal._access.writer
    assert writer is not None
    assert writer._connection is not None
    await opened.put(update())
    writer._connection = _LosesTheAnswer(writer._connection)  # type: ignore[assignment]
    lost = update(shipment="S", order_id="O", to=[OMS, "acme/crm"])
    with pytest.raises(JournalUnavailableError):
        await opened.put(lost)
    await _until_available(opened)
    assert opened.committed[-1].update == lost
    assert await opened.put(lost) == 0
    await opened.put(update())
    await _assert_complete(opened)
    await journal.close()


async def test_an_unexpected_error_fails_the_requests_and_the_writer_lives_on(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    opened = Opened(journal)
    await journal.start()

    def fail(_: SqliteConnection) -> int:
        raise RuntimeError("a bug")

    with pytest.raises(JournalUnavailableError, match="a bug"):
        await journal._access.write(fail)
    await _until_available(opened)
    assert journal.alive
    assert await opened.put(update()) == 1
    await journal.close()


async def test_closing_while_unavailable_ends_in_time_and_refuses_what_waits(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xa5" * 8192)
    async with sqlite_store(tmp_path).open() as opened:
        opened.journal.pushes.record(outcome(1))
        await asyncio.wait_for(opened.journal.close(), 5)
