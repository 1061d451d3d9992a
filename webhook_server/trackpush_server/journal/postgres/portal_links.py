"""The links to the portal in a database, which all replicas share."""

from typing import Any

from trackpush_server.journal.named_sql import load
from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.session import Session
from trackpush_server.journal.tenants import former_client

SQL = load(f"{__package__}.sql", "portal_links")


class PostgresPortalLinks:
    """See `trackpush_server.journal.ports.PortalLinkStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def key(self, fresh: bytes) -> bytes:
        self._access.appends.check()
        await self._access.pool.write(SQL["make_key"], fresh)
        return bytes((await self._access.pool.fetch(SQL["key"]))[0]["key"])

    async def add(self, link: PortalLink) -> None:
        self._access.appends.check()
        await self._access.pool.write(SQL["add"], *values(link))

    async def find(self, link_id: str) -> PortalLink | None:
        rows = await self._access.pool.fetch(SQL["find"], link_id)
        return _link(rows[0]) if rows else None

    async def of_client(self, client: str | None, *, limit: int) -> tuple[PortalLink, ...]:
        query, given = (SQL["current"], (limit,)) if client is None else (SQL["of_client"], (client, limit))
        return tuple(map(_link, await self._access.pool.fetch(query, *given)))

    async def revoke(self, link_id: str, *, now: int) -> PortalLink | None:
        self._access.appends.check()
        await self._access.pool.write(SQL["revoke"], now, link_id)
        return await self.find(link_id)


def values(link: PortalLink) -> tuple[Any, ...]:
    """The columns of a link."""
    return tuple(getattr(link, name) for name in PortalLink.__struct_fields__)


async def archive(session: Session, client: str, uid: str) -> None:
    """Give the links of a client to its former namespace."""
    await session.fetch(SQL["rename"], former_client(client, uid), client)


async def restore(session: Session, client: str, uid: str) -> None:
    """Give the links of a former namespace back to the client."""
    await session.fetch(SQL["rename"], client, former_client(client, uid))


def _link(row: Any) -> PortalLink:
    return PortalLink(**dict(row))
