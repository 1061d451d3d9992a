"""Adds to the hourly counts and merges old ones, under the counter's lock, so that replicas never wait crosswise."""

from collections.abc import Sequence
from typing import Any

from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.rollups import (
    KEPT,
    MERGED_AT_ONCE,
    WIDE,
    NewTally,
    RollupSubject,
    Tallied,
    TallyRow,
    day_since,
    narrow_until,
    week_since,
)

SQL = load(f"{__package__}.sql", "rollups")


class PostgresRollups:
    """See `trackpush_server.journal.ports.RollupStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def add(self, tallies: Sequence[NewTally], *, at: int) -> None:
        self._access.appends.check()
        tallied = [tally.tallied for tally in tallies]
        await self._access.pool.write(
            SQL["add"],
            at,
            [int(tally.subject) for tally in tallies],
            [tally.name for tally in tallies],
            [found.received for found in tallied],
            [found.delivered for found in tallied],
            [found.failed for found in tallied],
            [found.dead for found in tallied],
        )

    async def merge(self, *, now: int) -> None:
        self._access.appends.check()
        until = narrow_until(now)
        await self._access.pool.write(SQL["merge"], until - MERGED_AT_ONCE, until, WIDE)
        await self._access.pool.write(SQL["drop_old"], now - KEPT)


async def read(pool: Pool, now: int) -> tuple[TallyRow, ...]:
    """See `JournalSearch.rollups`."""
    rows = await pool.fetch(SQL["read"], day_since(now), week_since(now), now)
    return tuple(
        TallyRow(
            subject=RollupSubject(row["subject"]), name=row["name"], day=_tallied(row, "day_"), week=_tallied(row, "")
        )
        for row in rows
    )


def _tallied(row: Any, prefix: str) -> Tallied:
    return Tallied(**{name: row[prefix + name] for name in Tallied.__struct_fields__})
