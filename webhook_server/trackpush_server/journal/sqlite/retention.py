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
            AND (p.state IN (1, 3) AND p.ended_at < :delivered OR p.state = 2 AND p.ended_at < :dead)
    )
FROM updates AS u WHERE u.id > :after ORDER BY u.id LIMIT :limit
"""
"""Updates in the order received, with whether they have pushes at all and any that is to go."""

_IDS = "(SELECT value FROM json_each(:ids))"

DELETE_PUSHES = f"""
DELETE FROM pushes WHERE update_id IN {_IDS}
    AND (+state IN (1, 3) AND ended_at < :delivered OR +state = 2 AND ended_at < :dead)
"""  # noqa: S608  constants only
"""Looked at again: a push may have been replayed since it was found. ``+``: by primary key, not by state."""

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
    pushes = connection.execute(DELETE_PUSHES, values).rowcount
    connection.execute(DELETE_ATTEMPTS, values)
    updates = connection.execute(DELETE_UPDATES, values).rowcount
    return Trimmed(updates=updates, pushes=pushes, seconds=time.perf_counter() - begun)
