"""Finds pushes for people: newest first, by AWB, PushConfig, state and time, each over an index.

Time has no index of its own: ids grow with the time of receipt, so a moment becomes an id by bisection. Requests that
came together are stored in another order than they came in; `_SLACK` covers that, and the rows themselves are then
compared exactly.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_SLACK = 5_000
_LAST = (1 << 63) - 1


class Found(NamedTuple):
    """A push with its update, as stored; names as numbers."""

    update_id: int
    config_id: int
    state: int
    late: int
    tries: int
    rejections: int
    due_at: int
    ended_at: int | None
    error: str | None
    key: bytes
    account_id: int
    received_at: int
    occurred_at: int | None
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    replays: int
    erased_at: int | None


class FoundWhole(NamedTuple):
    """A push with its update's payloads."""

    row: Found
    notification: bytes
    body: bytes


class FoundAttempt(NamedTuple):
    """An attempt, as stored."""

    number: int
    started_at: int
    duration_ms: float
    http_status: int | None
    error: str | None


class Bounds(NamedTuple):
    """Where to look: ids from ``first``, before the cursor; times of receipt exactly."""

    first: int
    before: tuple[int, int]
    since: int
    until: int


_COLUMNS = (
    "p.update_id, p.config_id, p.state, p.late, p.tries, p.rejections, p.due_at, p.ended_at, p.error, u.key,"
    " u.account_id, u.received_at, u.occurred_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status,"
    " p.replays, u.erased_at"
)

NEWEST = f"""
SELECT {_COLUMNS} FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.update_id >= ? AND (p.update_id, p.config_id) < (?, ?) AND u.received_at >= ? AND u.received_at < ?
ORDER BY p.update_id DESC, p.config_id DESC LIMIT ?
"""  # noqa: S608  constants only
"""All pushes, by the primary key."""

BY_STATE = f"""
SELECT {_COLUMNS} FROM pushes AS p INDEXED BY pushes_by_state CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.state = ? AND p.config_id = ? AND p.update_id BETWEEN ? AND ? AND u.received_at >= ? AND u.received_at < ?
ORDER BY p.update_id DESC LIMIT ?
"""  # noqa: S608  constants only
"""Pushes of one PushConfig in one state."""

BY_AWB = f"""
SELECT {_COLUMNS} FROM (
    SELECT id FROM updates WHERE shipment = ?1 AND awb = ?1
    UNION SELECT id FROM updates WHERE awb = ?1 AND awb <> shipment
    UNION SELECT id FROM updates WHERE forward_awb = ?1
) AS f CROSS JOIN updates AS u ON u.id = f.id CROSS JOIN pushes AS p ON p.update_id = f.id
WHERE p.update_id >= ?2 AND (p.update_id, p.config_id) < (?3, ?4) AND u.received_at >= ?5 AND u.received_at < ?6
ORDER BY p.update_id DESC, p.config_id DESC
"""  # noqa: S608  constants only
"""All pushes of one AWB: a shipment has tens of updates, never thousands."""

BY_KEY = f"""
SELECT {_COLUMNS}, u.notification, u.body FROM updates AS u JOIN pushes AS p ON p.update_id = u.id
WHERE u.key = ? ORDER BY p.config_id
"""  # noqa: S608  constants only

ATTEMPTS = """
SELECT number, started_at, duration_ms, http_status, error FROM attempts
WHERE update_id = ? AND config_id = ? ORDER BY number
"""

FROM_ID = "SELECT id, received_at FROM updates WHERE id >= ? ORDER BY id LIMIT 1"
"""A step of the bisection; ids have gaps."""


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One read transaction: everything in it sees the same commits."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def names(connection: sqlite3.Connection) -> dict[int, str]:
    """Names of accounts and PushConfigs by number."""
    return dict(connection.execute("SELECT id, name FROM names"))


def bounds(
    connection: sqlite3.Connection,
    since: int | None,
    until: int | None,
    cursor: tuple[int, int] | None,
) -> Bounds:
    """What a time range and a cursor come to, in ids."""
    first = 0 if since is None else _first_received(connection, since - _SLACK)
    last = _LAST if until is None else _first_received(connection, until + _SLACK)
    before = (last, 0) if cursor is None else min(cursor, (last, 0))
    return Bounds(first, before, since or 0, _LAST if until is None else until)


def _first_received(connection: sqlite3.Connection, moment: int) -> int:
    """The lowest id received at or after a moment; beyond the last when there is none."""
    low = 0
    high = 1 + int(connection.execute("SELECT coalesce(max(id), 0) FROM updates").fetchone()[0])
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(FROM_ID, (middle,)).fetchone()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = int(row[0]) + 1
    return low


def newest(connection: sqlite3.Connection, where: Bounds, limit: int) -> list[Found]:
    """Pushes of all PushConfigs and states, newest first."""
    return _found(connection, NEWEST, (where.first, *where.before, where.since, where.until, limit))


def by_awb(connection: sqlite3.Connection, awb: str, where: Bounds) -> list[Found]:
    """All pushes of an AWB, newest first."""
    return _found(connection, BY_AWB, (awb, where.first, *where.before, where.since, where.until))


def by_state(
    connection: sqlite3.Connection,
    states: Sequence[int],
    configs: Sequence[int],
    where: Bounds,
    limit: int,
) -> list[Found]:
    """Pushes of these PushConfigs in these states, newest first: the newest of each, merged."""
    found: list[Found] = []
    before_id, before_config = where.before
    for config in configs:
        last = before_id if config < before_config else before_id - 1
        for state in states:
            values = (int(state), config, where.first, last, where.since, where.until, limit)
            found += _found(connection, BY_STATE, values)
        if len(found) > 4 * limit:
            found = _newest_of(found, limit)
    return _newest_of(found, limit)


def by_key(connection: sqlite3.Connection, key: bytes) -> list[FoundWhole]:
    """All pushes of one update."""
    width = len(Found._fields)
    rows: list[tuple[Any, ...]] = connection.execute(BY_KEY, (key,)).fetchall()
    return [FoundWhole(Found(*row[:width]), row[width], row[width + 1]) for row in rows]


def attempts(connection: sqlite3.Connection, push: Found) -> list[FoundAttempt]:
    """All attempts of one push, in order."""
    return [FoundAttempt(*row) for row in connection.execute(ATTEMPTS, (push.update_id, push.config_id))]


def _newest_of(found: list[Found], limit: int) -> list[Found]:
    return sorted(found, key=lambda row: (row.update_id, row.config_id), reverse=True)[:limit]


def _found(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> list[Found]:
    return [Found(*row) for row in connection.execute(sql, values)]
