"""The statements of the search: pushes by AWB, order, status, PushConfig, state and time, in the order received.

Each statement scans one index, or the newest updates, which are not indexed yet (`indexing`), up to a bound of rows.

There is no index on time: ids grow with the time of receipt, so a bisection converts a time to an id. Concurrent
requests may be stored in another order than they were received. `_SLACK` widens the range for that, and the statements
then compare the exact times.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from trackpush_server.ids import push_id
from trackpush_server.journal.model import AuditRow, PushState
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.pagination import Bounds, Walk
from trackpush_server.journal.row_mapping import FoundPush, FoundUpdate, Names, Position
from trackpush_server.journal.search import MOST_LOOKED, parse_cursor
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.indexing import up_to_of
from trackpush_server.journal.sqlite.statements import LAST_ID, NAMES, OLDEST_PENDING

_SLACK = 5_000
_LAST = (1 << 63) - 1


class FoundWhole(NamedTuple):
    """A push with its update's payloads."""

    row: FoundPush
    notification: bytes
    body: bytes


class FoundAttempt(NamedTuple):
    """A row of an attempt."""

    number: int
    started_at: int
    duration_ms: float
    http_status: int | None
    error: str | None


class _Lane(NamedTuple):
    config_id: int
    account_id: int
    shipment: str


_COLUMNS = (
    "p.update_id, p.config_id, p.state, p.late, p.tries, p.rejections, p.due_at, p.ended_at, p.error, u.key,"
    " u.account_id, u.received_at, u.occurred_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status,"
    " p.replays, u.erased_at"
)

_SQL = load(f"{__package__}.sql", "search")


def _both(name: str) -> tuple[str, str]:
    return _SQL[name].format(columns=_COLUMNS, way="DESC"), _SQL[name].format(columns=_COLUMNS, way="ASC")


ALL = _both("all")
"""Each pair has the statement that scans to older pushes, then the one that scans to newer pushes."""
BY_STATE = _both("by_state")
DELIVERED = _both("delivered")
DELIVERED_RECENT = _both("delivered_recent")
BY_STATUS = _both("by_status")
BY_STATUS_RECENT = _both("by_status_recent")
BY_AWB = _both("by_awb")
BY_AWB_RECENT = _both("by_awb_recent")
BY_ORDER = _both("by_order")
BY_ORDER_RECENT = _both("by_order_recent")
TIMELINE = _SQL["timeline"]
PUSHES_OF = _SQL["pushes_of"].format(columns=_COLUMNS)
BY_KEY = _SQL["by_key"].format(columns=_COLUMNS)
ATTEMPTS = _SQL["attempts"]
LATEST_ATTEMPTS = _SQL["latest_attempts"]
COUNT = _SQL["count"]
AUDITS = _SQL["audits"]
PUSH_CONFIGS = _SQL["push_configs"]
FROM_ID = _SQL["from_id"]
LANE_OF = _SQL["lane_of"]
LANE_HEAD = _SQL["lane_head"]
LANE_PUSHES_RECENT = _SQL["lane_pushes_recent"]


