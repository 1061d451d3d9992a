"""The search port on PostgreSQL.

There is no index on the status, because it would slow down every update. A search by status scans the pushes in the
order received, up to the walk's bound.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from trackpush_server.ids import parse_push_id, push_config_tag, push_id
from trackpush_server.journal import pagination
from trackpush_server.journal.config_history import ConfigEntry
from trackpush_server.journal.inbox import InboxCount, InboxEntry, InboxPage, InboxQuery
from trackpush_server.journal.model import AuditRow, PushState
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.pagination import Bounds, Walk, Walking
from trackpush_server.journal.postgres import config_history, inbox, rollups
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.session import Session
from trackpush_server.journal.rollups import TallyRow
from trackpush_server.journal.row_mapping import (
    FoundPush,
    FoundUpdate,
    Names,
    Position,
    cursor_text,
    push_row,
    timeline_entry,
)
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.search import (
    MOST_ATTEMPTS,
    MOST_COUNTED,
    MOST_ROWS,
    AttemptRow,
    PushDetail,
    PushPage,
    PushQuery,
    QueueCount,
    ShipmentQuery,
    Timeline,
    TimelineEntry,
    TimelinePush,
    checked_limit,
    parse_cursor,
)

_LAST = (1 << 62) - 1
_SLACK = 5_000
"""Widens id ranges computed from times: concurrent requests may be stored in another order than they were received."""
_UPDATE_FIELDS = frozenset(
    {
        "key", "account_id", "received_at", "occurred_at", "shipment", "awb", "forward_awb", "order_id", "status",
        "erased_at",
    }
)  # fmt: skip
_COLUMNS = ", ".join(f"{'u' if field in _UPDATE_FIELDS else 'p'}.{field}" for field in FoundPush._fields)
_SQL = {name: text.replace("{columns}", _COLUMNS) for name, text in load(f"{__package__}.sql", "search").items()}
_WALKS = {"receipt": "receipt", "status": "receipt", "awb": "awb", "order": "order"}
_WAYS = ("DESC", "ASC")
"""Scan order to older pushes, then to newer pushes."""


class PostgresSearch:
    """See `trackpush_server.journal.search.JournalSearch`."""

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    async def list_pushes(self, query: PushQuery) -> PushPage:
        cursor = pagination.checked(query)
        async with self._snapshot() as session:
            names = await _names(session)
            where = await bounds(session, query, cursor)
            return await _listed(session, pagination.list_pushes(names, query, where))

    async def show(self, push_id: str) -> PushDetail | None:
        key, tag = parse_push_id(push_id)
        async with self._snapshot() as session:
            names = await _names(session)
            for found in await session.fetch(_SQL["by_key"], key):
                row = push_row(names, _found(found))
                if push_config_tag(row.push_config) == tag:
                    attempts = await _attempts(session, _found(found), _LAST)
                    stored = {"notification": found["notification"], "body": found["body"]}
                    payload = self._sealer.payload(key=key, **stored)
                    return PushDetail(push=row, attempts=attempts, **payload._asdict())
        return None

    async def timeline(self, query: ShipmentQuery) -> Timeline:
        limit = checked_limit(query.limit)
        async with self._snapshot() as session:
            names = await _names(session)
            rows = await session.fetch(_SQL["timeline"], query.shipment, query.after, limit + 1)
            found = [FoundUpdate(*(row[field] for field in FoundUpdate._fields)) for row in rows]
            entries = [
                await self._entry(session, names, row)
                for row in found[:limit]
                if query.client is None or names.accounts[row.account_id].startswith(f"{query.client}/")
            ]
        return Timeline(tuple(entries), found[limit - 1].id if len(found) > limit else None)

    async def lane_heads(self, cursors: Sequence[str]) -> dict[str, str]:
        asked = [position for cursor in cursors[:MOST_ROWS] if (position := parse_cursor(cursor)) is not None]
        async with self._snapshot() as session:
            names = (await _names(session)).push_configs
            rows = await session.fetch(
                _SQL["lane_heads"], [update for update, _ in asked], [number for _, number in asked]
            )
        return {
            cursor_text((row["update_id"], row["config_id"])): push_id(row["key"], names[row["config_id"]])
            for row in rows
            if row["head_id"] < row["update_id"]
        }

    async def counts(self) -> tuple[QueueCount, ...]:
        rows = await self._pool.fetch(_SQL["counts"], MOST_COUNTED)
        return tuple(
            QueueCount(
                push_config=row["name"],
                pending=row["pending"],
                dead=row["dead"],
                oldest_received_at=row["oldest_received_at"],
            )
            for row in rows
        )

    async def audits(self, *, before: int | None, limit: int) -> tuple[AuditRow, ...]:
        rows = await self._pool.fetch(_SQL["audits"], _LAST if before is None else before, checked_limit(limit))
        return tuple(AuditRow(**row) for row in rows)

    async def list_unrecognised(self, query: InboxQuery) -> InboxPage:
        return await inbox.list_page(self._pool, query)

    async def show_unrecognised(self, key: bytes) -> InboxEntry | None:
        return await inbox.show(self._pool, self._sealer, key)

    async def rollups(self, *, now: int) -> tuple[TallyRow, ...]:
        return await rollups.read(self._pool, now)

    async def config_history(self, *, before: int | None, limit: int) -> tuple[ConfigEntry, ...]:
        return await config_history.read(self._pool, before, checked_limit(limit))

    async def count_unrecognised(self) -> tuple[InboxCount, ...]:
        return await inbox.counts(self._pool)

    async def close(self) -> None:
        """Does nothing: the journal closes the pool."""

    async def _entry(self, session: Session, names: Names, found: FoundUpdate) -> TimelineEntry:
        pushes = [_found(row) for row in await session.fetch(_SQL["pushes_of"], [found.id])]
        pushes.sort(key=lambda push: names.push_configs[push.config_id])
        seen = [TimelinePush(push_row(names, push), await _attempts(session, push, MOST_ATTEMPTS)) for push in pushes]
        return timeline_entry(names, found, tuple(seen), sealer=self._sealer)

    @contextlib.asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Session]:
        """Borrow a connection in a read-only transaction, in which all statements see the same snapshot."""
        async with (
            self._pool.session() as session,
            session.connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield session


async def _names(session: Session) -> Names:
    rows = await session.fetch(_SQL["names"])
    return Names(
        accounts={row["id"]: row["name"] for row in rows if row["account"]},
        push_configs={row["id"]: row["name"] for row in rows if not row["account"]},
    )


async def _listed(session: Session, walking: Walking) -> PushPage:
    try:
        walk = next(walking)
        while True:
            walk = walking.send(await _walked(session, walk))
    except StopIteration as end:
        return cast("PushPage", end.value)


async def _walked(session: Session, walk: Walk) -> list[FoundPush]:
    where = walk.where
    if walk.by == "state":
        name = "delivered" if walk.state == PushState.DELIVERED else "undelivered"
        values: tuple[object, ...] = (walk.state, walk.config, *walk.ids, where.since, where.until, walk.limit)
    else:
        name = _WALKS[walk.by]
        values = (*where.low, *where.high, where.since, where.until, walk.limit)
        if name != "receipt":
            values = (*values, list(walk.texts) if walk.by == "awb" else walk.text)
    rows = await session.fetch(_SQL[name].replace("{way}", _WAYS[where.newer]), *values)
    return [_found(row) for row in rows]


async def _attempts(session: Session, push: FoundPush, limit: int) -> tuple[AttemptRow, ...]:
    rows = await session.fetch(_SQL["attempts"], push.update_id, push.config_id, limit)
    return tuple(AttemptRow(**row) for row in reversed(rows))


async def bounds(session: Session, query: PushQuery, cursor: Position | None) -> Bounds:
    """Convert a time range and a cursor to a range of positions: ids grow with the time of receipt."""
    since, until = query.since, query.received_before
    low = (0 if since is None else await _first_received(session, since - _SLACK), 0)
    high = (_LAST if until is None else await _first_received(session, until + _SLACK), 0)
    if cursor is not None:
        low, high = (max(low, cursor), high) if query.newer else (low, min(high, cursor))
    return Bounds(low, high, since or 0, _LAST if until is None else until, query.newer)


async def _first_received(session: Session, moment: int) -> int:
    """The lowest id received at or after ``moment``; higher than the last id if there is none."""
    low = 0
    high = 1 + int((await session.row(_SQL["last_id"]))["last_id"])
    while low < high:
        middle = (low + high) // 2
        row = await session.row(_SQL["from_id"], middle)
        if row is None or row["received_at"] >= moment:
            high = middle
        else:
            low = int(row["id"]) + 1
    return low


def _found(row: Any) -> FoundPush:
    return FoundPush(*(row[field] for field in FoundPush._fields))
