"""The portal's changes in a database. Writes hold the counter's lock, so that replicas never wait crosswise."""

from collections.abc import Mapping
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
from trackpush_server.journal.postgres.access import PostgresAccess

SQL = load(f"{__package__}.sql", "portal_changes")


class PostgresPortalChanges:
    """See `trackpush_server.journal.ports.PortalChangeStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def add(self, change: NewChange) -> None:
        self._access.appends.check()
        stored = await self._access.pool.write(
            SQL["add"],
            change.id,
            change.client,
            change.namespace_uid,
            change.push_config,
            change.created_at,
            seal_content(self._access.sealer, change),
            SUPERSEDED,
            MOST_WAITING,
            MOST_WAITING_IN_ALL,
        )
        if not stored:
            raise TooManyChangesError
        await self._access.pool.write(SQL["trim"], change.client, MOST_KEPT)

    async def waiting(self, *, limit: int) -> tuple[WaitingChange, ...]:
        rows = await self._access.pool.fetch(SQL["waiting"], limit)
        return tuple(open_content(self._access.sealer, _row(row), row["content"]) for row in rows)

    async def find(self, change: str) -> ChangeRow | None:
        found = await self._access.pool.fetch(SQL["one"], change)
        return _row(found[0]) if found else None

    async def settle(self, change: str, state: ChangeState, message: str, *, now: int) -> ChangeRow | None:
        self._access.appends.check()
        await self._access.pool.write(SQL["settle"], change, state.value, message, now)
        return await self.find(change)

    async def expire(self, *, before: int, now: int) -> int:
        self._access.appends.check()
        if not await self._access.pool.fetch(SQL["expires"], before):
            return 0
        return await self._access.pool.write(SQL["expire"], before, TOO_OLD, now)

    async def recent(self, client: str, *, namespace_uid: str, limit: int) -> tuple[ChangeRow, ...]:
        return tuple(_row(row) for row in await self._access.pool.fetch(SQL["recent"], client, namespace_uid, limit))


def _row(row: Mapping[str, Any]) -> ChangeRow:
    values = {name: row[name] for name in ChangeRow.__struct_fields__}
    return ChangeRow(**{**values, "state": ChangeState(values["state"])})
