"""The writer: one thread with one connection stores all queued entries in one transaction.

Group commit without a timer: while a commit waits for the disk, requests queue up, and the next commit stores them all.
After each commit, the thread schedules one callback on the event loop. On an error it rolls back, fails the requests
of the batch, keeps the outcomes, and reopens the file until that works.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.append_queue import Append, CommitResult
from trackpush_server.journal.model import JournalUnavailableError, Outcome
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.single_entry import SingleEntry
from trackpush_server.journal.sqlite import schema
from trackpush_server.journal.sqlite.checkpointer import Checkpointer
from trackpush_server.journal.sqlite.connection import VALUE_ERRORS, SqliteConnection, SqliteError, open_writer
from trackpush_server.journal.sqlite.errors import JournalMigratingError, JournalMovedError, JournalNotOpenError
from trackpush_server.journal.sqlite.explain import explain, explain_read, is_damage, is_full, prove_room, prove_whole
from trackpush_server.journal.sqlite.folder import FILE_NAME, LOCK, check_kept, prepare, remove_scratch
from trackpush_server.journal.sqlite.indexing import Indexing, last_id
from trackpush_server.journal.sqlite.lock import FolderLock
from trackpush_server.journal.sqlite.log_note import LogNote
from trackpush_server.journal.sqlite.recovery import unannounced
from trackpush_server.journal.sqlite.write_batch import (
    Entry,
    NameNumbers,
    Offline,
    WriterCall,
    WriteTransaction,
    cleaned,
)

_log = structlog.get_logger("trackpush.journal")

_OUTCOMES_WAIT_SECONDS = 0.005
"""How long outcomes wait for a request to share a commit. After a crash, pushes whose outcomes were not written are
sent again, so it must be short."""
_MOST_ROWS = 2000
"""Updates and outcomes in one commit. Bounds the duration of a commit (but a larger request is still one commit)."""
_LOOK_EVERY = 0.5
"""Seconds between checks that the path still leads to the opened file."""
_LOG_WAIT_MS = 50
"""How long commits may wait for readers before the WAL can be emptied."""
_RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0)


class WriteResult(CommitResult, kw_only=True):
    """Result of one commit, for the event loop."""

    calls: list[tuple[asyncio.Future[Any], Any]] = msgspec.field(default_factory=list)
    """Future and result of each `WriterCall` or `Offline`."""


class WriterListener:
    """Passes the thread's events to the event loop, with ``call_soon_threadsafe``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_done: Callable[[WriteResult], None],
        on_refused: Callable[[Sequence[Append | WriterCall | Offline], Exception], None],
        on_state: Callable[[str | None], None],
        on_missing: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._on_done = on_done
        self._on_refused = on_refused
        self._on_state = on_state
        self._on_missing = on_missing

    def done(self, done: WriteResult) -> None:
        """Report a commit that has reached the disk."""
        self._call(self._on_done, done)

    def refused(self, entries: Sequence[Append | WriterCall | Offline], error: Exception) -> None:
        """Report entries that were not stored."""
        if entries:
            self._call(self._on_refused, entries, error)

    def state(self, reason: str | None) -> None:
        """Report that the journal can't be written, or can be again (None)."""
        self._call(self._on_state, reason)

    def missing(self, what: str) -> None:
        """Report that data which an earlier process stored is lost."""
        self._call(self._on_missing, what)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody needs the event
            self._loop.call_soon_threadsafe(callback, *arguments)


