"""Finds and erases personal data in updates. Keeps the rows with states, times, and the keys that detect duplicates."""

from collections.abc import Sequence
from typing import Any

import msgspec

from trackpush_server.journal.model import Erasure, FoundUpdates, Subject
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.indexing import remove_terms, store_erased
from trackpush_server.journal.sqlite.scrub import FileScrubber

_SQL = load(f"{__package__}.sql", "erasure")
OF_AWB = _SQL["of_awb"]
ONE = _SQL["one"]
NEXT_IDS = _SQL["next_ids"]
ACCOUNTS = _SQL["accounts"]
BLANK_UPDATES = _SQL["blank_updates"]
BLANK_ATTEMPTS = _SQL["blank_attempts"]
END_PUSHES = _SQL["end_pushes"]
COUNT = _SQL["count"]
BEGIN = _SQL["begin"]
END = _SQL["end"]
RECORDS = _SQL["records"]


class SqliteErasures:
    """See `trackpush_server.journal.ports.ErasureStore`."""

    def __init__(self, access: SqliteAccess, scrubber: FileScrubber) -> None:
        self._access = access
        self._scrubber = scrubber

    async def find(self, subject: Subject, *, after: int, limit: int) -> FoundUpdates:
        return await self._access.read(lambda connection: find(connection, subject, after, limit))

    async def begin(self, subject: str, reason: str, *, now: int) -> int:
        return await self._access.write(lambda connection: connection.insert(BEGIN, (subject, reason, now)))

    async def erase(self, erasure: int, update_ids: Sequence[int], *, now: int) -> int:
        return await self._access.write(lambda connection: erase(connection, erasure, update_ids, now))

    async def end(self, erasure: int, *, now: int) -> None:
        """Scrub, then write down that it is done."""
        await self._scrubber.scrub()
        await self._access.write(lambda connection: connection.change(END, (now, erasure)))

    async def records(self, *, limit: int) -> tuple[Erasure, ...]:
        return await self._access.read(lambda connection: records(connection, limit))


def find(connection: SqliteConnection, subject: Subject, after: int, limit: int) -> FoundUpdates:
    """Implements `ErasureStore.find`."""
    accounts = None
    if subject.client is not None:
        accounts = {row[0] for row in connection.execute(ACCOUNTS, {"client": subject.client})}
    if subject.awb is not None:
        ids = [row[0] for row in connection.execute(OF_AWB, {"awb": subject.awb}) if row[0] > after]
        rows = [connection.execute(ONE, (update_id,)).fetchone() for update_id in ids]
        return FoundUpdates(_wanted(rows, accounts), None)
    rows = connection.execute(NEXT_IDS, (after, limit)).fetchall()
    return FoundUpdates(_wanted(rows, accounts), rows[-1][0] if len(rows) == limit else None)


def _wanted(rows: Sequence[tuple[int, int, int | None]], accounts: set[int] | None) -> tuple[int, ...]:
    return tuple(
        update_id
        for update_id, account, erased_at in rows
        if erased_at is None and (accounts is None or account in accounts)
    )


def erase(connection: SqliteConnection, erasure: int, update_ids: Sequence[int], now: int) -> int:
    """Implements `ErasureStore.erase`, inside the writer's transaction."""
    values: dict[str, Any] = {"ids": msgspec.json.encode(update_ids).decode(), "now": now}
    remove_terms(connection, values["ids"])
    updates = connection.change(BLANK_UPDATES, values)
    store_erased(connection, values["ids"])
    pushes = connection.change(END_PUSHES, values)
    connection.execute(BLANK_ATTEMPTS, values)
    connection.execute(COUNT, (updates, pushes, erasure))
    return updates


def records(connection: SqliteConnection, limit: int) -> tuple[Erasure, ...]:
    """Implements `ErasureStore.records`."""
    return tuple(
        Erasure(
            id=row[0], subject=row[1], reason=row[2], begun_at=row[3], ended_at=row[4], updates=row[5], pushes=row[6]
        )
        for row in connection.execute(RECORDS, (limit,))
    )
