"""The portal of a server in the test's own loop, and its visitors."""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from trackpush_server.admin.connections import BoundedConnections
from trackpush_server.admin.console.static import Static
from trackpush_server.journal.portal_links import PortalLink, PortalRole
from trackpush_server.operations.portal_links import PortalLinks
from trackpush_server.portal.app import portal_application
from trackpush_server.portal.edit_folder import PortalFolder
from trackpush_server.portal.guard import PortalRates
from trackpush_server.portal.services import PortalServices
from trackpush_server.portal.templating import environment
from trackpush_server.server import Server

HTML = {"Accept": "text/html"}


class Page(NamedTuple):
    """An answer of the portal."""

    status: int
    headers: dict[str, str]
    text: str


class Visitor:
    """A person who has entered by a link."""

    def __init__(self, session: aiohttp.ClientSession, link: PortalLink, base: str) -> None:
        self.link = link
        self._session = session
        self._base = base
        self._csrf: str | None = None

    async def get(self, path: str, **headers: str) -> Page:
        async with self._session.get(path, headers=HTML | headers, allow_redirects=False) as answer:
            return Page(answer.status, dict(answer.headers), await answer.text())

    async def post(self, path: str, *, csrf: str | None = None, **fields: Any) -> Page:
        """Send a form of one of the portal's pages."""
        data = {"csrf": csrf or await self.csrf(), **fields}
        headers = HTML | {"Origin": self._base}
        async with self._session.post(path, data=data, headers=headers, allow_redirects=False) as answer:
            return Page(answer.status, dict(answer.headers), await answer.text())

    async def csrf(self) -> str:
        """The token of the session's forms."""
        if self._csrf is None:
            found = re.search(r'name="csrf" value="([^"]+)"', (await self.get("/portal/help")).text)
            assert found is not None
            self._csrf = found[1]
        return self._csrf


class Portal:
    """A served portal."""

    def __init__(self, url: str, links: PortalLinks) -> None:
        self.url = url
        self.links = links

    async def token(self, client: str, role: PortalRole) -> tuple[PortalLink, str]:
        """A new link with its token."""

        async def record(link: PortalLink) -> None:
            del link  # not in the audit log, whose entries the tests compare

        return await self.links.create(client, role, lifetime=3600, created_by="the test", record=record)

    @contextlib.asynccontextmanager
    async def visitor(self, client: str = "acme", role: PortalRole = "operate") -> AsyncIterator[Visitor]:
        """Somebody who has entered."""
        link, token = await self.token(client, role)
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an IP address
        async with aiohttp.ClientSession(self.url, cookie_jar=jar) as session:
            async with session.post("/portal/enter", data={"token": token}, allow_redirects=False) as answer:
                assert answer.status == 303, await answer.text()
            yield Visitor(session, link, self.url)


@contextlib.asynccontextmanager
async def open_portal(
    server: Server, *, edits: bool = False, folder: PortalFolder | None = None
) -> AsyncIterator[Portal]:
    """The portal of this server, on a free port of loopback, without limits of requests that a test reaches."""
    desk = server._desk
    await asyncio.to_thread(environment)
    static = await asyncio.to_thread(Static, "trackpush_server.portal")
    connections, hours = BoundedConnections(), itertools.count(step=3600)
    app = portal_application(
        PortalServices(desk=desk, edits=lambda: edits, folder=folder),
        links=desk.portal_links,
        host=lambda: None,
        static=static,
        rates=PortalRates(clock=lambda: float(next(hours))),
        connections=connections,
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    connections.factory = runner.server
    listening = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
    try:
        yield Portal(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", desk.portal_links)
    finally:
        listening.close()
        await runner.cleanup()
