"""Statements that carry many rows.

sqlite3 gives the interpreter lock away and takes it back at every step of a statement, and taking it back from a busy
event loop can last. So a batch is a handful of statements with hundreds of rows, never hundreds of statements.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from sqlite3 import Connection

_SIZES = (128, 32, 8, 2, 1)
"""Rows per statement: few sizes, so that each stays prepared."""

Row = tuple[object, ...]


class ManyRows:
    """A statement with ``{rows}`` where the row values go."""

    def __init__(self, sql: str, columns: int) -> None:
        row = "(" + ",".join("?" * columns) + ")"
        self._sql = {size: sql.replace("{rows}", ",".join([row] * size)) for size in _SIZES}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Run it for all rows, in order; the number of rows that changed."""
        changed = 0
        remaining: Iterable[Row] = iter(rows)
        left = len(rows)
        for size, sql in self._sql.items():
            while left >= size:
                values = tuple(chain.from_iterable(islice(remaining, size)))
                changed += connection.execute(sql, values).rowcount
                left -= size
        return changed


INSERT_UPDATES = ManyRows(
    "INSERT INTO updates (id, key, account_id, received_at, occurred_at, shipment, awb, forward_awb, order_id, status,"
    " notification, body, trace) VALUES {rows} ON CONFLICT (key) DO NOTHING",
    13,
)
"""New updates; one that is already there is passed over."""

INSERT_PUSHES = ManyRows("INSERT INTO pushes (update_id, config_id, state, late) VALUES {rows}", 4)

APPLY_OUTCOMES = ManyRows(
    "WITH o (update_id, config_id, state, tries, rejections, due_at, ended_at, error) AS (VALUES {rows})"
    " UPDATE pushes SET state = o.state, tries = o.tries, rejections = o.rejections, due_at = o.due_at,"
    " ended_at = o.ended_at, error = o.error"
    " FROM o WHERE pushes.update_id = o.update_id AND pushes.config_id = o.config_id",
    8,
)
"""The state of pushes after attempts: at most one row per push in a statement."""

INSERT_ATTEMPTS = ManyRows(
    "INSERT OR REPLACE INTO attempts (update_id, config_id, number, started_at, duration_ms, http_status, error)"
    " VALUES {rows}",
    7,
)

NEW_IN_RANGE = "SELECT id FROM updates WHERE id BETWEEN ? AND ?"
"""Which of a batch's ids were really inserted; asked only when some were duplicates."""

LATE_CANDIDATES = """
SELECT u.id FROM updates AS u
WHERE u.id BETWEEN ? AND ? AND u.occurred_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM updates AS e
    WHERE e.shipment = u.shipment AND e.account_id = u.account_id AND e.occurred_at > u.occurred_at AND e.id < u.id
)
ORDER BY u.id
"""
"""New updates that are older than one received before for the same shipment."""

IS_LATE_FOR_CONFIG = """
SELECT 1 FROM updates AS u
JOIN updates AS e ON e.shipment = u.shipment AND e.account_id = u.account_id
    AND e.occurred_at > u.occurred_at AND e.id < u.id
JOIN pushes AS p ON p.update_id = e.id AND p.config_id = ? AND p.state <> 3
WHERE u.id = ?
LIMIT 1
"""
"""Whether that newer one went (or will go) to this PushConfig."""

PENDING = """
SELECT p.update_id, u.key, a.name, u.shipment, u.received_at, p.late, p.tries, p.rejections, p.due_at,
       u.notification, u.body, p.replays, coalesce(p.replayed_at, 0), p.tries_before, u.trace
FROM pushes AS p
JOIN updates AS u ON u.id = p.update_id
JOIN names AS a ON a.id = u.account_id
WHERE p.state = 0 AND p.config_id = (SELECT id FROM names WHERE name = ?) AND p.update_id > ?
ORDER BY p.update_id
LIMIT ?
"""
"""The next page of a PushConfig's pending pushes."""

FETCH = """
SELECT p.update_id, u.key, a.name, u.shipment, u.received_at, p.late, p.tries, p.rejections, p.due_at,
       u.notification, u.body, p.replays, coalesce(p.replayed_at, 0), p.tries_before, u.trace
FROM pushes AS p
JOIN updates AS u ON u.id = p.update_id
JOIN names AS a ON a.id = u.account_id
WHERE p.state = 0 AND p.config_id = (SELECT id FROM names WHERE name = ?)
  AND p.update_id IN (SELECT value FROM json_each(?))
"""
"""Given pushes of a PushConfig, those that are still pending."""

EXPIRE = """
UPDATE pushes SET state = 2, due_at = 0, ended_at = ?, error = 'older than its maxAge while its endpoint was failing'
WHERE config_id = ? AND update_id IN (
    SELECT update_id FROM (
        SELECT p.update_id, coalesce(p.replayed_at, u.received_at) AS begun
        FROM pushes AS p JOIN updates AS u ON u.id = p.update_id
        WHERE p.state = 0 AND p.config_id = ? ORDER BY p.update_id LIMIT ?
    ) WHERE begun < ?
)
"""
"""Give up the oldest pending pushes: ids grow with the time of receipt, so only the first few are looked at."""

OLDEST_PENDING = """
SELECT u.received_at FROM pushes AS p JOIN updates AS u ON u.id = p.update_id
WHERE p.state = 0 AND p.config_id = ? ORDER BY p.update_id LIMIT 1
"""

PENDING_COUNTS = "SELECT config_id, count(*) FROM pushes WHERE state = 0 GROUP BY config_id"
"""The backlog per PushConfig, from the partial index alone."""

UNANNOUNCED = """
SELECT u.id, u.key, a.name, u.received_at, u.occurred_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status,
       u.notification, u.body, u.trace
FROM updates AS u JOIN names AS a ON a.id = u.account_id
WHERE u.id BETWEEN ? AND ? ORDER BY u.id
"""
"""Updates of a commit that failed, but whose rows are there."""

PUSHES_OF = """
SELECT c.name, p.late, p.state FROM pushes AS p JOIN names AS c ON c.id = p.config_id
WHERE p.update_id = ? ORDER BY p.config_id
"""
