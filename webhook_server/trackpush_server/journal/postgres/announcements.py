"""Stores what was announced to people; see `trackpush_server.journal.announcements`.

Its transactions don't need the counter's lock: each locks its rows in the order of their keys, so that replicas never
wait for each other in a circle.
"""

from collections.abc import Sequence

from trackpush_server.journal.announcements import (
    KEPT_UNCHANGED,
    KEPT_UNSEEN,
    Announced,
    AnnouncedEvent,
    AnnouncementRows,
    CollectedEvent,
    SubjectTotal,
    TargetState,
)
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.session import Session

SQL = load(f"{__package__}.sql", "announcements")


class PostgresAnnouncements:
    """See `trackpush_server.journal.ports.AnnouncementStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def adopt(self, targets: Sequence[str], baseline: Sequence[Announced], *, now: int) -> None:
        self._access.appends.check()
        async with self._access.pool.session() as session, session.begin():
            await session.fetch(SQL["seen"], list(targets), now)
            new = {row["target"] for row in await session.fetch(SQL["adopt"], list(targets), now)}
            rows = [row for row in baseline if row.target in new]
            if rows:
                await _announce(session, rows)

    async def read(self) -> AnnouncementRows:
        async with self._access.pool.session() as session:
            targets = await session.fetch(SQL["targets"])
            announced = await session.fetch(SQL["announced"])
            collecting = await session.fetch(SQL["collecting"])
        return AnnouncementRows(
            targets=tuple(TargetState(**dict(row)) for row in targets),
            announced=tuple(Announced(**dict(row)) for row in announced),
            collecting=frozenset(row["target"] for row in collecting),
        )

    async def totals(self) -> tuple[SubjectTotal, ...]:
        return tuple(SubjectTotal(**dict(row)) for row in await self._access.pool.fetch(SQL["totals"]))

    async def record(self, changed: Sequence[Announced], events: Sequence[tuple[str, AnnouncedEvent]]) -> bool:
        self._access.appends.check()
        try:
            async with self._access.pool.session() as session, session.begin():
                if await _announce(session, changed) != len(changed):
                    raise _ChangedMeanwhileError  # noqa: TRY301  it rolls the transaction back
                if events:
                    await session.fetch(SQL["collect"], *_columns(events))
        except _ChangedMeanwhileError:
            return False
        return True

    async def collected(self, target: str) -> tuple[CollectedEvent, ...]:
        rows = await self._access.pool.fetch(SQL["collected"], target)
        return tuple(CollectedEvent(**dict(row)) for row in rows)

    async def put(self, state: TargetState, *, body: bytes | None = None, includes: int = 0) -> bool:
        self._access.appends.check()
        values = [getattr(state, name) for name in TargetState.__struct_fields__]
        async with self._access.pool.session() as session, session.begin():
            if not await session.fetch(SQL["put"], *values, body):
                return False
            if includes:
                await session.fetch(SQL["forget_collected"], state.target, includes)
        return True

    async def body(self, target: str, message_id: str) -> bytes | None:
        rows = await self._access.pool.fetch(SQL["body"], target, message_id)
        return rows[0]["body"] if rows else None

    async def tidy(self, *, now: int) -> None:
        self._access.appends.check()
        async with self._access.pool.session() as session, session.begin():
            await session.fetch(SQL["drop_targets"], now - KEPT_UNSEEN)
            await session.fetch(SQL["drop_totals"], now - KEPT_UNCHANGED)
            await session.fetch(SQL["drop_announced"], now - KEPT_UNCHANGED)
            await session.fetch(SQL["drop_collected"])


class _ChangedMeanwhileError(Exception):
    """Another replica changed a row that this one has read."""


async def _announce(session: Session, rows: Sequence[Announced]) -> int:
    """Write the rows that have the expected version; returns their number."""
    columns = [[getattr(row, name) for row in rows] for name in Announced.__struct_fields__]
    return len(await session.fetch(SQL["announce"], *columns))


def _columns(events: Sequence[tuple[str, AnnouncedEvent]]) -> list[list[object]]:
    named = [[getattr(event, name) for _, event in events] for name in AnnouncedEvent.__struct_fields__]
    return [[target for target, _ in events], *named]
