"""The inbox in a journal file. Functions that write run in the writer's transaction, the others in a reader's.

The inbox stores accounts by name, not by number: the writer caches the numbers of names, so no other statement may
create one.
"""

import time
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.append_queue import MOST_QUEUED_UNRECOGNISED_BYTES, PER_ENTRY_BYTES
from trackpush_server.journal.inbox import (
    COLUMN,
    InboxBounds,
    InboxCount,
    InboxEntry,
    InboxPage,
    InboxQuery,
    InboxRow,
    KeptBodies,
    NewUnrecognised,
    checked_inbox_limit,
    opened,
    page,
    sealed,
)
from trackpush_server.journal.listener import JournalListeners
from trackpush_server.journal.model import JournalUnavailableError, Resealed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sealing import PREFIX_BYTES, Sealer, UnreadableError
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection

_SQL = load(f"{__package__}.sql", "inbox")
_LAST = (1 << 63) - 1
_ROW = InboxRow.__struct_fields__


class StaleBodies(msgspec.Struct, frozen=True):
    """The number of bodies read, the ids of those to re-encrypt, and where to continue (None at the end)."""

    count: int
    ids: tuple[int, ...]
    next_after: int | None


class SqliteInbox:
    """See `trackpush_server.journal.ports.InboxStore`."""

    def __init__(self, access: SqliteAccess, listeners: JournalListeners) -> None:
        self._access = access
        self._listeners = listeners
        self._bytes = 0
        """Bytes of bodies that wait for a commit."""
        self.bounds = InboxBounds()

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        self._access.queue.check()
        if self._bytes >= MOST_QUEUED_UNRECOGNISED_BYTES:
            raise JournalUnavailableError(f"overloaded: {self._bytes} bytes of unrecognised bodies wait")
        size = sum([len(body.body) + PER_ENTRY_BYTES for body in bodies])
        self._bytes += size
        try:
            kept = await self._access.write(
                lambda connection: keep(connection, self._access.sealer, bodies, self.bounds)
            )
        finally:
            self._bytes -= size
        self._listeners.bodies_dropped(kept.dropped)
        return kept.new

    async def forget(self, keys: Sequence[bytes]) -> int:
        return await self._access.write(lambda connection: forget(connection, keys))


def keep(
    connection: SqliteConnection, sealer: Sealer, bodies: Sequence[NewUnrecognised], bounds: InboxBounds
) -> KeptBodies:
    """Implements `UpdateLog.keep`, inside the writer's transaction."""
    new = 0
    for unrecognised in bodies:
        key, body = sealed(sealer, unrecognised)
        values = {
            "key": key,
            "account": unrecognised.account,
            "aggregator": unrecognised.aggregator,
            "received_at": unrecognised.received_at,
            "size": len(unrecognised.body),
            "content_type": unrecognised.content_type,
            "body": body,
        }
        new += connection.execute(_SQL["keep"], values).fetchall()[0][0]
    dropped: dict[str, int] = {}
    for account in {unrecognised.account for unrecognised in bodies}:
        _drop_beyond(connection, account, bounds, dropped)
    _drop_largest(connection, bounds, dropped)
    return KeptBodies(new, dropped)


def _drop_beyond(connection: SqliteConnection, account: str, bounds: InboxBounds, dropped: dict[str, int]) -> None:
    found = connection.execute(_SQL["account"], {"account": account}).fetchall()
    if not found or (found[0][0] <= bounds.of_account and found[0][1] <= bounds.bytes_of_account):
        return
    values = {"account": account, "entries": bounds.of_account, "bytes": bounds.bytes_of_account}
    _count(dropped, account, len(connection.execute(_SQL["drop_beyond"], values).fetchall()))


def _drop_largest(connection: SqliteConnection, bounds: InboxBounds, dropped: dict[str, int]) -> None:
    """While a total bound is exceeded, delete the oldest body of the account with the most entries or bytes."""
    while True:
        entries, held, most_entries, most_bytes = connection.execute(_SQL["all"]).fetchall()[0]
        if entries > bounds.in_all:
            account = most_entries
        elif held > bounds.bytes_in_all and entries > 1:
            account = most_bytes
        else:
            return
        _count(dropped, account, len(connection.execute(_SQL["drop_oldest"], {"account": account}).fetchall()))


def _count(dropped: dict[str, int], account: str, count: int) -> None:
    if count:
        dropped[account] = dropped.get(account, 0) + count


def forget(connection: SqliteConnection, keys: Sequence[bytes]) -> int:
    """Implements `InboxStore.forget`."""
    return sum([len(connection.execute(_SQL["forget"], {"key": key}).fetchall()) for key in keys])


def expire(connection: SqliteConnection, received_before: int, limit: int) -> int:
    """Implements `RetentionStore.expire_unrecognised`."""
    return len(connection.execute(_SQL["expire"], {"before": received_before, "limit": limit}).fetchall())


def list_page(connection: SqliteConnection, query: InboxQuery) -> InboxPage:
    """Implements `JournalSearch.list_unrecognised`."""
    limit = checked_inbox_limit(query.limit)
    values = {
        "before": _LAST if query.before is None else query.before,
        "account": query.account,
        "client": query.client,
        "limit": limit + 1,
    }
    return page([_row(row) for row in connection.execute(_SQL["page"], values).fetchall()], limit)


def show(connection: SqliteConnection, sealer: Sealer, key: bytes) -> InboxEntry | None:
    """Implements `JournalSearch.show_unrecognised`."""
    found = connection.execute(_SQL["one"], {"key": key}).fetchall()
    return opened(sealer, _row(found[0][:-1]), found[0][-1]) if found else None


def counts(connection: SqliteConnection) -> tuple[InboxCount, ...]:
    """Implements `JournalSearch.count_unrecognised`."""
    return tuple(
        InboxCount(account=account, entries=entries, bytes=held, oldest_received_at=oldest)
        for account, entries, held, oldest in connection.execute(_SQL["counts"]).fetchall()
    )


def look(connection: SqliteConnection, sealer: Sealer, after: int, limit: int) -> StaleBodies:
    """Read the next bodies and find those that are not sealed with the current key."""
    values = {"prefix": PREFIX_BYTES, "after": after, "limit": limit}
    rows = connection.execute(_SQL["next_sealed"], values).fetchall()
    stale = tuple(number for number, body in rows if not sealer.is_current(body))
    return StaleBodies(len(rows), stale, rows[-1][0] if len(rows) == limit else None)


def reseal(connection: SqliteConnection, sealer: Sealer, looked: StaleBodies) -> Resealed:
    """Re-encrypt these bodies with the current key; skips those deleted meanwhile."""
    begun = time.perf_counter()
    resealed = 0
    unreadable: list[str] = []
    for number in looked.ids:
        for key, stored in connection.execute(_SQL["payload"], {"id": number}).fetchall():
            try:
                body = sealer.open(stored, key=key, column=COLUMN)
            except UnreadableError as error:
                unreadable.append(str(error))
                continue
            values = {"id": number, "body": sealer.seal(body, key=key, column=COLUMN)}
            connection.execute(_SQL["replace"], values)
            resealed += 1
    return Resealed(
        looked=looked.count,
        resealed=resealed,
        unreadable=tuple(unreadable),
        seconds=time.perf_counter() - begun,
        next_after=looked.next_after,
    )


def _row(row: Sequence[object]) -> InboxRow:
    return InboxRow(**dict(zip(_ROW, row, strict=True)))  # type: ignore[arg-type]