class SqliteWriter(threading.Thread):
    """The thread. `put` queues entries; after `stop`, it ends when all queued entries are written or refused."""

    def __init__(
        self,
        folder: Path,
        listener: WriterListener,
        checkpointer: Checkpointer,
        *,
        sealer: Sealer,
        volume: bool = False,
    ) -> None:
        super().__init__(name="trackpush-journal-writer", daemon=True)
        self._path = folder / FILE_NAME
        self._folder = folder
        self._volume = volume
        self._lock = FolderLock(folder / LOCK)
        self._note = LogNote(folder)
        self._listener = listener
        self._checkpointer = checkpointer
        self._sealer = sealer
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._connection: SqliteConnection | None = None
        self._names = NameNumbers()
        self._indexing = Indexing()
        self._next_id = 1
        self._announced: int | None = None
        """The highest id that was announced, or that the file had at the first open; None before that. After a failed
        commit, the ids from the next one to ``_tried_to`` may be stored without having been announced."""
        self._tried_to = 0
        self._identity: tuple[int, int] | None = None
        self._look_at = 0.0
        self._last_error: BaseException | None = None
        self._kept: list[Outcome] = []
        self._missing_reported = False
        self._stopping = threading.Event()
        self._reason: str | None = "not started"
        self.opened = threading.Event()
        """Set after the first attempt to open the file, successful or not."""

    def put(self, entry: Entry) -> None:
        """Queue an entry for the next commit. Thread-safe."""
        self._queue.put(entry)

    def stop(self) -> None:
        """Write the queued entries, then end the thread."""
        self._stopping.set()
        self._queue.put(None)

    def run(self) -> None:
        """Write queued entries until `stop` is called."""
        try:
            self._open_with_retries()
            self.opened.set()
            while True:
                entries = self._take()
                if entries:
                    self._store(entries)
                elif not self._stopping.is_set():
                    self._rest()
                if self._stopping.is_set() and self._queue.empty():
                    return
        finally:
            self.opened.set()
            self._end()
            self._note.close()
            self._lock.release()

    def _take(self) -> list[Entry]:
        """Wait for the first entry and return all queued ones; empty if none arrives for a while.

        If there are only outcomes, wait a few milliseconds for a request that shares the commit, because nobody awaits
        outcomes. That halves the number of commits of a server with little traffic.
        """
        try:
            entry = self._queue.get(timeout=self._note.patience(_LOOK_EVERY))
        except queue.Empty:
            return []
        entries: list[Entry] = []
        rows = 0
        patient_until = time.monotonic() + _OUTCOMES_WAIT_SECONDS
        patient = True
        with contextlib.suppress(queue.Empty):
            while True:
                if entry is not None:
                    entries.append(entry)
                    rows += len(entry.updates) if isinstance(entry, Append) else 1
                if rows >= _MOST_ROWS:
                    break
                patient = patient and isinstance(entry, Outcome)
                left = patient_until - time.monotonic() if patient else 0.0
                entry = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
        return entries

    def _store(self, entries: Sequence[Entry]) -> None:
        entries = [*self._kept, *entries]
        self._kept = []
        try:
            self._commit(*_sorted(entries))
        except VALUE_ERRORS:
            self._rolled_back()
            self._store_one_by_one(entries)
        except Exception as error:  # noqa: BLE001  on any error, the requests must fail and the thread must continue
            self._lost(entries, error)
        else:
            if self._connection is not None:
                self._checkpointer.committed(self._connection)
                self._note.committed(self._connection)
            for entry in entries:
                if isinstance(entry, Offline):
                    self._do_offline(entry)

    def _commit(self, appends: Sequence[Append], calls: Sequence[WriterCall], outcomes: Sequence[Outcome]) -> None:
        connection = self._connection
        if connection is None:
            raise JournalNotOpenError("the journal is not open")
        begun = time.perf_counter()
        self._look(begun)
        self._checkpointer.prove_sound()
        done = WriteResult()
        connection.execute("BEGIN IMMEDIATE")
        writing = WriteTransaction(connection, self._names, self._sealer, self._indexing, self._next_id)
        self._tried_to = self._next_id + sum(len(append.updates) for append in appends) - 1
        done.committed, counts = writing.append(appends)
        writing.apply(outcomes)
        done.calls = [(call.done, call.run(connection)) for call in calls]
        connection.execute("COMMIT")
        if any(call.renames for call in calls):
            self._names.load(connection)
        self._indexing.committed()
        self._next_id = writing.next_id
        self._announced = self._next_id - 1
        done.appends = list(zip(appends, counts, strict=True))
        done.outcomes = len(outcomes)
        done.seconds = time.perf_counter() - begun
        self._listener.done(done)

    def _do_offline(self, entry: Offline) -> None:
        """Close the file, run the function, and reopen the file even if the function failed."""
        done = WriteResult()
        try:
            self._empty_log()
            self._indexing.keep()
            self._end()
            done.calls = [(entry.done, entry.run())]
        except (SqliteError, OSError) as error:
            self._listener.refused([entry], JournalUnavailableError(explain_read(self._path, error)))
        else:
            self._listener.done(done)
        if self._connection is None:
            self._open_with_retries()

    def _empty_log(self) -> None:
        if self._connection is None:
            raise JournalNotOpenError("the journal is not open")
        self._connection.empty_log(wait_ms=_LOG_WAIT_MS)

    def _look(self, now: float) -> None:
        """Check that the path still leads to the opened file: data written to a removed file is lost with the process.

        Raises:
            JournalMovedError: it does not.
        """
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        if _identity(self._path) != self._identity:
            raise JournalMovedError("the file was moved, removed or replaced while it was in use")
        if self._lock.restore():
            _log.warning("journal_lock_restored", path=str(self._folder / LOCK), found="it was removed or replaced")

    def _rest(self) -> None:
        """Call when the queue is empty: writes the note about the WAL, and checks the file."""
        if self._connection is None:
            return
        try:
            self._note.rest(self._connection)
            self._look(time.perf_counter())
            self._checkpointer.prove_sound()
        except Exception as error:  # noqa: BLE001  on any error, the journal becomes unavailable and the thread must continue
            self._lost([], error)

    def _store_one_by_one(self, entries: Sequence[Entry]) -> None:
        """Store each entry alone, after a value of the batch was rejected, so that only its entry is cleaned."""
        self._kept = []
        for entry in entries:
            if self._connection is None:
                self._store([entry])  # the file failed meanwhile: this refuses the entry, or keeps the outcome
                continue
            single = SingleEntry(entry, cleaned)
            for attempt in single.attempts():
                try:
                    self._commit(*_sorted([attempt]))
                except VALUE_ERRORS as error:
                    self._rolled_back()
                    single.reject(error)
                except Exception as error:  # noqa: BLE001  same
                    self._lost([attempt], error)
            if single.refusal is not None:
                self._refuse_for_good(entry, single.refusal)

    def _refuse_for_good(self, entry: Entry, reason: JournalUnavailableError) -> None:
        if not isinstance(entry, Outcome):
            self._listener.refused([entry], reason)
            return
        done = WriteResult()
        done.outcomes = 1  # it will never be stored, so it must not count as waiting
        self._listener.done(done)

    def _lost(self, entries: Sequence[Entry], error: BaseException) -> None:
        """Handle a failed write: refuse requests, keep outcomes, and reopen the file until that works."""
        self._kept += [entry for entry in entries if isinstance(entry, Outcome)]
        self._last_error = error
        self._fail([entry for entry in entries if not isinstance(entry, Outcome)], error)
        self._open_with_retries()

    def _fail(self, entries: Sequence[Append | WriterCall | Offline], error: BaseException) -> None:
        self._rolled_back()
        reason = explain(self._path, error)
        self._set_reason(reason)
        self._listener.refused(entries, JournalUnavailableError(reason))

    def _rolled_back(self) -> None:
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(SqliteError):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._names.load(connection)
            self._indexing.rolled_back()

    def _set_reason(self, reason: str | None) -> None:
        if reason != self._reason:
            self._reason = reason
            self._listener.state(reason)

    def _open_with_retries(self) -> None:
        """Open the file, and retry until it works or `stop` is called. Requests are refused meanwhile."""
        backoff = RetryDelays(*_RETRY_DELAYS)
        while True:
            try:
                self._open()
            except Exception as error:  # noqa: BLE001  same
                self._close()
                self._indexing.forget()
                self._last_error = error
                self._set_reason(explain(self._path, error))
                self.opened.set()
                self._refuse_queued()
                if self._stopping.wait(backoff.fail()):
                    return
            else:
                self._set_reason(None)
                return

    def _open(self) -> None:
        self._close()
        self._checkpointer.prove_sound()
        prepare(self._folder, volume=self._volume)
        check_kept(self._folder)
        self._lock.acquire()
        if self._announced is None:
            remove_scratch(self._folder)
        if self._last_error is not None and is_full(self._last_error):
            prove_room(self._folder)
        if self._announced is not None and not self._path.exists():
            raise JournalMovedError(
                "the file was moved or removed under the running server: put it back, or restart the server to begin"
                " an empty one",
            )
        self._note.open()
        connection = self._connection = open_writer(self._path, create=self._announced is None)
        self._note.opened(connection)
        self._report_missing()
        if self._last_error is not None and is_damage(self._last_error):
            prove_whole(connection)
        if schema.takes_long(connection):
            self._set_reason(explain(self._path, JournalMigratingError(schema.TAKES_LONG)))
            self.opened.set()  # the server starts now, and answers 503 during the migration
        schema.migrate(connection)
        schema.refuse_moved(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.touch()
        connection.execute("COMMIT")  # proves that a commit works, not only an open
        self._note.rest(connection)
        self._identity = _identity(self._path)
        self._names.load(connection)
        self._indexing.load(connection)
        self._continue_ids(connection)
        self._last_error = None

    def _report_missing(self) -> None:
        if self._note.missing is not None and not self._missing_reported:
            self._missing_reported = True
            _log.error("journal_log_incomplete", path=str(self._path), found=self._note.missing)
            self._listener.missing(self._note.missing)

    def _continue_ids(self, connection: SqliteConnection) -> None:
        """Set the next id, and announce updates that a failed commit has stored.

        An id is never reused, even after a restore of an older file, because others may have stored it. A new process
        reads the highest id from the note.
        """
        self._next_id = max(self._next_id, last_id(connection) + 1, self._note.given + 1)
        if self._announced is not None:
            done = WriteResult()
            done.committed = unannounced(connection, self._sealer, self._announced + 1, self._tried_to)
            if done.committed:
                self._listener.done(done)
        self._announced = self._next_id - 1

    def _refuse_queued(self) -> None:
        """Refuse requests that were queued meanwhile, and keep outcomes."""
        refused: list[Append | WriterCall | Offline] = []
        with contextlib.suppress(queue.Empty):
            while True:
                entry = self._queue.get_nowait()
                if isinstance(entry, Outcome):
                    self._kept.append(entry)
                elif entry is not None:
                    refused.append(entry)
        self._listener.refused(refused, JournalUnavailableError(self._reason or "the journal is not open"))

    def _end(self) -> None:
        """Write a note without a WAL, then close the file, which copies the WAL into it."""
        if self._connection is not None:
            self._note.end(self._connection)
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SqliteError):
                self._connection.close()
            self._connection = None


def _sorted(entries: Sequence[Entry]) -> tuple[list[Append], list[WriterCall], list[Outcome]]:
    return (
        [entry for entry in entries if isinstance(entry, Append)],
        [entry for entry in entries if isinstance(entry, WriterCall)],
        [entry for entry in entries if isinstance(entry, Outcome)],
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
