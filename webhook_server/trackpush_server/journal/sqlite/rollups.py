"""Adds to the hourly counts and merges old ones, in the writer's transaction."""

from collections.abc import Iterable, Sequence

import msgspec

from trackpush_server.journal.named_sql import load
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
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection

SQL = load(f"{__package__}.sql", "rollups")


class SqliteRollups:
    """See `trackpush_server.journal.ports.RollupStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def add(self, tallies: Sequence[NewTally], *, at: int) -> None:
        await self._access.write(lambda connection: add(connection, at, map(_row, tallies)))

    async def merge(self, *, now: int) -> None:
        await self._access.write(lambda connection: _merge(connection, now))


def add(connection: SqliteConnection, at: int, rows: Iterable[tuple[int, str, int, int, int, int]]) -> None:
    """Add numbers to the bucket that starts at ``at``; see `RollupStore.add`."""
    connection.execute(SQL["add"], {"at": at, "rows": msgspec.json.encode(list(rows)).decode()})


def read(connection: SqliteConnection, now: int) -> tuple[TallyRow, ...]:
    """See `JournalSearch.rollups`."""
    window = {"now": now, "day": day_since(now), "week": week_since(now)}
    return tuple(
        TallyRow(subject=RollupSubject(subject), name=name, day=_tallied(counts[:4]), week=_tallied(counts[4:]))
        for subject, name, *counts in connection.execute(SQL["read"], window)
    )


def _merge(connection: SqliteConnection, now: int) -> None:
    until = narrow_until(now)
    window = {"since": until - MERGED_AT_ONCE, "until": until, "wide": WIDE}
    connection.execute(SQL["merge"], window)
    connection.execute(SQL["drop_merged"], window)
    connection.execute(SQL["drop_old"], {"before": now - KEPT})


def _row(tally: NewTally) -> tuple[int, str, int, int, int, int]:
    found = tally.tallied
    return int(tally.subject), tally.name, found.received, found.delivered, found.failed, found.dead


def _tallied(counts: Sequence[int]) -> Tallied:
    received, delivered, failed, dead = counts
    return Tallied(received=received, delivered=delivered, failed=failed, dead=dead)
