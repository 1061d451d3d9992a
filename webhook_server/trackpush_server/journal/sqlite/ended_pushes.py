"""Finds pushes that have ended, oldest first, and makes them pending again."""

from collections.abc import Sequence

import msgspec

from trackpush_server.journal.model import EndedPush, PushState, Selection
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.indexing import up_to_of

_LAST = (1 << 63) - 1
_SQL = load(f"{__package__}.sql", "replay")
BY_STATE = _SQL["by_state"]
DELIVERED = _SQL["delivered"]
DELIVERED_RECENT = _SQL["delivered_recent"]
BY_AWB = _SQL["by_awb"]
BY_KEY = _SQL["by_key"]
PUSH_CONFIGS = _SQL["push_configs"]
REPLAY = _SQL["replay"]


def ended(
    connection: SqliteConnection, push_config: str, selection: Selection, after: int, limit: int
) -> tuple[EndedPush, ...]:
    """Implements `ReplayStore.ended`."""
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
        "up_to": up_to_of(connection),
    }
    rows: list[tuple[int, int, int, int | None, str | None]] = []
    if selection.keys is not None:
        for key in selection.keys:
            rows += connection.execute(BY_KEY, {**values, "key": key}).fetchall()
    elif selection.awb is not None:
        rows += connection.execute(BY_AWB, values).fetchall()
    else:
        for state in selection.states:
            found = (DELIVERED, DELIVERED_RECENT) if state is PushState.DELIVERED else (BY_STATE,)
            for statement in found:
                rows += connection.execute(statement, {**values, "state": int(state)}).fetchall()
    rows.sort(key=lambda row: row[0])
    ended_ones = (EndedPush(row[0], PushState(row[1]), *row[2:]) for row in rows if row[1] in selection.states)
    return tuple(ended_ones)[:limit]


def replay(
    connection: SqliteConnection, push_config: str, update_ids: Sequence[int], now: int, replayed_before: int
) -> int:
    """Implements `ReplayStore.replay`, inside the writer's transaction."""
    ids = msgspec.json.encode(update_ids).decode()
    config = config_number(connection, push_config)
    values = {"config": config, "ids": ids, "now": now, "replayed_before": replayed_before}
    return connection.change(REPLAY, values)


def push_configs(connection: SqliteConnection) -> tuple[str, ...]:
    """Implements `ReplayStore.push_configs` with one index lookup per PushConfig."""
    return tuple(row[0] for row in connection.execute(PUSH_CONFIGS))


def config_number(connection: SqliteConnection, push_config: str) -> int | None:
    """The number of a PushConfig's name; None if the journal doesn't have it."""
    row = connection.execute(sql.NUMBER_OF, (push_config,)).fetchone()
    return None if row is None else int(row[0])
