"""One page of pushes: chooses the indexes to walk, filters what they don't serve, and says where to look on.

A walk looks at a bounded number of rows. When it ended with that bound and not with its index, what lies behind its
last row is unknown: that row is the walk's frontier, and a page never shows anything behind the nearest frontier.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trackpush_server.journal.lookup import MOST_LOOKED, PushQuery, checked_limit, parse_cursor
from trackpush_server.journal.port import PushState
from trackpush_server.journal.sqlite import search
from trackpush_server.journal.sqlite.search import Bounds, Found, Position


class Listed(NamedTuple):
    """Pushes, newest first, and the positions to go on from; see `PushPage`."""

    rows: list[Found]
    older: Position | None
    newer: Position | None


class _Looked(NamedTuple):
    """What walks found, in walking order, and how far they looked; None: to the end."""

    rows: list[Found]
    frontier: Position | None


def list_pushes(connection: sqlite3.Connection, names: dict[int, str], query: PushQuery) -> Listed:
    """See `Lookup.list_pushes`; within a read transaction."""
    limit = checked_limit(query.limit)
    cursor = parse_cursor(query.cursor)
    if query.newer and cursor is None:
        raise ValueError("newer needs a cursor: the one of the page to go back from")
    where = search.bounds(connection, query.since, query.until, cursor, newer=query.newer)
    looked = _look(connection, _Wanted(names, query), query, where, limit)
    rows, more = looked.rows[:limit], looked.frontier
    if len(looked.rows) > limit:
        more = _position(rows[-1])
    if not query.newer:
        return Listed(rows, more, None if cursor is None else (_position(rows[0]) if rows else cursor))
    rows.reverse()
    return Listed(rows, _position(rows[-1]) if rows else cursor, more)


class _Wanted:
    """The filters of a query."""

    def __init__(self, names: dict[int, str], query: PushQuery) -> None:
        client = query.client
        if client is None and query.account is not None:
            client = query.account.partition("/")[0]  # an account's updates go to PushConfigs of its namespace alone
        self.configs = [
            number
            for number, name in names.items()
            if query.push_config in {None, name} and (client is None or name.startswith(f"{client}/"))
        ]
        self.states = tuple(PushState) if query.state is None else (query.state,)
        self._configs = frozenset(self.configs)
        self._account = query.account
        self._names = names
        self._status = query.status
        self._order_id = query.order_id

    def __call__(self, row: Found) -> bool:
        return (
            row.config_id in self._configs
            and row.state in self.states
            and self._status in {None, row.status}
            and self._order_id in {None, row.order_id}
            and self._account in {None, self._names[row.account_id]}
        )


def _look(connection: sqlite3.Connection, wanted: _Wanted, query: PushQuery, where: Bounds, limit: int) -> _Looked:
    if query.awb is not None:
        return _walked(search.by_awb(connection, query.awb, where, MOST_LOOKED), wanted, MOST_LOOKED)
    if query.order_id is not None:
        return _walked(search.by_order(connection, query.order_id, where, MOST_LOOKED), wanted, MOST_LOOKED)
    by_config = not (query.push_config is None and query.client is None and query.account is None)
    if query.status is None:
        if not by_config and query.state is None:
            return _walked(search.everything(connection, where, limit + 1), wanted, limit + 1)
        return _by_state(connection, wanted, where, limit, limit + 1 if query.account is None else MOST_LOOKED)
    found = [_walked(search.by_status(connection, query.status, where, MOST_LOOKED), wanted, MOST_LOOKED)]
    if by_config and found[0].frontier is not None:
        found.append(_by_state(connection, wanted, where, limit, MOST_LOOKED))
    return max(found, key=lambda one: _reach(one, where, limit))


def _reach(looked: _Looked, where: Bounds, limit: int) -> tuple[bool, Position]:
    """How good a look is: a full page or one to the end, else the one that went further."""
    frontier = looked.frontier or where.low
    done = looked.frontier is None or len(looked.rows) > limit
    return done, frontier if where.newer else (-frontier[0], -frontier[1])


def _walked(rows: list[Found], wanted: _Wanted, most: int) -> _Looked:
    return _Looked([row for row in rows if wanted(row)], _position(rows[-1]) if len(rows) == most else None)


def _by_state(connection: sqlite3.Connection, wanted: _Wanted, where: Bounds, limit: int, most: int) -> _Looked:
    """Walk each PushConfig and state, and merge. What is behind a full page isn't looked at any more."""
    rows: list[Found] = []
    frontier: Position | None = None
    for config in wanted.configs:
        for state in wanted.states:
            one = _walked(search.by_state(connection, state, config, where, most), wanted, most)
            rows += one.rows
            frontier = _nearest([frontier, one.frontier], where)
        if len(rows) > limit:
            rows = _ordered(rows, where)[: limit + 1]
            where = _narrowed(where, _position(rows[-1]))
    return _Looked([row for row in _ordered(rows, where) if _within(row, frontier, where)], frontier)


def _nearest(positions: Iterable[Position | None], where: Bounds) -> Position | None:
    known = [one for one in positions if one is not None]
    if not known:
        return None
    return min(known) if where.newer else max(known)


def _narrowed(where: Bounds, last: Position) -> Bounds:
    """Up to ``last``, itself included."""
    update_id, config = last
    return where._replace(high=(update_id, config + 1)) if where.newer else where._replace(low=(update_id, config - 1))


def _within(row: Found, frontier: Position | None, where: Bounds) -> bool:
    if frontier is None:
        return True
    return _position(row) <= frontier if where.newer else _position(row) >= frontier


def _ordered(rows: Sequence[Found], where: Bounds) -> list[Found]:
    return sorted(rows, key=_position, reverse=not where.newer)


def _position(row: Found) -> Position:
    return row.update_id, row.config_id
