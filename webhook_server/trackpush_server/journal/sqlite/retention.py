"""Deletes what is kept no longer, some rows at a time. Found by the reader, deleted by the writer."""

import sqlite3
import time
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.port import Keep, Trimmed

NEXT = """
SELECT u.id, u.received_at, EXISTS (SELECT 1 FROM pushes AS p WHERE p.update_id = u.id),
    EXISTS (
        SELECT 1 FROM pushes AS p WHERE p.update_id = u.id
            AND coalesce(p.ended_at, u.received_at) < CASE p.state WHEN 0 THEN 0 WHEN 2 THEN :dead ELSE :delivered END
    )
FROM updates AS u WHERE u.id > :after ORDER BY u.id LIMIT :limit
"""
"""Updates in the order received, with whether they have pushes at all and any that is to go."""

_IDS = "(SELECT value FROM json_each(:ids))"

MARK_LATE = f"""
UPDATE pushes SET late = 1
WHERE +state = 2 AND late = 0 AND (update_id, config_id) IN (
    SELECT o.id, p.config_id FROM updates AS e
    CROSS JOIN pushes AS p ON p.update_id = e.id AND +p.state = 1 AND p.ended_at < :delivered
    CROSS JOIN updates AS o ON o.shipment = e.shipment AND o.account_id = e.account_id AND o.occurred_at < e.occurred_at
    WHERE e.id IN {_IDS} AND e.erased_at IS NULL
)
"""  # noqa: S608  constants only
"""A dead push is late when it is replayed after a newer one of its shipment was delivered (`replay.REPLAY`). Dead ones
are kept for longer: before the newer one goes, they are told."""

DELETE_PUSHES = f"""
DELETE FROM pushes WHERE update_id IN {_IDS}
    AND coalesce(ended_at, (SELECT received_at FROM updates WHERE id = pushes.update_id))
        < CASE state WHEN 0 THEN 0 WHEN 2 THEN :dead ELSE :delivered END
"""  # noqa: S608  constants only
"""Looked at again: a push may have been replayed since it was found. Those dropped at receipt have no end of their
own."""

DELETE_ATTEMPTS = f"""
DELETE FROM attempts WHERE update_id IN {_IDS}
    AND NOT EXISTS (
        SELECT 1 FROM pushes AS p WHERE p.update_id = attempts.update_id AND p.config_id = attempts.config_id
    )
"""  # noqa: S608  constants only

DELETE_UPDATES = f"""
DELETE FROM updates WHERE id IN {_IDS} AND received_at < :delivered
    AND NOT EXISTS (SELECT 1 FROM pushes AS p WHERE p.update_id = updates.id)
"""  # noqa: S608  constants only


class Candidates(msgspec.Struct, frozen=True):
    """Updates of which something is to go, and where to look on."""

    update_ids: tuple[int, ...]
    next_after: int | None


def find(connection: sqlite3.Connection, keep: Keep, after: int, limit: int) -> Candidates:
    """Look at the next updates, as far as they are old enough for anything of them to go."""
    values = {"after": after, "limit": limit, "delivered": keep.delivered_since, "dead": keep.dead_since}
    rows = connection.execute(NEXT, values).fetchall()
    youngest = max(keep.delivered_since, keep.dead_since)
    old = [row for row in rows if row[1] < youngest]
    going = tuple(row[0] for row in old if row[3] or (not row[2] and row[1] < keep.delivered_since))
    more = len(rows) == limit and bool(old)
    return Candidates(going, old[-1][0] if more else None)


def delete(connection: sqlite3.Connection, keep: Keep, update_ids: Sequence[int]) -> Trimmed:
    """Within the writer's transaction."""
    begun = time.perf_counter()
    values = {
        "ids": msgspec.json.encode(update_ids).decode(),
        "delivered": keep.delivered_since,
        "dead": keep.dead_since,
    }
    connection.execute(MARK_LATE, values)
    pushes = connection.execute(DELETE_PUSHES, values).rowcount
    connection.execute(DELETE_ATTEMPTS, values)
    updates = connection.execute(DELETE_UPDATES, values).rowcount
    return Trimmed(updates=updates, pushes=pushes, seconds=time.perf_counter() - begun)
