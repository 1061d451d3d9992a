"""The SQLite adapter: the loop's side of the journal. Bounds what is queued, and turns the writer's news into calls."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from trackpush_api.routing import Tenant
from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.append_queue import (
    MOST_QUEUED_UNRECOGNISED_BYTES,
    PER_ENTRY_BYTES,
    Append,
    AppendQueue,
    fail,
    resolve,
)
from trackpush_server.journal.inbox import InboxBounds, KeptBodies, NewUnrecognised
from trackpush_server.journal.listener import JournalListener, JournalListeners
from trackpush_server.journal.model import (
    BoundClient,
    Ended,
    Erasure,
    Found,
    JournalStats,
    JournalUnavailableError,
    Keep,
    NewAudit,
    NewUpdate,
    Outcome,
    Page,
    PendingConfigs,
    PendingCount,
    Resealed,
    Selection,
    StoredPush,
    StoredUpdate,
    Subject,
    Trimmed,
    Unpushed,
    Wanted,
)
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import audit, erase, inbox, replay, reseal, retention, tenants, unpushed
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.batch import Offline, WriterCall
from trackpush_server.journal.sqlite.checkpointer import Checkpointer
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.folder import FILE_NAME
from trackpush_server.journal.sqlite.lookup import SqliteLookup
from trackpush_server.journal.sqlite.pages import PendingPages
from trackpush_server.journal.sqlite.proof import WriteProof
from trackpush_server.journal.sqlite.scrub import Scrubber
from trackpush_server.journal.sqlite.writer import Done, Listener, SqliteWriter

_RETRY_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries to empty the log, which long reads hold back."""


