"""Deletes expired records: drops the partitions of fully expired days, and deletes other rows in small steps.

One replica works at a time. Of a fully expired day, it first deletes the rows in tables that are not partitioned by day
(keys, shipments) in small steps, then drops the partitions.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import asyncpg
import msgspec

from trackpush_server.journal.model import RetentionCutoffs, Trimmed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres import inbox
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.portal_links import SQL as PORTAL_LINKS
from trackpush_server.journal.postgres.session import Session

_SQL = load(f"{__package__}.sql", "retention")
_LOCK = load(f"{__package__}.sql", "reading")["lock"]
_DAY_BITS = 36
_TABLES = ("updates", "pushes", "undelivered", "attempts")
_DROP_SECONDS = 10.0
_LOCK_WAIT = "SET LOCAL lock_timeout = '100ms'"
"""A DROP waits for readers of the table, and later readers wait for the DROP, so it must give up soon. A later run
retries it."""


class PostgresRetention:
    """See `trackpush_server.journal.ports.RetentionStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._pool = access.pool
        self._whole: dict[int, bool] = {}
        """Whether each day is fully expired, as determined at the start of this round."""

    async def expire_unrecognised(self, *, received_before: int, limit: int) -> int:
        return await inbox.expire(self._pool, received_before, limit)

    async def expire_portal_links(self, *, expired_before: int, limit: int) -> int:
        return await self._pool.write(PORTAL_LINKS["expire"], expired_before, limit)

    async def trim(self, keep: RetentionCutoffs, *, after: int, limit: int) -> Trimmed:
        async with self._pool.session() as session:
            if after == 0:
                self._whole = dict.fromkeys((row["day"] for row in await session.fetch(_SQL["days"])), False)
                await self._find_whole(session, keep)
            rows = await session.fetch(_SQL["next"], after, limit, keep.delivered_since, keep.dead_since)
            if after == 0:
                await self._drop_before(session, rows[0]["id"] >> _DAY_BITS if rows else 1 << _DAY_BITS, keep)
            youngest = max(keep.delivered_since, keep.dead_since)
            old = [row for row in rows if row["received_at"] < youngest]
            if not old:
                return Trimmed()
            day = old[0]["id"] >> _DAY_BITS
            if self._whole.get(day):
                ids = [row["id"] for row in old if row["id"] >> _DAY_BITS == day]
                return await self._forget(session, keep, day, ids, ends=len(ids) < limit)
            going = [row["id"] for row in old if row["has_old"] or (not row["has_pushes"] and _is_old(row, keep))]
            trimmed = await self._delete(session, keep, going) if going else Trimmed()
            return msgspec.structs.replace(trimmed, next_after=old[-1]["id"] if len(old) == limit else None)

    async def _find_whole(self, session: Session, keep: RetentionCutoffs) -> None:
        for day in self._whole:
            row = await session.row(_SQL["kept"], day, keep.delivered_since, keep.dead_since)
            self._whole[day] = not row["kept"]

    async def _delete(self, session: Session, keep: RetentionCutoffs, ids: Sequence[int]) -> Trimmed:
        begun = time.perf_counter()
        async with session.begin():
            if not (await session.row(_SQL["alone"]))["alone"]:
                return Trimmed()
            await session.fetch(_SQL["mark_late"], ids, keep.delivered_since)
            pushes = (await session.row(_SQL["delete_pushes"], ids, keep.delivered_since, keep.dead_since))["pushes"]
            updates = (await session.row(_SQL["delete_updates"], ids, keep.delivered_since))["updates"]
        return Trimmed(updates=updates, pushes=pushes, seconds=time.perf_counter() - begun)

    async def _forget(
        self, session: Session, keep: RetentionCutoffs, day: int, ids: Sequence[int], *, ends: bool
    ) -> Trimmed:
        begun = time.perf_counter()
        async with session.begin():
            if not (await session.row(_SQL["alone"]))["alone"]:
                return Trimmed()
            await session.fetch(_SQL["mark_late"], ids, keep.delivered_since)
            row = await session.row(_SQL["forget"], ids)
        if ends:
            await self._drop(session, day, keep)
        seconds = time.perf_counter() - begun
        return Trimmed(updates=row["updates"], pushes=row["pushes"], seconds=seconds, next_after=ids[-1])

    async def _drop_before(self, session: Session, first: int, keep: RetentionCutoffs) -> None:
        """Drop the fully expired days before day ``first``, which earlier steps have emptied."""
        for day in [day for day, whole in self._whole.items() if whole and day < first]:
            await self._drop(session, day, keep)

    async def _drop(self, session: Session, day: int, keep: RetentionCutoffs) -> None:
        """Drop the partitions of a day, unless one of its pushes was made pending again meanwhile."""
        with contextlib.suppress(asyncpg.LockNotAvailableError, asyncpg.UndefinedTableError):
            async with asyncio.timeout(_DROP_SECONDS), session.begin():
                await session.connection.execute(_LOCK_WAIT)
                await session.fetch(_LOCK)
                if (await session.row(_SQL["kept"], day, keep.delivered_since, keep.dead_since))["kept"]:
                    return
                date = await session.connection.fetchval(
                    "SELECT to_char(date '2020-01-01' + $1::integer, 'YYYYMMDD')", day
                )
                tables = ", ".join(f"trackpush.{table}_{date}" for table in _TABLES)
                await session.connection.execute(f"DROP TABLE {tables}")
        self._whole.pop(day, None)


def _is_old(row: asyncpg.Record, keep: RetentionCutoffs) -> bool:
    return bool(row["received_at"] < keep.delivered_since)
