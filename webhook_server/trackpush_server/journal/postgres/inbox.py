"""The inbox in the database: its own group commit, and functions that read and delete.

It does not use the journal's writer, so that many unrecognised bodies don't slow down updates and outcomes.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from trackpush_server.journal.append_queue import MOST_QUEUED_UNRECOGNISED_BYTES, PER_ENTRY_BYTES, fail, resolve
from trackpush_server.journal.inbox import (
    COLUMN,
    InboxBounds,
    InboxCount,
    InboxEntry,
    InboxPage,
    InboxQuery,
    InboxRow,
    KeptBodies,
    NewUnrecognised,
    checked_inbox_limit,
    opened,
    page,
    sealed,
)
from trackpush_server.journal.listener import JournalListeners
from trackpush_server.journal.model import JournalUnavailableError, Resealed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.sealing import PREFIX_BYTES, Sealer, UnreadableError

_MOST_AT_ONCE = 200
_LAST = (1 << 63) - 1
_SQL = load(f"{__package__}.sql", "inbox")


class _Waiting(NamedTuple):
    bodies: tuple[NewUnrecognised, ...]
    done: asyncio.Future[KeptBodies]


class PostgresInbox:
    """See `trackpush_server.journal.ports.InboxStore`."""

    def __init__(self, access: PostgresAccess, listeners: JournalListeners, pool: Pool) -> None:
        """``pool`` is used only by the inbox's writer."""
        self._access = access
        self._listeners = listeners
        self._writer = InboxWriter(pool, access.sealer)
        self.bounds = InboxBounds()

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        self._access.appends.check()
        kept = await self._writer.keep(bodies, self.bounds)
        self._listeners.bodies_dropped(kept.dropped)
        return kept.new

    async def forget(self, keys: Sequence[bytes]) -> int:
        return await forget(self._access.pool, keys)


class InboxWriter:
    """Group commit: bodies that arrive during a transaction are stored together by the next one."""

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    async def keep(self, bodies: Sequence[NewUnrecognised], bounds: InboxBounds) -> KeptBodies:
        """Implements `UpdateLog.keep`. The first request of a batch gets the dropped bodies of the whole batch."""
        if self._bytes >= MOST_QUEUED_UNRECOGNISED_BYTES:
            raise JournalUnavailableError(f"overloaded: {self._bytes} bytes of unrecognised bodies wait")
        size = sum([len(body.body) + PER_ENTRY_BYTES for body in bodies])
        entry = _Waiting(tuple(bodies), asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._bytes += size
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._work(bounds))
            return await entry.done
        finally:
            self._bytes -= size

    async def _work(self, bounds: InboxBounds) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
            try:
                kept = await self._store([body for entry in batch for body in entry.bodies], bounds)
            except Exception as error:  # noqa: BLE001  every request of the batch gets the error
                told = error if isinstance(error, JournalUnavailableError) else JournalUnavailableError(str(error))
                for entry in batch:
                    fail(entry.done, told)
                continue
            fresh, dropped = kept
            for entry in batch:
                new, fresh = sum(fresh[: len(entry.bodies)]), fresh[len(entry.bodies) :]
                resolve(entry.done, KeptBodies(new, dropped))
                dropped = {}

    async def _store(
        self, bodies: Sequence[NewUnrecognised], bounds: InboxBounds
    ) -> tuple[Sequence[bool], dict[str, int]]:
        stored = [sealed(self._sealer, body) for body in bodies]
        columns = (
            [key for key, _ in stored],
            [body.account for body in bodies],
            [body.aggregator for body in bodies],
            [body.received_at for body in bodies],
            [len(body.body) for body in bodies],
            [body.content_type for body in bodies],
            [body for _, body in stored],
        )
        limits = (bounds.of_account, bounds.bytes_of_account, bounds.in_all, bounds.bytes_in_all)
        async with self._pool.session() as session, session.connection.transaction():
            row = await session.row(_SQL["keep"], *columns, *limits)
        dropped: dict[str, int] = {}
        for account, count in zip(row["dropped_account"] or (), row["dropped_count"] or (), strict=True):
            dropped[account] = dropped.get(account, 0) + count
        return row["fresh"], dropped


async def forget(pool: Pool, keys: Sequence[bytes]) -> int:
    """Implements `InboxStore.forget`."""
    return await _delete(pool, "forget", list(keys))


async def expire(pool: Pool, received_before: int, limit: int) -> int:
    """Implements `RetentionStore.expire_unrecognised`."""
    return await _delete(pool, "expire", received_before, limit)


async def list_page(pool: Pool, query: InboxQuery) -> InboxPage:
    """Implements `JournalSearch.list_unrecognised`."""
    limit = checked_inbox_limit(query.limit)
    before = _LAST if query.before is None else query.before
    rows = await pool.fetch(_SQL["page"], before, query.account, query.client, limit + 1)
    return page([InboxRow(**dict(row)) for row in rows], limit)


async def show(pool: Pool, sealer: Sealer, key: bytes) -> InboxEntry | None:
    """Implements `JournalSearch.show_unrecognised`."""
    rows = await pool.fetch(_SQL["one"], key)
    if not rows:
        return None
    found = dict(rows[0])
    stored = found.pop("body")
    return opened(sealer, InboxRow(**found), stored)


async def counts(pool: Pool) -> tuple[InboxCount, ...]:
    """Implements `JournalSearch.count_unrecognised`."""
    return tuple(InboxCount(**dict(row)) for row in await pool.fetch(_SQL["counts"]))


async def reseal(pool: Pool, sealer: Sealer, after: int, limit: int) -> Resealed:
    """Implements `ReencryptionStore.reseal_unrecognised`."""
    rows = await pool.fetch(_SQL["next_sealed"], after, limit, PREFIX_BYTES)
    stale = [row["id"] for row in rows if not sealer.is_current(row["body"])]
    next_after = rows[-1]["id"] if len(rows) == limit else None
    if not stale:
        return Resealed(looked=len(rows), resealed=0, next_after=next_after)
    begun = time.perf_counter()
    ids, bodies, unreadable = [], [], []
    async with pool.session() as session, session.connection.transaction():
        await session.fetch(_SQL["lock"])
        for row in await session.fetch(_SQL["payloads"], stale):
            try:
                body = sealer.open(row["body"], key=row["key"], column=COLUMN)
            except UnreadableError as error:
                unreadable.append(str(error))
                continue
            ids.append(row["id"])
            bodies.append(sealer.seal(body, key=row["key"], column=COLUMN))
        await session.fetch(_SQL["replace"], ids, bodies)
    seconds = time.perf_counter() - begun
    told = tuple(unreadable)
    return Resealed(looked=len(rows), resealed=len(ids), unreadable=told, seconds=seconds, next_after=next_after)


async def _delete(pool: Pool, statement: str, *values: object) -> int:
    async with pool.session() as session, session.connection.transaction():
        await session.fetch(_SQL["lock"])
        return len(await session.fetch(_SQL[statement], *values))
