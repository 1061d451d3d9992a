"""Computes one page of pushes: chooses indexes, filters the rows, and sets the cursor of the next page.

A walk is a bounded index scan. If a walk stops at its bound and not at the end of the index, its last row is its
frontier: rows behind it are unknown. A page never contains a row behind the nearest frontier, because an unknown row
may belong before it.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Literal, NamedTuple

from trackpush_server.journal.error_class import matches
from trackpush_server.journal.model import PushState
from trackpush_server.journal.name_hint import unknown_name
from trackpush_server.journal.row_mapping import FoundPush, Names, Position, cursor_text, position, push_row
from trackpush_server.journal.search import (
    MOST_AWBS,
    MOST_LOOKED,
    PushPage,
    PushQuery,
    checked_limit,
    parse_cursor,
)


class Bounds(NamedTuple):
    """The range to scan: positions between ``low`` and ``high``, both exclusive; ``since`` and ``until`` are exact."""

    low: Position
    high: Position
    since: int
    until: int
    newer: bool
    """Scan from ``low`` to newer pushes; otherwise from ``high`` to older ones."""


class Walk(NamedTuple):
    """One index scan that the adapter performs."""

    by: Literal["receipt", "awb", "order", "status", "state"]
    where: Bounds
    limit: int
    text: str = ""
    """The order or status."""
    texts: tuple[str, ...] = ()
    """The AWBs."""
    state: int = 0
    config: int = 0
    """Number of the PushConfig, with ``by="state"``."""

    @property
    def ids(self) -> tuple[int, int]:
        """The first and the last update id of the range, for a walk of one PushConfig."""
        low, high = self.where.low, self.where.high
        return low[0] + (self.config <= low[1]), high[0] - (self.config >= high[1])


Walking = Generator[Walk, list[FoundPush], PushPage]
"""Yields walks, receives their rows, and returns the page. It does no I/O, so all adapters return equal pages."""


class _Looked(NamedTuple):
    """Matching rows in scan order, and the nearest frontier; None if the end was reached."""

    rows: list[FoundPush]
    frontier: Position | None


def checked(query: PushQuery) -> Position | None:
    """The position of the query's cursor; None without a cursor.

    Raises:
        ValueError: the cursor is invalid, or the limit is out of bounds.
    """
    checked_limit(query.limit)
    if len(query.awbs) > MOST_AWBS:
        raise ValueError(f"{len(query.awbs)} AWBs are too many: name at most {MOST_AWBS}")
    cursor = parse_cursor(query.cursor)
    if query.newer and cursor is None:
        raise ValueError("newer needs a cursor: the one of the page to go back from")
    return cursor


def list_pushes(names: Names, query: PushQuery, where: Bounds) -> Walking:
    """Implements `JournalSearch.list_pushes`. All walks must read the same snapshot.

    ``where`` is the range that the adapter computed from the query's times and cursor.
    """
    limit, cursor = query.limit, checked(query)
    wanted = _Wanted(names, query)
    looked = yield from _look(wanted, query, where)
    rows, more = looked.rows[:limit], looked.frontier
    if len(looked.rows) > limit:
        more = position(rows[-1])
    if query.newer:
        rows.reverse()
        older, newer = position(rows[-1]) if rows else cursor, more
    else:
        older, newer = more, None if cursor is None else (position(rows[0]) if rows else cursor)
    found = tuple(push_row(names, row) for row in rows)
    hint = None if found or wanted.configs else unknown_name(query, frozenset(names.push_configs.values()))
    return PushPage(found, older and cursor_text(older), newer and cursor_text(newer), hint)


class _Wanted:
    """Predicate for the filters of a query."""

    def __init__(self, names: Names, query: PushQuery) -> None:
        client = query.client
        if client is None and query.account is not None:
            client = query.account.partition("/")[0]  # an account's updates go to PushConfigs of its namespace alone
        self.configs = [
            number
            for number, name in names.push_configs.items()
            if query.push_config in {None, name} and (client is None or name.startswith(f"{client}/"))
        ]
        self.states = _states(query)
        self._configs = frozenset(self.configs)
        self._account = query.account
        self._accounts = names.accounts
        self._status = query.status
        self._order_id = query.order_id
        self._ended = query.ended_since, query.ended_until
        self._errors = query.errors

    def __call__(self, row: FoundPush) -> bool:
        return (
            row.config_id in self._configs
            and row.state in self.states
            and self._status in {None, row.status}
            and self._order_id in {None, row.order_id}
            and self._account in {None, self._accounts[row.account_id]}
            and _ended_between(row.ended_at, *self._ended)
            and matches(self._errors, row.error)
        )


def _states(query: PushQuery) -> tuple[PushState, ...]:
    """The states of pushes that can match."""
    states = tuple(PushState) if query.state is None else (query.state,)
    if query.ended_since is not None or query.ended_until is not None:
        states = tuple(state for state in states if state is not PushState.PENDING)
    return tuple(state for state in states if state is not PushState.DELIVERED) if query.errors else states


def _ended_between(ended_at: int | None, since: int | None, until: int | None) -> bool:
    if since is None and until is None:
        return True
    return ended_at is not None and (since is None or ended_at >= since) and (until is None or ended_at < until)


def _look(wanted: _Wanted, query: PushQuery, where: Bounds) -> Generator[Walk, list[FoundPush], _Looked]:
    limit = query.limit
    if query.awbs:
        return (yield from _walk(Walk("awb", where, MOST_LOOKED, texts=query.awbs), wanted))
    if query.order_id is not None:
        return (yield from _walk(Walk("order", where, MOST_LOOKED, query.order_id), wanted))
    by_config = not (query.push_config is None and query.client is None and query.account is None)
    if query.status is None:
        if not by_config and len(wanted.states) == len(PushState):
            return (yield from _walk(Walk("receipt", where, limit + 1), wanted))
        is_filtered = bool(query.account or query.errors or query.ended_since or query.ended_until)
        return (yield from _by_state(wanted, where, limit, MOST_LOOKED if is_filtered else limit + 1))
    found = [(yield from _walk(Walk("status", where, MOST_LOOKED, query.status), wanted))]
    if by_config and found[0].frontier is not None:
        found.append((yield from _by_state(wanted, where, limit, MOST_LOOKED)))
    return max(found, key=lambda walked: _reach(walked, where, limit))


def _walk(walk: Walk, wanted: _Wanted) -> Generator[Walk, list[FoundPush], _Looked]:
    rows = yield walk
    return _Looked([row for row in rows if wanted(row)], position(rows[-1]) if len(rows) == walk.limit else None)


def _reach(looked: _Looked, where: Bounds, limit: int) -> tuple[bool, Position]:
    """Sort key for results: a full or complete page is best, then the one whose scan went furthest."""
    frontier = looked.frontier or where.low
    done = looked.frontier is None or len(looked.rows) > limit
    return done, frontier if where.newer else (-frontier[0], -frontier[1])


def _by_state(wanted: _Wanted, where: Bounds, limit: int, most: int) -> Generator[Walk, list[FoundPush], _Looked]:
    """Scan each PushConfig and state, and merge the rows. After a full page, narrow the range to that page."""
    rows: list[FoundPush] = []
    frontier: Position | None = None
    for config in wanted.configs:
        for state in wanted.states:
            one = yield from _walk(Walk("state", where, most, state=int(state), config=config), wanted)
            rows += one.rows
            frontier = _nearest([frontier, one.frontier], where)
        if len(rows) > limit:
            rows = _ordered(rows, where)[: limit + 1]
            where = _narrowed(where, position(rows[-1]))
    return _Looked([row for row in _ordered(rows, where) if _within(row, frontier, where)], frontier)


def _nearest(positions: Iterable[Position | None], where: Bounds) -> Position | None:
    known = [position for position in positions if position is not None]
    if not known:
        return None
    return min(known) if where.newer else max(known)


def _narrowed(where: Bounds, last: Position) -> Bounds:
    """The range that ends with ``last``, inclusive."""
    update_id, config = last
    return where._replace(high=(update_id, config + 1)) if where.newer else where._replace(low=(update_id, config - 1))


def _within(row: FoundPush, frontier: Position | None, where: Bounds) -> bool:
    if frontier is None:
        return True
    return position(row) <= frontier if where.newer else position(row) >= frontier


def _ordered(rows: Sequence[FoundPush], where: Bounds) -> list[FoundPush]:
    return sorted(rows, key=position, reverse=not where.newer)