@contextlib.contextmanager
def snapshot(connection: SqliteConnection) -> Iterator[None]:
    """Run a read transaction, in which all statements see the same snapshot."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def names(connection: SqliteConnection) -> Names:
    """Names of accounts and PushConfigs by number."""
    both = dict(connection.execute(NAMES))
    return Names(both, both)


def bounds(
    connection: SqliteConnection,
    since: int | None,
    until: int | None,
    cursor: Position | None,
    *,
    newer: bool,
) -> Bounds:
    """Convert a time range and a cursor to a range of positions."""
    low = (0 if since is None else _first_received(connection, since - _SLACK), 0)
    high = (_LAST if until is None else _first_received(connection, until + _SLACK), 0)
    if cursor is not None:
        low, high = (max(low, cursor), high) if newer else (low, min(high, cursor))
    return Bounds(low, high, since or 0, _LAST if until is None else until, newer)


def _first_received(connection: SqliteConnection, moment: int) -> int:
    """The lowest id received at or after ``moment``; higher than the last id if there is none."""
    low = 0
    high = 1 + int(connection.execute(LAST_ID).fetchone()[0])
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(FROM_ID, (middle,)).fetchone()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = int(row[0]) + 1
    return low


def walk(connection: SqliteConnection, step: Walk) -> list[FoundPush]:
    """Perform one walk of `pagination`."""
    where, limit, newer = step.where, step.limit, step.where.newer
    between = (*where.low, *where.high, where.since, where.until)
    of_config = (step.state, step.config, *step.ids, where.since, where.until)
    match step.by:
        case "awb":
            return _walk_both(
                connection, BY_AWB[newer], BY_AWB_RECENT[newer], (_json(step.texts), *between, limit), newer=newer
            )
        case "order":
            values = (step.text, *between, limit)
            return _walk_both(connection, BY_ORDER[newer], BY_ORDER_RECENT[newer], values, newer=newer)
        case "status":
            values = (step.text, *between, limit)
            return _walk_both(connection, BY_STATUS[newer], BY_STATUS_RECENT[newer], values, newer=newer)
        case "state" if step.state == PushState.DELIVERED:
            return _walk_both(connection, DELIVERED[newer], DELIVERED_RECENT[newer], (*of_config, limit), newer=newer)
        case "state":
            return _rows(connection, BY_STATE[newer], (*of_config, limit))
        case "receipt":
            return _rows(connection, ALL[newer], (*between, limit))


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()


def _walk_both(
    connection: SqliteConnection, indexed: str, recent: str, values: tuple[Any, ...], *, newer: bool
) -> list[FoundPush]:
    """Rows of the indexed updates and of the newer ones, in scan order; the last of ``values`` is the limit."""
    *_, limit = values
    up_to = up_to_of(connection)
    first, second = (indexed, recent) if newer else (recent, indexed)
    rows = _rows(connection, first, (*values, up_to))
    return rows if len(rows) == limit else rows + _rows(connection, second, (*values[:-1], limit - len(rows), up_to))


def _rows(connection: SqliteConnection, statement: str, values: tuple[Any, ...]) -> list[FoundPush]:
    return [FoundPush(*row) for row in connection.execute(statement, values)]


def timeline(connection: SqliteConnection, shipment: str, after: int, limit: int) -> list[FoundUpdate]:
    """Updates of a shipment, in the order received."""
    return [FoundUpdate(*row) for row in connection.execute(TIMELINE, (shipment, after, limit))]


def pushes_of(connection: SqliteConnection, update_id: int) -> list[FoundPush]:
    """All pushes of one update."""
    return [FoundPush(*row) for row in connection.execute(PUSHES_OF, (update_id,))]


def latest_attempts(connection: SqliteConnection, push: FoundPush, limit: int) -> list[FoundAttempt]:
    """The latest attempts of one push, in order."""
    rows = connection.execute(LATEST_ATTEMPTS, (push.update_id, push.config_id, limit)).fetchall()
    return [FoundAttempt(*row) for row in reversed(rows)]


def push_configs(connection: SqliteConnection) -> list[tuple[int, str]]:
    """Numbers and names of the PushConfigs that have pushes, sorted by name."""
    return [(number, name) for number, name in connection.execute(PUSH_CONFIGS)]


def count(connection: SqliteConnection, state: int, config: int, most: int) -> int:
    """Number of pushes of a PushConfig in a state; counts to at most ``most``."""
    return int(connection.execute(COUNT, (state, config, most)).fetchone()[0])


def lane_heads(connection: SqliteConnection, cursors: Sequence[str]) -> dict[str, str]:
    """Implements `JournalSearch.lane_heads`."""
    lanes: dict[str, _Lane] = {}
    for cursor in cursors:
        row = connection.execute(LANE_OF, parse_cursor(cursor)).fetchone()
        if row is not None:
            lanes[cursor] = _Lane(*row)
    heads = _heads(connection, set(lanes.values()))
    names = {} if not heads else dict(connection.execute(NAMES))
    return {
        cursor: push_id(heads[lane][1], names[lane.config_id])
        for cursor, lane in lanes.items()
        if lane in heads and heads[lane][0] < int(cursor.partition(".")[0])
    }


def _heads(connection: SqliteConnection, lanes: set[_Lane]) -> dict[_Lane, tuple[int, bytes]]:
    """Id and key of the update of the earliest pending push of each lane."""
    found: dict[_Lane, tuple[int, bytes]] = {}
    for lane in lanes:
        row = connection.execute(LANE_HEAD, (*lane, MOST_LOOKED)).fetchone()
        if row is not None:
            found[lane] = row
    shipments = msgspec.json.encode(sorted({lane.shipment for lane in lanes - found.keys()})).decode()
    for update_id, key, *rest in connection.execute(LANE_PUSHES_RECENT, (shipments,)):
        lane = _Lane(*rest)
        if lane in lanes:
            found.setdefault(lane, (update_id, key))
    return found


def oldest_pending(connection: SqliteConnection, config: int) -> int | None:
    """When the oldest pending push of a PushConfig was received."""
    row = connection.execute(OLDEST_PENDING, (config,)).fetchone()
    return None if row is None else int(row[0])


def audits(connection: SqliteConnection, before: int | None, limit: int) -> tuple[AuditRow, ...]:
    """The audit log, newest first."""
    rows = connection.execute(AUDITS, (_LAST if before is None else before, limit))
    return tuple(
        AuditRow(id=row[0], at=row[1], actor=row[2], role=row[3], action=row[4], target=row[5], address=row[6])
        for row in rows
    )


def by_key(connection: SqliteConnection, key: bytes) -> list[FoundWhole]:
    """All pushes of the update with this key."""
    width = len(FoundPush._fields)
    rows: list[tuple[Any, ...]] = connection.execute(BY_KEY, (key,)).fetchall()
    return [FoundWhole(FoundPush(*row[:width]), row[width], row[width + 1]) for row in rows]


def attempts(connection: SqliteConnection, push: FoundPush) -> list[FoundAttempt]:
    """All attempts of one push, in order."""
    return [FoundAttempt(*row) for row in connection.execute(ATTEMPTS, (push.update_id, push.config_id))]
