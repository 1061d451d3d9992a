"""A server with a portal, and visitors of it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from support.serving import serving, table
from trackpush_api.routing import RoutingTable
from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.operations import portal_tokens
from trackpush_server.operations.portal_links import PortalLinks
from trackpush_server.portal.guard import COOKIE
from trackpush_server.server import Server


class Answer(NamedTuple):
    """What the portal answered."""

    status: int
    headers: Mapping[str, str]
    text: str


class Portal:
    """The portal of a running server, as visitors see it."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session
        self.url = f"http://{server.portal_address}"

    @property
    def links(self) -> PortalLinks:
        return self.server._desk.portal_links

    async def link(self, client: str = "acme", role: str = "view", seconds: int = 3600) -> tuple[str, str]:
        """A new link by the admin API: its id and its token."""
        wanted = {"client": client, "role": role, "expiresInSeconds": seconds}
        async with self._session.post(f"http://{self.server.admin_address}/api/v1/portal/links", json=wanted) as answer:
            made = await answer.json()
            assert answer.status == 201, made
        url, _, token = made["url"].partition("#")
        assert url == f"{self.url}/portal/enter"
        return made["link"]["id"], token

    async def revoke(self, link_id: str) -> int:
        """Revoke a link by the admin API; returns the status."""
        url = f"http://{self.server.admin_address}/api/v1/portal/links/{link_id}"
        async with self._session.delete(url) as answer:
            return answer.status

    async def ask(self, path: str = "/portal/", method: str = "GET", *, token: str = "", **more: Any) -> Answer:
        """One request; with a token, its session's cookie is sent."""
        headers = {**({"Cookie": f"{COOKIE}={token}"} if token else {}), **more.pop("headers", {})}
        async with self._session.request(
            method, f"{self.url}{path}", headers=headers, allow_redirects=False, **more
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def signed(self, **changes: Any) -> str:
        """A token with a valid signature for a link that the journal doesn't have, or that has these values."""
        link = PortalLink(
            **{
                "id": "lnk_" + "0" * 32,
                "client": "acme",
                "role": "operate",
                "created_at": 0,
                "expires_at": self.links.now + 60_000,
                "created_by": "nobody",
                **changes,
            }
        )
        return portal_tokens.sign(await self.links._signing_key(), link)


@contextlib.asynccontextmanager
async def portal(folder: Path, given: RoutingTable | None = None, **options: Any) -> AsyncIterator[Portal]:
    """A started server with a portal on a free port of loopback."""
    async with (
        serving(folder, given or table(), **{"portal_listen": ("127.0.0.1", 0), **options}) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        yield Portal(server, session)
