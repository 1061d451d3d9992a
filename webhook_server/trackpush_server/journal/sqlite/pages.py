"""Reads for the dispatcher: pages of pending pushes, payloads, counts. One thread, one connection, no writes."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from trackpush_server.journal.model import (
    JournalUnavailableError,
    Page,
    PendingConfigs,
    PendingCount,
    StoredPush,
    Wanted,
)
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError, open_reader
from trackpush_server.journal.sqlite.explain import explain_read
from trackpush_server.journal.sqlite.folder import FILE_NAME
from trackpush_server.journal.sqlite.search import snapshot

_T = TypeVar("_T")


class PendingPages:
    """The reader. Its methods run on its own thread and never block the loop."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._path = folder / FILE_NAME
        self._sealer = sealer
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trackpush-journal-reader")
        self._connection: SqliteConnection | None = None
        self._closed = False

    def reopen(self) -> None:
        """Reopen the file for the next read: it may have been replaced."""
        if not self._closed:
            self._executor.submit(self._drop)

    async def pending(self, wanted: Sequence[Wanted]) -> tuple[Page, ...]:
        """See `Journal.pending`."""

        def read(connection: SqliteConnection) -> tuple[Page, ...]:
            with snapshot(connection):
                highest = int(connection.execute(sql.LAST_ID).fetchone()[0])
                found = [
                    connection.execute(sql.PENDING, (request.push_config, request.after, request.limit)).fetchall()
                    for request in wanted
                ]
            return tuple(
                Page(tuple(self._stored(request.push_config, row) for row in rows), highest)
                for request, rows in zip(wanted, found, strict=True)
            )

        return await self.read(read)

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        """See `Journal.fetch`."""
        wanted = msgspec.json.encode(update_ids).decode()

        def read(connection: SqliteConnection) -> dict[int, StoredPush]:
            rows = connection.execute(sql.FETCH, (push_config, wanted)).fetchall()
            return {row[0]: self._stored(push_config, row) for row in rows}

        return await self.read(read)

    async def pending_configs(self) -> PendingConfigs:
        """See `Journal.pending_configs`."""

        def read(connection: SqliteConnection) -> PendingConfigs:
            with snapshot(connection):
                highest = int(connection.execute(sql.LAST_ID).fetchone()[0])
                rows = connection.execute(sql.PENDING_CONFIGS).fetchall()
            return PendingConfigs(frozenset(name for (name,) in rows), highest)

        return await self.read(read)

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        """See `Journal.pending_counts`."""

        def read(connection: SqliteConnection) -> tuple[PendingCount, ...]:
            with snapshot(connection):
                names = dict(connection.execute(sql.NAMES))
                counts = connection.execute(sql.PENDING_COUNTS).fetchall()
                return tuple(
                    PendingCount(names[config], count, connection.execute(sql.OLDEST_PENDING, (config,)).fetchone()[0])
                    for config, count in counts
                )

        return await self.read(read)

    async def read(self, read: Callable[[SqliteConnection], _T]) -> _T:
        """Run a read on the thread.

        Raises:
            JournalUnavailableError: the journal is closed, or the file can't be read.
        """
        if self._closed:
            raise JournalUnavailableError("the journal is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._read, read)

    def _read(self, read: Callable[[SqliteConnection], _T]) -> _T:
        try:
            if self._connection is None:
                self._connection = open_reader(self._path)
            return read(self._connection)
        except SqliteError as error:
            self._drop()
            raise JournalUnavailableError(explain_read(self._path, error)) from error

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SqliteError):
                self._connection.close()
            self._connection = None

    async def close(self) -> None:
        """End the thread after its present read."""
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._drop)
        self._executor.shutdown(wait=False)

    def _stored(self, push_config: str, row: tuple[Any, ...]) -> StoredPush:
        payload = self._sealer.payload(key=row[1], notification=row[9], body=row[10])
        return StoredPush(
            update_id=row[0],
            push_config=push_config,
            key=row[1],
            account=row[2],
            shipment=row[3],
            received_at=row[4],
            late=bool(row[5]),
            tries=row[6],
            rejections=row[7],
            due_at=row[8],
            notification=payload.notification,
            body=payload.body,
            replays=row[11],
            replayed_at=row[12],
            tries_before=row[13],
            trace=row[14],
            unreadable=payload.unreadable,
        )
