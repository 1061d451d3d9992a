"""Finds stored updates without a push for a PushConfig (its filter excluded them), and adds pushes."""

from collections.abc import Sequence

import msgspec

from trackpush_server.journal.model import FoundUpdates, StoredUpdate, Unpushed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.ended_pushes import config_number
from trackpush_server.journal.sqlite.search_rows import bounds, snapshot
from trackpush_server.journal.sqlite.write_batch import number_for

_NO_NUMBER = 0
"""Matches no PushConfig, because numbers of names start with 1."""
_SQL = load(f"{__package__}.sql", "unpushed")
NEXT = _SQL["next"]
BY_AWB = _SQL["by_awb"]
READ = _SQL["read"]
ADD = _SQL["add"]
INDEX = _SQL["index"]


def find(connection: SqliteConnection, push_config: str, wanted: Unpushed, after: int, limit: int) -> FoundUpdates:
    """Implements `ReplayStore.find_unpushed`."""
    with snapshot(connection):
        return _find(connection, push_config, wanted, after, limit)


def _find(connection: SqliteConnection, push_config: str, wanted: Unpushed, after: int, limit: int) -> FoundUpdates:
    numbers = (config_number(connection, account) for account in wanted.accounts)
    where = bounds(connection, wanted.since, wanted.until, None, newer=False)
    values: dict[str, object] = {
        "config": config_number(connection, push_config) or _NO_NUMBER,
        "accounts": _json([number for number in numbers if number is not None]),
        "since": where.since,
        "until": where.until,
    }
    if wanted.awb is not None:
        rows = connection.execute(BY_AWB, {**values, "awb": wanted.awb, "after": after}).fetchall()
        return FoundUpdates(tuple(update_id for (update_id,) in rows), None)
    stretch = {"after": max(after, where.low[0] - 1), "end": where.high[0], "limit": limit}
    rows = connection.execute(NEXT, {**values, **stretch}).fetchall()
    found = tuple(update_id for update_id, is_wanted in rows if is_wanted)
    return FoundUpdates(found, rows[-1][0] if len(rows) == limit else None)


def read(connection: SqliteConnection, sealer: Sealer, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
    """Implements `ReplayStore.read_updates`."""
    found = []
    for update_id, account, received_at, key, notification, body in connection.execute(READ, (_json(update_ids),)):
        payload = sealer.payload(key=key, notification=notification, body=body)
        found.append(StoredUpdate(update_id=update_id, account=account, received_at=received_at, **payload._asdict()))
    return tuple(found)


def add(connection: SqliteConnection, push_config: str, update_ids: Sequence[int], now: int) -> int:
    """Implements `ReplayStore.add_pushes`, inside the writer's transaction."""
    values = {"config": number_for(connection, push_config), "ids": _json(update_ids)}
    added = connection.change(ADD, {**values, "now": now})
    connection.execute(INDEX, values)
    return added


def _json(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()
