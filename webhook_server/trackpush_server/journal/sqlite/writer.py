"""The writer: one thread, one connection, one transaction for all that is queued.

Group commit without a timer: while one commit waits for the disk, requests queue up; the next commit takes them all.
After each commit the event loop is called once. An error rolls back, fails the requests of that batch, keeps the
outcomes, and the thread keeps trying to open the file until it works.
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
"""How long outcomes wait for company. After a crash, pushes with unwritten outcomes are sent again: keep it short."""
_MOST_ROWS = 2000
"""Updates and outcomes in one commit: bounds how long a commit takes (a larger request is still one commit)."""
_LOOK_EVERY = 0.5
"""Seconds between looks at whether the file is still where it was."""
_LOG_WAIT_MS = 50
"""How long commits may be held up by readers of a log that is to be emptied."""
_RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0)


class WriteResult(CommitResult, kw_only=True):
    """What one commit did, for the event loop."""

    calls: list[tuple[asyncio.Future[Any], Any]] = msgspec.field(default_factory=list)
    """Each call's future and result."""


class WriterListener:
    """How the thread tells the loop; each is called with ``call_soon_threadsafe``."""

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
        """A commit has reached the disk."""
        self._call(self._on_done, done)

    def refused(self, entries: Sequence[Append | WriterCall | Offline], error: Exception) -> None:
        """These were not stored."""
        if entries:
            self._call(self._on_refused, entries, error)

    def state(self, reason: str | None) -> None:
        """The journal can't be written, or can again."""
        self._call(self._on_state, reason)

    def missing(self, what: str) -> None:
        """The journal lacks something that an earlier process stored."""
        self._call(self._on_missing, what)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to tell
            self._loop.call_soon_threadsafe(callback, *arguments)


class SqliteWriter(threading.Thread):
    """The thread. Entries go in with `put`; it ends after `stop`, when all that is queued is written or refused."""

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
        """The highest id that was announced or, once opened, already there; what a failed commit tried lies beyond."""
        self._tried_to = 0
        self._identity: tuple[int, int] | None = None
        self._look_at = 0.0
        self._last_error: BaseException | None = None
        self._kept: list[Outcome] = []
        self._missing_reported = False
        self._stopping = threading.Event()
        self._reason: str | None = "not started"
        self.opened = threading.Event()
        """Set after the first try to open the file, whether it worked or not."""

    def put(self, entry: Entry) -> None:
        """Queue an entry for the next commit; from any thread."""
        self._queue.put(entry)

    def stop(self) -> None:
        """Write what is queued, then end."""
        self._stopping.set()
        self._queue.put(None)

    def run(self) -> None:
        """Serve the queue until stopped."""
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
        """All that is queued, waiting for the first; nothing if none comes for a while.

        Outcomes alone have time: nobody waits for them, so for a few milliseconds they wait for a request to share
        its commit. That halves the commits of a server that isn't busy.
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
        except Exception as error:  # noqa: BLE001  whatever it is: the requests must hear of it, and the thread live on
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
        """Close the file for it, whatever comes of it, and open it again."""
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
        """See that the file is still the one that was opened: what goes into a removed one is lost with the process.

        Raises:
            JournalMovedError: it is not.
        """
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        if _identity(self._path) != self._identity:
            raise JournalMovedError("the file was moved, removed or replaced while it was in use")
        if self._lock.restore():
            _log.warning("journal_lock_restored", path=str(self._folder / LOCK), found="it was removed or replaced")

    def _rest(self) -> None:
        """Nothing is to be stored: note what the log holds, and see that the journal is as it should be."""
        if self._connection is None:
            return
        try:
            self._note.rest(self._connection)
            self._look(time.perf_counter())
            self._checkpointer.prove_sound()
        except Exception as error:  # noqa: BLE001  whatever it is: the journal must be refused, and the thread live on
            self._lost([], error)

    def _store_one_by_one(self, entries: Sequence[Entry]) -> None:
        """A value in the batch can't be stored: store each entry alone, so that only that one is cleaned."""
        self._kept = []
        for entry in entries:
            if self._connection is None:
                self._store([entry])  # the disk failed meanwhile
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
        done.outcomes = 1  # it will never be stored: nobody shall wait for it
        self._listener.done(done)

    def _lost(self, entries: Sequence[Entry], error: BaseException) -> None:
        """The file can't be written: refuse requests, keep outcomes, and open it again, however long that takes."""
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
        """Open the file, and try again until it works or we are to stop; requests are refused meanwhile."""
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
            self.opened.set()  # the server starts, and answers 503 meanwhile
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
        """Ids never go back, also over a file restored from a backup: others hold them. A new process has the note."""
        self._next_id = max(self._next_id, last_id(connection) + 1, self._note.given + 1)
        if self._announced is not None:
            done = WriteResult()
            done.committed = unannounced(connection, self._sealer, self._announced + 1, self._tried_to)
            if done.committed:
                self._listener.done(done)
        self._announced = self._next_id - 1

    def _refuse_queued(self) -> None:
        """Requests that slipped into the queue meanwhile are refused; outcomes are kept."""
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
        """Close the file in order: what is noted then needs no log."""
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
