"""Deletes expired records in small steps: the reader finds them, the writer deletes them."""

import time
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.model import RetentionCutoffs, Trimmed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite import inbox, portal_links
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.indexing import TRIMMED

_SQL = load(f"{__package__}.sql", "retention")
NEXT = _SQL["next"]
MARK_LATE = _SQL["mark_late"]
DELETE_PUSHES = _SQL["delete_pushes"]
DELETE_ATTEMPTS = _SQL["delete_attempts"]
DELETE_UPDATES = _SQL["delete_updates"]


class Candidates(msgspec.Struct, frozen=True):
    """Updates with expired records, and where to continue (None at the end)."""

    update_ids: tuple[int, ...]
    next_after: int | None


class SqliteRetention:
    """See `trackpush_server.journal.ports.RetentionStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def trim(self, keep: RetentionCutoffs, *, after: int, limit: int) -> Trimmed:
        found = await self._access.read(lambda connection: find(connection, keep, after, limit))
        if not found.update_ids:
            return Trimmed(next_after=found.next_after)
        deleted = await self._access.write(lambda connection: delete(connection, keep, found.update_ids))
        return msgspec.structs.replace(deleted, next_after=found.next_after)

    async def expire_unrecognised(self, *, received_before: int, limit: int) -> int:
        return await self._access.write(lambda connection: inbox.expire(connection, received_before, limit))

    async def expire_portal_links(self, *, expired_before: int, limit: int) -> int:
        return await self._access.write(lambda connection: portal_links.expire(connection, expired_before, limit))


def find(connection: SqliteConnection, keep: RetentionCutoffs, after: int, limit: int) -> Candidates:
    """Read the next updates that are old enough to have expired records."""
    values = {"after": after, "limit": limit, "delivered": keep.delivered_since, "dead": keep.dead_since}
    rows = connection.execute(NEXT, values).fetchall()
    youngest = max(keep.delivered_since, keep.dead_since)
    old = [row for row in rows if row[1] < youngest]
    going = tuple(row[0] for row in old if row[3] or (not row[2] and row[1] < keep.delivered_since))
    return Candidates(going, old[-1][0] if len(old) == limit else None)


def delete(connection: SqliteConnection, keep: RetentionCutoffs, update_ids: Sequence[int]) -> Trimmed:
    """Delete the expired records of these updates, inside the writer's transaction."""
    begun = time.perf_counter()
    values = {
        "ids": msgspec.json.encode(update_ids).decode(),
        "delivered": keep.delivered_since,
        "dead": keep.dead_since,
    }
    connection.execute(MARK_LATE, values)
    pushes = connection.change(DELETE_PUSHES, values)
    connection.execute(DELETE_ATTEMPTS, values)
    updates = connection.change(DELETE_UPDATES, values)
    if updates:
        connection.execute(TRIMMED, (max(update_ids),))
    return Trimmed(updates=updates, pushes=pushes, seconds=time.perf_counter() - begun)
