"""Finds and erases personal data in updates. Keeps the rows with states, times, and the keys that detect duplicates."""

import asyncio
from collections.abc import Sequence

from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.model import Erasure, FoundUpdates, JournalUnavailableError, Subject
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.pool import Pool

_SQL = load(f"{__package__}.sql", "erasure")
_READING = load(f"{__package__}.sql", "reading")
_RETRY_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between checks whether older transactions have ended."""


class PostgresErasures:
    """See `trackpush_server.journal.ports.ErasureStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access
        self._pool = access.pool

    async def find(self, subject: Subject, *, after: int, limit: int) -> FoundUpdates:
        if subject.awb is not None:
            rows = await self._pool.fetch(_SQL["of_awb"], subject.awb, after, subject.client)
            return FoundUpdates(tuple(row["id"] for row in rows), None)
        rows = await self._pool.fetch(_SQL["next_ids"], after, limit, subject.client)
        return FoundUpdates(
            tuple(row["id"] for row in rows if row["wanted"]), rows[-1]["id"] if len(rows) == limit else None
        )

    async def begin(self, subject: str, reason: str, *, now: int) -> int:
        return await self._pool.write(_SQL["begin"], subject, reason, now)

    async def erase(self, erasure: int, update_ids: Sequence[int], *, now: int) -> int:
        await self._access.flush_for_write()
        values = (erasure, list(update_ids), now, self._access.replica)
        return await self._pool.write(_SQL["erase"], *values, news=True)

    async def end(self, erasure: int, *, now: int) -> None:
        """Vacuum the tables that the erasure changed, then record its end."""
        await _vacuum(self._pool, [row["name"] for row in await self._pool.fetch(_SQL["tables"], erasure)])
        await self._pool.write(_SQL["end"], erasure, now)

    async def records(self, *, limit: int) -> tuple[Erasure, ...]:
        return tuple(Erasure(**row) for row in await self._pool.fetch(_READING["erasures"], limit))


async def vacuum_all(pool: Pool) -> None:
    """Vacuum all tables that may contain old versions of re-encrypted rows."""
    await _vacuum(pool, [row["name"] for row in await pool.fetch(_SQL["all_tables"])])


async def _vacuum(pool: Pool, tables: Sequence[str]) -> None:
    """Remove old versions of rows, as soon as no transaction can see them.

    Raises:
        JournalUnavailableError: an older transaction is open for too long.
    """
    horizon = (await pool.fetch(_SQL["horizon"]))[0]["number"]
    backoff = RetryDelays(*_RETRY_DELAYS)
    while not (await pool.fetch(_SQL["passed"], horizon))[0]["passed"]:
        if backoff.is_exhausted:
            raise JournalUnavailableError(
                "what was erased or replaced can't be removed from the database's tables: a transaction is older and"
                " still open; end it (pg_stat_activity tells whose it is) and try again"
            )
        await asyncio.sleep(backoff.fail())
    for table in tables:
        await pool.vacuum(table)
