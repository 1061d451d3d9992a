"""Finds and erases personal data in updates. The rows stay: states, times, and the key that identifies a repeat."""

import asyncio
from collections.abc import Sequence

from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.model import Found, JournalUnavailableError, Subject
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.queries import load

_SQL = load(f"{__package__}.sql", "erasing")
_RETRY_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between looks at whether older transactions have ended."""


async def find(pool: Pool, subject: Subject, after: int, limit: int) -> Found:
    """See `Journal.find_erasable`."""
    if subject.awb is not None:
        rows = await pool.fetch(_SQL["of_awb"], subject.awb, after, subject.client)
        return Found(tuple(row["id"] for row in rows), None)
    rows = await pool.fetch(_SQL["next_ids"], after, limit, subject.client)
    return Found(tuple(row["id"] for row in rows if row["wanted"]), rows[-1]["id"] if len(rows) == limit else None)


async def begin(pool: Pool, subject: str, reason: str, now: int) -> int:
    """See `Journal.begin_erasure`."""
    return await pool.write(_SQL["begin"], subject, reason, now)


async def erase(pool: Pool, erasure: int, update_ids: Sequence[int], now: int, replica: int) -> int:
    """See `Journal.erase`."""
    return await pool.write(_SQL["erase"], erasure, list(update_ids), now, replica, news=True)


async def end(pool: Pool, erasure: int, now: int) -> None:
    """Vacuum what the erasure touched, then write down that it is done."""
    await _vacuum(pool, [row["name"] for row in await pool.fetch(_SQL["tables"], erasure)])
    await pool.write(_SQL["end"], erasure, now)


async def scrub(pool: Pool) -> None:
    """Vacuum everything that may hold what was replaced."""
    await _vacuum(pool, [row["name"] for row in await pool.fetch(_SQL["all_tables"])])


async def _vacuum(pool: Pool, tables: Sequence[str]) -> None:
    """Remove old versions of rows, once nobody can see them any more.

    Raises:
        JournalUnavailableError: somebody's transaction has looked at the database for too long.
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
