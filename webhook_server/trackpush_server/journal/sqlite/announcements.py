"""Stores what was announced to people, in the writer's transaction; see `trackpush_server.journal.announcements`."""

from collections.abc import Sequence
from typing import Any

import msgspec

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
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection

SQL = load(f"{__package__}.sql", "announcements")
_announced = msgspec.json.Decoder(list[tuple[str, str, str, int, str, str, int, int, int, int]])
_totals = msgspec.json.Decoder(list[tuple[str, str, int, int]])


class SqliteAnnouncements:
    """See `trackpush_server.journal.ports.AnnouncementStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def adopt(self, targets: Sequence[str], baseline: Sequence[Announced], *, now: int) -> None:
        await self._access.write(lambda connection: _adopt(connection, targets, baseline, now))

    async def read(self) -> AnnouncementRows:
        return await self._access.read(_read)

    async def totals(self) -> tuple[SubjectTotal, ...]:
        return await self._access.read(_read_totals)

    async def record(self, changed: Sequence[Announced], events: Sequence[tuple[str, AnnouncedEvent]]) -> bool:
        return await self._access.write(lambda connection: _record(connection, changed, events))

    async def collected(self, target: str) -> tuple[CollectedEvent, ...]:
        rows = await self._access.read(lambda connection: connection.execute(SQL["collected"], (target,)).fetchall())
        return tuple(collected_event(row) for row in rows)

    async def put(self, state: TargetState, *, body: bytes | None = None, includes: int = 0) -> bool:
        return await self._access.write(lambda connection: _put(connection, state, body, includes))

    async def body(self, target: str, message_id: str) -> bytes | None:
        wanted = (target, message_id)
        row = await self._access.read(lambda connection: connection.execute(SQL["body"], wanted).fetchone())
        return None if row is None or row[0] is None else bytes(row[0])

    async def tidy(self, *, now: int) -> None:
        await self._access.write(lambda connection: _tidy(connection, now))


def fields(record: msgspec.Struct) -> list[Any]:
    """The values of a row, in the order of its columns."""
    return [getattr(record, name) for name in record.__struct_fields__]


def collected_event(row: Sequence[Any]) -> CollectedEvent:
    return CollectedEvent(**dict(zip(CollectedEvent.__struct_fields__, row, strict=True)))


def target_state(row: Sequence[Any]) -> TargetState:
    return TargetState(**dict(zip(TargetState.__struct_fields__, row, strict=True)))


def announced_row(row: Sequence[Any]) -> Announced:
    return Announced(**dict(zip(Announced.__struct_fields__, row, strict=True)))


def subject_total(row: Sequence[Any]) -> SubjectTotal:
    return SubjectTotal(**dict(zip(SubjectTotal.__struct_fields__, row, strict=True)))


def _adopt(connection: SqliteConnection, targets: Sequence[str], baseline: Sequence[Announced], now: int) -> None:
    values = {"targets": _json(targets), "now": now}
    connection.execute(SQL["seen"], values)
    new = {target for (target,) in connection.execute(SQL["adopt"], values).fetchall()}
    rows = [fields(row) for row in baseline if row.target in new]
    if rows:
        connection.execute(SQL["announce"], {"rows": _json(rows)})


def _read(connection: SqliteConnection) -> AnnouncementRows:
    announced = _announced.decode(connection.execute(SQL["announced"]).fetchone()[0])
    return AnnouncementRows(
        targets=tuple(target_state(row) for row in connection.execute(SQL["targets"])),
        announced=tuple(map(announced_row, announced)),
        collecting=frozenset(target for (target,) in connection.execute(SQL["collecting"])),
    )


def _read_totals(connection: SqliteConnection) -> tuple[SubjectTotal, ...]:
    rows = _totals.decode(connection.execute(SQL["totals"]).fetchone()[0])
    return tuple(map(subject_total, rows))


def _record(
    connection: SqliteConnection, changed: Sequence[Announced], events: Sequence[tuple[str, AnnouncedEvent]]
) -> bool:
    rows = {"rows": _json([fields(row) for row in changed])}
    if connection.execute(SQL["differing"], rows).fetchone()[0]:
        return False
    connection.execute(SQL["announce"], rows)
    if events:
        connection.execute(SQL["collect"], {"rows": _json([[target, *fields(event)] for target, event in events])})
    return True


def _put(connection: SqliteConnection, state: TargetState, body: bytes | None, includes: int) -> bool:
    if not connection.change(SQL["put"], {**msgspec.structs.asdict(state), "body": body}):
        return False
    if includes:
        connection.execute(SQL["forget_collected"], (state.target, includes))
    return True


def _tidy(connection: SqliteConnection, now: int) -> None:
    connection.execute(SQL["drop_targets"], (now - KEPT_UNSEEN,))
    connection.execute(SQL["drop_totals"], (now - KEPT_UNCHANGED,))
    connection.execute(SQL["drop_announced"], {"before": now - KEPT_UNCHANGED})
    connection.execute(SQL["drop_collected"])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
