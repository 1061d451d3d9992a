"""Pending pushes on SQLite: pages for the dispatcher, counts for metrics."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from trackpush_server.journal.model import Outcome, PageRequest, PendingConfigs, PendingCount, PendingPage, StoredPush
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.ended_pushes import config_number
from trackpush_server.journal.sqlite.search_rows import snapshot


class SqlitePushQueue:
    """See `trackpush_server.journal.ports.PushQueue`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    @property
    def outcomes_waiting(self) -> int:
        return self._access.queue.outcomes_waiting

    def record(self, outcome: Outcome) -> None:
        if self._access.writer is not None:
            self._access.queue.outcomes_waiting += 1
            self._access.put(outcome)

    async def flush(self) -> None:
        await self._access.flush()

    async def pending(self, wanted: Sequence[PageRequest]) -> tuple[PendingPage, ...]:
        def read(connection: SqliteConnection) -> tuple[PendingPage, ...]:
            with snapshot(connection):
                highest = int(connection.execute(sql.LAST_ID).fetchone()[0])
                found = [
                    connection.execute(sql.PENDING, (request.push_config, request.after, request.limit)).fetchall()
                    for request in wanted
                ]
            return tuple(
                PendingPage(tuple(self._stored(request.push_config, row) for row in rows), highest)
                for request, rows in zip(wanted, found, strict=True)
            )

        return await self._access.read(read)

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        wanted = msgspec.json.encode(update_ids).decode()

        def read(connection: SqliteConnection) -> dict[int, StoredPush]:
            rows = connection.execute(sql.FETCH, (push_config, wanted)).fetchall()
            return {row[0]: self._stored(push_config, row) for row in rows}

        return await self._access.read(read)

    async def expire(self, push_config: str, *, received_before: int, limit: int) -> int:
        def run(connection: SqliteConnection) -> int:
            config = config_number(connection, push_config)
            if config is None:
                return 0
            values = (int(time.time() * 1000), config, config, limit, received_before)
            return connection.change(sql.EXPIRE, values)

        return await self._access.write(run)

    async def pending_configs(self) -> PendingConfigs:
        def read(connection: SqliteConnection) -> PendingConfigs:
            with snapshot(connection):
                highest = int(connection.execute(sql.LAST_ID).fetchone()[0])
                rows = connection.execute(sql.PENDING_CONFIGS).fetchall()
            return PendingConfigs(frozenset(name for (name,) in rows), highest)

        return await self._access.read(read)

    def _stored(self, push_config: str, row: tuple[Any, ...]) -> StoredPush:
        payload = self._access.sealer.payload(key=row[1], notification=row[9], body=row[10])
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


class SqliteBacklog:
    """See `trackpush_server.journal.ports.BacklogStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        def read(connection: SqliteConnection) -> tuple[PendingCount, ...]:
            with snapshot(connection):
                names = dict(connection.execute(sql.NAMES))
                counts = connection.execute(sql.PENDING_COUNTS).fetchall()
                return tuple(
                    PendingCount(names[config], count, connection.execute(sql.OLDEST_PENDING, (config,)).fetchone()[0])
                    for config, count in counts
                )

        return await self._access.read(read)

    async def drop(self, push_config: str, *, reason: str, now: int, limit: int) -> int:
        def run(connection: SqliteConnection) -> int:
            config = config_number(connection, push_config)
            return 0 if config is None else connection.change(sql.DROP, (now, reason, config, config, limit))

        return await self._access.write(run)
