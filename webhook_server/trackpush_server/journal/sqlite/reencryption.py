"""Re-encrypts updates that are not sealed with the current key. docs/encryption.md.

The reader finds them by their first bytes. The writer decrypts and encrypts them inside its transaction, because an
update can be erased between the two steps.
"""

import time

import msgspec

from trackpush_server.journal.model import Resealed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sealing import BODY, NOTIFICATION, PREFIX_BYTES, Sealer
from trackpush_server.journal.sqlite import inbox
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.scrub import FileScrubber

_SQL = load(f"{__package__}.sql", "reencryption")
NEXT = _SQL["next"]
PAYLOADS = _SQL["payloads"]
REPLACE = _SQL["replace"]


class Looked(msgspec.Struct, frozen=True):
    """The number of updates read, the ids of those to re-encrypt, and where to continue (None at the end)."""

    count: int
    update_ids: tuple[int, ...]
    next_after: int | None


class SqliteReencryption:
    """See `trackpush_server.journal.ports.ReencryptionStore`."""

    def __init__(self, access: SqliteAccess, scrubber: FileScrubber) -> None:
        self._access = access
        self._sealer = access.sealer
        self._scrubber = scrubber

    async def reseal(self, *, after: int, limit: int) -> Resealed:
        looked = await self._access.read(lambda connection: look(connection, self._sealer, after, limit))
        if not looked.update_ids:
            return Resealed(looked=looked.count, resealed=0, next_after=looked.next_after)
        return await self._access.write(lambda connection: reseal(connection, self._sealer, looked))

    async def reseal_unrecognised(self, *, after: int, limit: int) -> Resealed:
        looked = await self._access.read(lambda connection: inbox.look(connection, self._sealer, after, limit))
        if not looked.ids:
            return Resealed(looked=looked.count, resealed=0, next_after=looked.next_after)
        return await self._access.write(lambda connection: inbox.reseal(connection, self._sealer, looked))

    async def scrub(self) -> None:
        await self._scrubber.scrub()


def look(connection: SqliteConnection, sealer: Sealer, after: int, limit: int) -> Looked:
    """Read the next updates and find those that are not sealed with the current key."""
    rows = connection.execute(NEXT, (PREFIX_BYTES, after, limit)).fetchall()
    stale = tuple(row[0] for row in rows if not (sealer.is_current(row[1]) and sealer.is_current(row[2])))
    return Looked(len(rows), stale, rows[-1][0] if len(rows) == limit else None)


def reseal(connection: SqliteConnection, sealer: Sealer, looked: Looked) -> Resealed:
    """Re-encrypt these updates, inside the writer's transaction."""
    begun = time.perf_counter()
    resealed: list[tuple[bytes, bytes, int]] = []
    unreadable = []
    for update_id, key, notification, body in connection.execute(
        PAYLOADS, (msgspec.json.encode(looked.update_ids).decode(),)
    ):
        payload = sealer.payload(key=key, notification=notification, body=body)
        if payload.unreadable is not None:
            unreadable.append(payload.unreadable)
            continue
        sealed = sealer.seal(payload.notification, key=key, column=NOTIFICATION)
        resealed.append((sealed, sealer.seal(payload.body, key=key, column=BODY), update_id))
    connection.executemany(REPLACE, resealed)
    return Resealed(
        looked=looked.count,
        resealed=len(resealed),
        unreadable=tuple(unreadable),
        seconds=time.perf_counter() - begun,
        next_after=looked.next_after,
    )
