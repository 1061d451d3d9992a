"""The portal's changes in a journal file. Writes run in the writer's transaction, and reads on the reader thread."""

from collections.abc import Sequence
from typing import Any

from trackpush_server.journal.named_sql import load
from trackpush_server.journal.portal_changes import (
    MOST_KEPT,
    MOST_WAITING,
    MOST_WAITING_IN_ALL,
    SUPERSEDED,
    TOO_OLD,
    ChangeRow,
    ChangeState,
    NewChange,
    TooManyChangesError,
    WaitingChange,
    open_content,
    seal_content,
)
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection

SQL = load(f"{__package__}.sql", "portal_changes")


class SqlitePortalChanges:
    """See `trackpush_server.journal.ports.PortalChangeStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def add(self, change: NewChange) -> None:
        sealer = self._access.sealer
        if not await self._access.write(lambda connection: _add(connection, sealer, change)):
            raise TooManyChangesError

    async def waiting(self, *, limit: int) -> tuple[WaitingChange, ...]:
        sealer = self._access.sealer
        return await self._access.read(lambda connection: _waiting(connection, sealer, limit))

    async def find(self, change: str) -> ChangeRow | None:
        return await self._access.read(lambda connection: _find(connection, change))

    async def settle(self, change: str, state: ChangeState, message: str, *, now: int) -> ChangeRow | None:
        return await self._access.write(lambda connection: _settle(connection, change, state, message, now))

    async def expire(self, *, before: int, now: int) -> int:
        values = {"before": before, "now": now, "message": TOO_OLD}
        return await self._access.write(lambda connection: len(connection.execute(SQL["expire"], values).fetchall()))

    async def recent(self, client: str, *, namespace_uid: str, limit: int) -> tuple[ChangeRow, ...]:
        values = {"client": client, "namespace_uid": namespace_uid, "limit": limit}
        return await self._access.read(
            lambda connection: tuple(_row(row) for row in connection.execute(SQL["recent"], values).fetchall())
        )


def _add(connection: SqliteConnection, sealer: Sealer, change: NewChange) -> bool:
    """Store the change; returns False if too many wait."""
    named = {"client": change.client, "push_config": change.push_config}
    of_client, in_all = connection.execute(SQL["waiting_counts"], named).fetchall()[0]
    if of_client >= MOST_WAITING or in_all >= MOST_WAITING_IN_ALL:
        return False
    connection.execute(SQL["supersede"], {**named, "message": SUPERSEDED, "now": change.created_at})
    values = {
        **named,
        "id": change.id,
        "namespace_uid": change.namespace_uid,
        "created_at": change.created_at,
        "content": seal_content(sealer, change),
    }
    connection.execute(SQL["add"], values)
    connection.execute(SQL["trim"], {"client": change.client, "most": MOST_KEPT})
    return True


def _waiting(connection: SqliteConnection, sealer: Sealer, limit: int) -> tuple[WaitingChange, ...]:
    rows = connection.execute(SQL["waiting"], {"limit": limit}).fetchall()
    return tuple(open_content(sealer, _row(row[:-1]), row[-1]) for row in rows)


def _settle(connection: SqliteConnection, change: str, state: ChangeState, message: str, now: int) -> ChangeRow | None:
    values = {"id": change, "state": state.value, "message": message, "now": now}
    connection.execute(SQL["settle"], values).fetchall()
    return _find(connection, change)


def _find(connection: SqliteConnection, change: str) -> ChangeRow | None:
    found = connection.execute(SQL["one"], {"id": change}).fetchall()
    return _row(found[0]) if found else None


def _row(row: Sequence[Any]) -> ChangeRow:
    values = dict(zip(ChangeRow.__struct_fields__, row, strict=True))
    return ChangeRow(**{**values, "state": ChangeState(values["state"])})
