"""The links to the portal in a journal file."""

from typing import Any

from trackpush_server.journal.named_sql import load
from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.tenants import former_client

SQL = load(f"{__package__}.sql", "portal_links")
_FIELDS = PortalLink.__struct_fields__


class SqlitePortalLinks:
    """See `trackpush_server.journal.ports.PortalLinkStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def key(self, fresh: bytes) -> bytes:
        return await self._access.write(lambda connection: _key(connection, fresh))

    async def add(self, link: PortalLink) -> None:
        await self._access.write(lambda connection: connection.change(SQL["add"], values(link)))

    async def find(self, link_id: str) -> PortalLink | None:
        return await self._access.read(lambda connection: _find(connection, link_id))

    async def of_client(self, client: str | None, *, limit: int) -> tuple[PortalLink, ...]:
        query, given = (SQL["current"], (limit,)) if client is None else (SQL["of_client"], (client, limit))
        return await self._access.read(lambda connection: tuple(map(_link, connection.execute(query, given))))

    async def revoke(self, link_id: str, *, now: int) -> PortalLink | None:
        return await self._access.write(lambda connection: _revoke(connection, link_id, now))


def read_all(connection: SqliteConnection) -> tuple[PortalLink, ...]:
    return tuple(map(_link, connection.execute(SQL["all"])))


def values(link: PortalLink) -> tuple[Any, ...]:
    """The columns of a link."""
    return tuple(getattr(link, name) for name in _FIELDS)


def expire(connection: SqliteConnection, before: int, limit: int) -> int:
    """See `RetentionStore.expire_portal_links`."""
    return connection.change(SQL["expire"], (before, limit))


def archive(connection: SqliteConnection, client: str, uid: str) -> None:
    """Give the links of a client to its former namespace."""
    connection.execute(SQL["rename"], (former_client(client, uid), client))


def restore(connection: SqliteConnection, client: str, uid: str) -> None:
    """Give the links of a former namespace back to the client."""
    connection.execute(SQL["rename"], (client, former_client(client, uid)))


def _key(connection: SqliteConnection, fresh: bytes) -> bytes:
    connection.execute(SQL["make_key"], (fresh,))
    return bytes(connection.execute(SQL["key"]).fetchone()[0])


def _find(connection: SqliteConnection, link_id: str) -> PortalLink | None:
    row = connection.execute(SQL["find"], (link_id,)).fetchone()
    return None if row is None else _link(row)


def _revoke(connection: SqliteConnection, link_id: str, now: int) -> PortalLink | None:
    connection.execute(SQL["revoke"], (now, link_id))
    return _find(connection, link_id)


def _link(row: Any) -> PortalLink:
    return PortalLink(**dict(zip(_FIELDS, row, strict=True)))
