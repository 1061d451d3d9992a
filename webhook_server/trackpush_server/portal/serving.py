"""The portal's listener: its start and its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from trackpush_api.routing import PortalSettings, RoutingTable
from trackpush_runtime import sockets
from trackpush_server.admin.connections import IDLE_SECONDS, BoundedConnections
from trackpush_server.admin.console.static import Static
from trackpush_server.admin.desk import AdminServices
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.portal.app import portal_application
from trackpush_server.portal.edit_folder import PortalFolder
from trackpush_server.portal.editing import ConfigEditor
from trackpush_server.portal.services import PortalServices
from trackpush_server.portal.templating import environment

if TYPE_CHECKING:
    import socket

_LONGEST: Final = 8 * 1024
"""Maximum bytes of a request line, and of one header."""


class PortalPort:
    """Serves the portal of one server, if the options name an address for it."""

    def __init__(
        self,
        address: tuple[str, int] | None,
        *,
        table: Callable[[], RoutingTable | None],
        folder: PortalFolder | None = None,
    ) -> None:
        """``folder``: where visitors' changes of PushConfigs are written; None: the operator applies them."""
        self._folder = folder
        self._wanted = address
        self._table = table
        self._bound: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self.address = ""
        """``host:port``; empty until `start` has returned, and without a portal."""

    @property
    def settings(self) -> PortalSettings | None:
        """``spec.portal`` of the WebhookServer."""
        table = self._table()
        return None if table is None else table.server.portal

    def url(self) -> str | None:
        """The URL of the portal, without a path; None if nobody can reach it: a name is missing, or the address."""
        if self._bound is None:
            return None
        if self.settings is not None:
            return f"https://{self.settings.host}"
        return f"http://{self.address}" if self.address and sockets.is_loopback(self._bound) else None

    @contextlib.asynccontextmanager
    async def bound(self) -> AsyncIterator[None]:
        """Bind the address, if there is one; at the end of the block, close the port.

        Raises:
            CannotStartError: the address can't be used.
        """
        try:
            if self._wanted is not None:
                self._bound = sockets.bind(self._wanted, purpose="--portal-listen")
            yield
        finally:
            await self._stop()

    async def start(self, desk: AdminServices) -> None:
        """Serve, if there is an address."""
        if self._bound is None:
            return
        static = await asyncio.to_thread(_read_files)
        connections = BoundedConnections()
        app = portal_application(
            PortalServices(desk=desk, edits=self._edits, folder=self._folder),
            links=desk.portal_links,
            host=lambda: None if self.settings is None else self.settings.host,
            static=static,
            connections=connections,
        )
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=0.5,
            max_line_size=_LONGEST,
            max_field_size=_LONGEST,
            keepalive_timeout=IDLE_SECONDS,
        )
        await self._runner.setup()
        connections.factory = self._runner.server
        self._listening = await asyncio.get_running_loop().create_server(
            connections, sock=self._bound, backlog=sockets.BACKLOG
        )
        self.address = sockets.name(self._bound.getsockname())
        await self._resume_changes(desk)

    def _edits(self) -> bool:
        """Whether ``spec.portal.edit`` is true."""
        return self.settings is not None and self.settings.edit

    async def _resume_changes(self, desk: AdminServices) -> None:
        if self._edits():
            with contextlib.suppress(JournalUnavailableError):  # they wait for the next start, or become too old
                await ConfigEditor(desk, self._folder).resume()

    async def _stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._bound is not None:
            self._bound.close()


def _read_files() -> Static:
    """Read all files of the portal; called in a thread. Later no request reads from the disk."""
    environment()
    return Static("trackpush_server.portal")
