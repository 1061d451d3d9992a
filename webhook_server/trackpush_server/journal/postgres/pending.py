"""Pending pushes on PostgreSQL: pages for the dispatcher, counts for metrics."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from trackpush_api.routing import namespace_of
from trackpush_server.journal.model import (
    JournalUnavailableError,
    Outcome,
    PageRequest,
    PendingConfigs,
    PendingCount,
    PendingPage,
    StoredPush,
)
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.sealing import Sealer

_SQL = load(f"{__package__}.sql", "reading")
_REPLAY = load(f"{__package__}.sql", "replay")
_update_id = attrgetter("update_id")


class OtherHistoryError(JournalUnavailableError):
    """The database has another history than the writer knows."""


class PostgresPushQueue:
    """See `trackpush_server.journal.ports.PushQueue`.

    Reads find only pushes of the namespace objects in this server's routing table, not those of another object with the
    same name. A read is refused if the database has another history than the writer knows, because there an id may
    belong to another update.
    """

    def __init__(self, access: PostgresAccess, *, on_other_history: Callable[[], None]) -> None:
        """``on_other_history`` is called when a read finds another history than the writer knows."""
        self._access = access
        self._on_other_history = on_other_history

    @property
    def outcomes_waiting(self) -> int:
        return self._access.appends.outcomes_waiting

    def record(self, outcome: Outcome) -> None:
        if self._access.is_open:
            self._access.appends.outcomes_waiting += 1
            self._access.queue.record(outcome)

    async def flush(self) -> None:
        await self._access.flush()

    async def pending(self, wanted: Sequence[PageRequest]) -> tuple[PendingPage, ...]:
        uids = self._access.names.uids
        columns = (
            [request.push_config for request in wanted],
            [request.after for request in wanted],
            [request.limit for request in wanted],
            [uids.get(namespace_of(request.push_config)) for request in wanted],
        )
        found: list[list[StoredPush]] = [[] for _ in wanted]
        rows = await self._access.dispatch.fetch(_SQL["pending"], *columns)
        self._check(rows)
        for row in rows:
            if row["update_id"] is not None:
                place = row["place"] - 1
                found[place].append(_stored(self._access.sealer, wanted[place].push_config, row))
        return tuple(PendingPage(tuple(sorted(pushes, key=_update_id)), rows[0]["last_id"]) for pushes in found)

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        uid = self._access.names.uids.get(namespace_of(push_config))
        rows = await self._access.dispatch.fetch(_SQL["fetch"], push_config, list(update_ids), uid)
        self._check(rows)
        return {row["update_id"]: _stored(self._access.sealer, push_config, row) for row in rows}

    async def expire(self, push_config: str, *, received_before: int, limit: int) -> int:
        await self._access.flush_for_write()
        return await self._access.dispatch.write(_REPLAY["expire"], push_config, received_before, limit)

    async def pending_configs(self) -> PendingConfigs:
        rows = await self._access.dispatch.fetch(_SQL["pending_configs"])
        self._check(rows)
        row = rows[0]
        return PendingConfigs(frozenset(row["names"]), row["last_id"])

    def _check(self, rows: Sequence[Any]) -> None:
        if rows and not self._access.history.knows(rows[0]["history"], rows[0]["last_id"]):
            self._on_other_history()
            raise OtherHistoryError("the database was restarted or replaced; what it holds is compared first")


class PostgresBacklog:
    """See `trackpush_server.journal.ports.BacklogStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        rows = await self._access.pool.fetch(_SQL["pending_counts"])
        return tuple(PendingCount(row["name"], row["count"], row["received_at"]) for row in rows)

    async def drop(self, push_config: str, *, reason: str, now: int, limit: int) -> int:
        await self._access.flush_for_write()
        return await self._access.pool.write(_REPLAY["drop"], push_config, reason, now, limit)


def _stored(sealer: Sealer, push_config: str, row: Any) -> StoredPush:
    payload = sealer.payload(key=row["key"], notification=row["notification"], body=row["body"])
    return StoredPush(
        update_id=row["update_id"],
        push_config=push_config,
        key=row["key"],
        account=row["account"],
        shipment=row["shipment"],
        received_at=row["received_at"],
        late=row["late"],
        tries=row["tries"],
        rejections=row["rejections"],
        due_at=row["due_at"],
        notification=payload.notification,
        body=payload.body,
        replays=row["replays"],
        replayed_at=row["replayed_at"],
        tries_before=row["tries_before"],
        trace=row["trace"],
        unreadable=payload.unreadable,
    )