class SqliteJournal:
    """A journal in ``folder/journal.db``. See `trackpush_server.journal.port.Journal`."""

    def __init__(self, folder: Path, *, sealer: Sealer | None = None, volume: bool = False) -> None:
        """Make the journal; `start` opens it.

        Args:
            folder: where its files are.
            sealer: seals and opens what is stored; without one, everything is stored in clear.
            volume: the folder is the root of a volume that this pod alone mounts (`folder.check`).
        """
        self._listeners = JournalListeners()
        self._queue = AppendQueue(self._listeners, waits_for="disk")
        self.inbox_bounds = InboxBounds()
        self._inbox_bytes = 0
        """Of unrecognised bodies that wait for their commit."""
        self._folder = folder
        self._volume = volume
        self._proof = WriteProof()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer: SqliteWriter | None = None
        self._checkpointer = Checkpointer(folder)
        self._sealer = sealer or Sealer(os.urandom)
        self._pages = PendingPages(folder, self._sealer)
        self._lookup = SqliteLookup(folder, self._sealer)
        self._scrubber = Scrubber(folder / FILE_NAME)

    def subscribe(self, listener: JournalListener) -> None:
        """Announce everything to this listener, too."""
        self._listeners.subscribe(listener)

    @property
    def stats(self) -> JournalStats:
        """Running figures."""
        return self._queue.stats

    @property
    def lookup(self) -> SqliteLookup:
        """What people read through."""
        return self._lookup

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be stored now, or None."""
        return self._queue.unavailable

    @property
    def outcomes_waiting(self) -> int:
        """How many outcomes are not on disk yet."""
        return self._queue.outcomes_waiting

    @property
    def size_bytes(self) -> int:
        """The file and its log."""
        return sum(_size(self._folder / name) for name in (FILE_NAME, f"{FILE_NAME}-wal"))

    @property
    def alive(self) -> bool:
        """Whether the writer thread runs."""
        return self._writer is not None and self._writer.is_alive()

    async def start(self) -> None:
        """Open and migrate; when that fails the journal is unavailable and keeps trying."""
        loop = self._loop = asyncio.get_running_loop()
        listener = Listener(
            loop, on_done=self._done, on_refused=self._refused, on_state=self._change_state, on_missing=self._missing
        )
        self._writer = SqliteWriter(
            self._folder, listener, self._checkpointer, sealer=self._sealer, volume=self._volume
        )
        self._checkpointer.start()
        self._writer.start()
        await loop.run_in_executor(None, self._writer.opened.wait)

    async def close(self) -> None:
        """Write what is queued, then close."""
        if self._queue.closed or self._writer is None or self._loop is None:
            return
        self._queue.close()
        await self._pages.close()
        await self._lookup.close()
        await self._loop.run_in_executor(None, self._checkpointer.stop)
        self._writer.stop()  # last: whoever closes last moves the log into the file, and only the writer can
        await self._loop.run_in_executor(None, self._writer.join)
        self._scrubber.close()

    async def prove(self) -> str | None:
        """Store something, unless a commit has just shown that this works; why that is not known, or None.

        Whether it failed is in `unavailable` afterwards.
        """
        if self._queue.unavailable is not None:
            return None
        return await self._proof.give(lambda: self._call(lambda connection: connection.touch()))

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        """Store one request's updates; see the port."""
        append = self._queue.add(updates)
        assert self._writer is not None
        self._writer.put(append)
        return append.done

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        """Keep one request's unrecognised bodies; see the port."""
        self._queue.check()
        if self._inbox_bytes >= MOST_QUEUED_UNRECOGNISED_BYTES:
            raise JournalUnavailableError(f"overloaded: {self._inbox_bytes} bytes of unrecognised bodies wait")
        size = sum([len(body.body) + PER_ENTRY_BYTES for body in bodies])
        kept: list[KeptBodies] = []

        def run(connection: SqliteConnection) -> int:
            kept.append(inbox.keep(connection, self._sealer, bodies, self.inbox_bounds))
            return kept[-1].new

        self._inbox_bytes += size
        try:
            new = await self._call(run)
        finally:
            self._inbox_bytes -= size
        self._listeners.bodies_dropped(kept[-1].dropped)
        return new

    def record(self, outcome: Outcome) -> None:
        """Store an outcome with the next commit."""
        if self._writer is not None:
            self._queue.outcomes_waiting += 1
            self._writer.put(outcome)

    async def flush(self) -> None:
        """Return when everything that was handed over before is on disk."""
        while True:
            try:
                await self._call(lambda _: 0)
            except JournalUnavailableError:
                if self._queue.closed:
                    raise
                await asyncio.sleep(0.1)  # outcomes are kept and tried again; so are we
            else:
                return

    async def pending(self, wanted: Sequence[Wanted]) -> tuple[Page, ...]:
        """Pages of pending pushes."""
        return await self._pages.pending(wanted)

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        """Those of the given pushes that are still pending."""
        return await self._pages.fetch(push_config, update_ids)

    async def expire(self, push_config: str, *, received_before: int, limit: int) -> int:
        """Mark old pending pushes as dead."""

        def run(connection: SqliteConnection) -> int:
            config = replay.config_number(connection, push_config)
            if config is None:
                return 0
            values = (int(time.time() * 1000), config, config, limit, received_before)
            return connection.change(sql.EXPIRE, values)

        return await self._call(run)

    async def drop(self, push_config: str, *, reason: str, now: int, limit: int) -> int:
        """Mark pending pushes as dropped."""

        def run(connection: SqliteConnection) -> int:
            config = replay.config_number(connection, push_config)
            return 0 if config is None else connection.change(sql.DROP, (now, reason, config, config, limit))

        return await self._call(run)

    async def pending_configs(self) -> PendingConfigs:
        """Which PushConfigs have anything pending."""
        return await self._pages.pending_configs()

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        """The backlog of each PushConfig."""
        return await self._pages.pending_counts()

    async def bind(self, wanted: Mapping[str, Sequence[Tenant]]) -> dict[str, BoundClient]:
        """Bind clients to namespace objects."""
        found: dict[str, BoundClient] = {}

        def run(connection: SqliteConnection) -> int:
            found.clear()
            found.update(tenants.bind(connection, wanted))
            return len(found)

        await self._hand_over(WriterCall(run, self._future(), renames=True))
        return found

    async def trim(self, keep: Keep, *, after: int, limit: int) -> Trimmed:
        """Delete what is kept no longer."""
        found = await self._pages.read(lambda connection: retention.find(connection, keep, after, limit))
        if not found.update_ids:
            return Trimmed(next_after=found.next_after)
        deleted: list[Trimmed] = []

        def run(connection: SqliteConnection) -> int:
            deleted.append(retention.delete(connection, keep, found.update_ids))
            return deleted[-1].updates

        await self._call(run)
        return msgspec.structs.replace(deleted[-1], next_after=found.next_after)

    async def push_configs(self) -> tuple[str, ...]:
        """Every PushConfig that ever had a push."""
        return await self._pages.read(replay.push_configs)

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[Ended, ...]:
        """The next ended pushes that match."""
        return await self._pages.read(lambda connection: replay.ended(connection, push_config, selection, after, limit))

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        """Make ended pushes pending again."""
        return await self._call(
            lambda connection: replay.replay(connection, push_config, update_ids, now, replayed_before)
        )

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> Found:
        """Look for updates without a push for this PushConfig."""
        return await self._pages.read(lambda connection: unpushed.find(connection, push_config, wanted, after, limit))

    async def read_updates(self, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
        """Updates with their payloads."""
        return await self._pages.read(lambda connection: unpushed.read(connection, self._sealer, update_ids))

    async def add_pushes(self, push_config: str, update_ids: Sequence[int], *, now: int) -> int:
        """Add pending pushes to stored updates."""
        return await self._call(lambda connection: unpushed.add(connection, push_config, update_ids, now))

    async def reseal(self, *, after: int, limit: int) -> Resealed:
        """Encrypt the next updates that aren't sealed as they would be now."""
        looked = await self._pages.read(lambda connection: reseal.look(connection, self._sealer, after, limit))
        if not looked.update_ids:
            return Resealed(looked=looked.count, resealed=0, next_after=looked.next_after)
        done: list[Resealed] = []

        def run(connection: SqliteConnection) -> int:
            done.append(reseal.reseal(connection, self._sealer, looked))
            return done[-1].resealed

        await self._call(run)
        return done[-1]

    async def forget_unrecognised(self, keys: Sequence[bytes]) -> int:
        """Delete these unrecognised bodies."""
        return await self._call(lambda connection: inbox.forget(connection, keys))

    async def expire_unrecognised(self, *, received_before: int, limit: int) -> int:
        """Delete unrecognised bodies that came last before then."""
        return await self._call(lambda connection: inbox.expire(connection, received_before, limit))

    async def reseal_unrecognised(self, *, after: int, limit: int) -> Resealed:
        """Seal the next unrecognised bodies as it would be done now."""
        looked = await self._pages.read(lambda connection: inbox.look(connection, self._sealer, after, limit))
        if not looked.ids:
            return Resealed(looked=looked.count, resealed=0, next_after=looked.next_after)
        done: list[Resealed] = []

        def run(connection: SqliteConnection) -> int:
            done.append(inbox.reseal(connection, self._sealer, looked))
            return done[-1].resealed

        await self._call(run)
        return done[-1]

    async def scrub(self) -> None:
        """Zero what deleting and replacing left behind, in steps between commits."""
        page = await self._scrub(0)
        while page:
            page = await self._scrub(page)

    async def find_erasable(self, subject: Subject, *, after: int, limit: int) -> Found:
        """Look for updates of a subject."""
        return await self._pages.read(lambda connection: erase.find(connection, subject, after, limit))

    async def begin_erasure(self, subject: str, reason: str, *, now: int) -> int:
        """Write down that an erasure has begun."""
        return await self._call(lambda connection: connection.insert(erase.BEGIN, (subject, reason, now)))

    async def erase(self, erasure: int, update_ids: Sequence[int], *, now: int) -> int:
        """Erase what these updates tell of people."""
        return await self._call(lambda connection: erase.erase(connection, erasure, update_ids, now))

    async def end_erasure(self, erasure: int, *, now: int) -> None:
        """Scrub, then write down that it is done."""
        await self.scrub()
        await self._call(lambda connection: connection.change(erase.END, (now, erasure)))

    async def erasures(self, *, limit: int) -> tuple[Erasure, ...]:
        """The records, newest first."""
        return await self._pages.read(lambda connection: erase.records(connection, limit))

    async def audit(self, entry: NewAudit) -> None:
        """Add to the audit log."""
        await self._call(lambda connection: audit.add(connection, entry))

    async def _scrub(self, page: int) -> int:
        """One step; readers may hold the log for a while."""
        backoff = RetryDelays(*_RETRY_DELAYS)
        while True:
            try:
                return await self._hand_over(Offline(lambda: self._scrubber.step(page), self._future()))
            except JournalUnavailableError:
                if self._queue.closed or backoff.is_exhausted:
                    raise
                await asyncio.sleep(backoff.fail())

    def _call(self, run: Callable[[SqliteConnection], int]) -> asyncio.Future[int]:
        return self._hand_over(WriterCall(run, self._future()))

    def _future(self) -> asyncio.Future[int]:
        return asyncio.get_running_loop().create_future()

    def _hand_over(self, entry: WriterCall | Offline) -> asyncio.Future[int]:
        if self._writer is None or self._queue.closed:
            raise JournalUnavailableError("the journal is not open")
        self._writer.put(entry)
        return entry.done

    def _done(self, done: Done) -> None:
        self._proof.given()
        self._queue.store(done)
        for future, result in done.calls:
            resolve(future, result)

    def _refused(self, entries: Sequence[Append | WriterCall | Offline], error: Exception) -> None:
        self._queue.refuse([entry for entry in entries if isinstance(entry, Append)], error)
        for entry in entries:
            fail(entry.done, error)

    def _missing(self, what: str) -> None:
        self._queue.stats.missing = what

    def _change_state(self, reason: str | None) -> None:
        if reason is not None:
            self._pages.reopen()
        self._queue.change_state(reason)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
