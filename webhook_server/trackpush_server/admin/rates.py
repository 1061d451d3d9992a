"""Rates of the last day and the last week, by client, aggregator and status. Pure. docs/overview.md."""

from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from trackpush_aggregators.updates import rfc3339
from trackpush_server.journal.rollups import RollupSubject, Tallied, TallyRow, day_since, week_since
from trackpush_server.journal.tenants import is_former


class Rate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Counts over one time."""

    received: int
    """Updates."""
    delivered: int
    """Pushes; 0 for aggregators and statuses, for which only updates are counted."""
    failed: int
    """Attempts that failed."""
    dead: int
    """Pushes that were given up, even if they were sent again later."""


class RateRow(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one client, aggregator or status."""

    name: str
    day: Rate
    week: Rate


class Rates(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Counts of the last day and the last week. Clients are a page by name, starting after the client ``after``."""

    day_since: str
    """Start of ``day``, a full hour."""
    week_since: str
    """Start of ``week``."""
    total: RateRow
    clients: tuple[RateRow, ...]
    after: str | None
    aggregators: tuple[RateRow, ...]
    statuses: tuple[RateRow, ...]


class _Sums:
    """Adds up rows by name."""

    def __init__(self) -> None:
        self._day: dict[str, Tallied] = {}
        self._week: dict[str, Tallied] = {}

    def add(self, name: str, row: TallyRow) -> None:
        self._day[name] = self._day.get(name, Tallied()) + row.day
        self._week[name] = self._week.get(name, Tallied()) + row.week

    def rows(self) -> tuple[RateRow, ...]:
        return tuple(_rate_row(name, self._day[name], self._week[name]) for name in sorted(self._week))


def rates(rows: Iterable[TallyRow], *, now: float, after: str = "", limit: int) -> Rates:
    """The rates; former namespaces count only in the total."""
    clients, aggregators, statuses, total = _Sums(), _Sums(), _Sums(), _Sums()
    for row in rows:
        first, _, second = row.name.partition("/")
        if row.subject is RollupSubject.STATUS:
            aggregators.add(first or "unknown", row)
            statuses.add(second, row)
            continue
        total.add("all", row)
        if not is_former(row.name):
            clients.add(first, row)
    milliseconds = int(now * 1000)
    page = tuple(islice((row for row in clients.rows() if row.name > after), limit))
    return Rates(
        day_since=rfc3339(day_since(milliseconds)),
        week_since=rfc3339(week_since(milliseconds)),
        total=next(iter(total.rows()), _rate_row("all", Tallied(), Tallied())),
        clients=page,
        after=page[-1].name if len(page) == limit else None,
        aggregators=aggregators.rows(),
        statuses=statuses.rows(),
    )


def died(rows: Iterable[TallyRow]) -> Mapping[str, int]:
    """The number of pushes of each PushConfig that died within the last day."""
    return {row.name: row.day.dead for row in rows if row.subject is RollupSubject.PUSH_CONFIG and row.day.dead}


def busiest(rows: Iterable[RateRow], limit: int) -> tuple[RateRow, ...]:
    """The rows with the most updates and pushes of the last week, in descending order."""
    return tuple(sorted(rows, key=lambda row: (-(row.week.received + row.week.delivered), row.name))[:limit])


def _rate_row(name: str, day: Tallied, week: Tallied) -> RateRow:
    return RateRow(name=name, day=_rate(day), week=_rate(week))


def _rate(tallied: Tallied) -> Rate:
    return Rate(**msgspec.structs.asdict(tallied))
