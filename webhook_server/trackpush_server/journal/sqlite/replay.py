"""Finds pushes that have ended, oldest first, and makes them pending again."""

import sqlite3
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.port import Ended, PushState, Selection

_LAST = (1 << 63) - 1
_MATCHES = """
    p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until
"""

BY_STATE = f"""
SELECT p.update_id, p.state, u.received_at
FROM pushes AS p INDEXED BY pushes_by_state CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.state = :state AND p.config_id = :config AND {_MATCHES}
ORDER BY p.update_id LIMIT :limit
"""  # noqa: S608  constants only

BY_AWB = f"""
SELECT p.update_id, p.state, u.received_at FROM (
    SELECT id FROM updates WHERE shipment = :awb AND awb = :awb
    UNION SELECT id FROM updates WHERE awb = :awb AND awb <> shipment
    UNION SELECT id FROM updates WHERE forward_awb = :awb
) AS f CROSS JOIN updates AS u ON u.id = f.id CROSS JOIN pushes AS p ON p.update_id = f.id AND p.config_id = :config
WHERE {_MATCHES}
ORDER BY p.update_id
"""  # noqa: S608  constants only

BY_KEY = f"""
SELECT p.update_id, p.state, u.received_at
FROM updates AS u CROSS JOIN pushes AS p ON p.update_id = u.id AND p.config_id = :config
WHERE u.key = :key AND {_MATCHES}
"""  # noqa: S608  constants only

PUSH_CONFIGS = """
SELECT name FROM names WHERE EXISTS (
    SELECT 1 FROM pushes INDEXED BY pushes_by_state WHERE state IN (0, 1, 2, 3) AND config_id = names.id
) ORDER BY name
"""

REPLAY = """
UPDATE pushes SET
    state = 0, rejections = 0, due_at = 0, ended_at = NULL, error = NULL,
    replays = replays + 1, replayed_at = :now, tries_before = tries,
    late = late OR EXISTS (
        SELECT 1 FROM updates AS u
        JOIN updates AS e ON e.shipment = u.shipment AND e.account_id = u.account_id AND e.occurred_at > u.occurred_at
        JOIN pushes AS d ON d.update_id = e.id AND d.config_id = pushes.config_id AND d.state = 1
        WHERE u.id = pushes.update_id
    )
WHERE config_id = :config AND state <> 0 AND update_id IN (SELECT value FROM json_each(:ids))
    AND (replayed_at IS NULL OR replayed_at < :replayed_before)
    AND (SELECT erased_at FROM updates WHERE id = pushes.update_id) IS NULL
"""
"""Late is one that is sent after a newer one of its shipment was delivered there."""


def ended(
    connection: sqlite3.Connection, push_config: str, selection: Selection, after: int, limit: int
) -> tuple[Ended, ...]:
    """See `Journal.ended`."""
    config = config_number(connection, push_config)
    if config is None:
        return ()
    values: dict[str, object] = {
        "config": config,
        "after": after,
        "limit": limit,
        "since": selection.since or 0,
        "until": _LAST if selection.until is None else selection.until,
        "replayed_before": selection.replayed_before,
        "awb": selection.awb,
    }
    rows: list[tuple[int, int, int]] = []
    if selection.keys is not None:
        for key in selection.keys:
            rows += connection.execute(BY_KEY, {**values, "key": key}).fetchall()
    elif selection.awb is not None:
        rows += connection.execute(BY_AWB, values).fetchall()
    else:
        for state in selection.states:
            rows += connection.execute(BY_STATE, {**values, "state": int(state)}).fetchall()
    rows.sort()
    found = (Ended(row[0], PushState(row[1]), row[2]) for row in rows if row[1] in selection.states)
    return tuple(found)[:limit]


def replay(
    connection: sqlite3.Connection, push_config: str, update_ids: Sequence[int], now: int, replayed_before: int
) -> int:
    """See `Journal.replay`; within the writer's transaction."""
    ids = msgspec.json.encode(update_ids).decode()
    config = config_number(connection, push_config)
    values = {"config": config, "ids": ids, "now": now, "replayed_before": replayed_before}
    return connection.execute(REPLAY, values).rowcount


def push_configs(connection: sqlite3.Connection) -> tuple[str, ...]:
    """See `Journal.push_configs`: by their own index, one step each."""
    return tuple(row[0] for row in connection.execute(PUSH_CONFIGS))


def config_number(connection: sqlite3.Connection, push_config: str) -> int | None:
    """The number of a PushConfig's name."""
    row = connection.execute("SELECT id FROM names WHERE name = ?", (push_config,)).fetchone()
    return None if row is None else int(row[0])
