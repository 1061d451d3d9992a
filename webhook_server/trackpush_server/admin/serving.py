"""The admin port: its authentication, its application, its start and its end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

from aiohttp import web

from trackpush_runtime import sockets
from trackpush_runtime.errors import CannotStartError
from trackpush_server.admin.app import Scrape, add_services, application
from trackpush_server.admin.connections import IDLE_SECONDS, BoundedConnections
from trackpush_server.admin.console.login import Login
from trackpush_server.admin.console.oidc import Oidc, open_oidc
from trackpush_server.admin.console.oidc_login import OidcLogin
from trackpush_server.admin.console.static import Static
from trackpush_server.admin.console.templating import environment
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.guard import Access
from trackpush_server.admin.guesses import Guesses
from trackpush_server.admin.health import Health
from trackpush_server.admin.token import AdminToken
from trackpush_server.config.watch import Report
from trackpush_server.options import ServeOptions
from trackpush_server.pusher.observer import Trouble

_LONGEST_LINE = 64 * 1024
"""Maximum bytes of a request line for aiohttp.

Parameters that are too long are reported by the code that reads them.
"""
_NOT_PRIVATE = (
    "--admin-listen {}: other machines can reach it; add --admin-token-file PATH, or listen on 127.0.0.1, as without"
    " this option"
)


class AdminPort:
    """Serves the admin port of one server."""

    def __init__(
        self,
        options: ServeOptions,
        *,
        health: Callable[[], Health],
        prove: Callable[[], Awaitable[str | None]],
        troubles: Callable[[], Iterable[Trouble]],
        refused: Callable[[], Mapping[str, int]],
        scrape: Scrape,
        report: Callable[[], Report | tuple[str, ...]],
        desk: AdminServices | None,
        on_wrong_token: Callable[[], None],
    ) -> None:
        """``desk`` None serves neither admin API nor console."""
        self._options = options
        self._health = health
        self._prove = prove
        self._troubles = troubles
        self._refused = refused
        self._scrape = scrape
        self._report = report
        self._desk = desk
        self._access = Access(guesses=Guesses(on_wrong_token))
        self._oidc: Oidc | None = None
        self._connections = BoundedConnections()
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None

    async def open(self) -> None:
        """Read the files for authentication.

        Raises:
            CannotStartError: a file can't be read; the message names its option.
        """
        given = self._options
        if given.admin_token_file is not None:
            self._access.operate = await asyncio.to_thread(AdminToken, given.admin_token_file)
        if given.admin_view_token_file is not None:
            option = "--admin-view-token-file"
            self._access.view = await asyncio.to_thread(AdminToken, given.admin_view_token_file, option)
        if given.console.oidc is not None:
            if given.console.url is None:
                raise CannotStartError("--oidc-issuer: add --console-url, where browsers reach the console")
            self._oidc = await open_oidc(given.console.oidc, url=given.console.url)
            self._access.oidc = True

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Like `open`; at the end of the block, stop the port if it was started."""
        try:
            await self.open()
            yield
        finally:
            await self.stop()

    def check(self, bound: socket.socket) -> None:
        """Check that this address may be used.

        Raises:
            CannotStartError: other machines can reach the address, and no authentication is configured.
        """
        if self._access.is_open and not sockets.is_loopback(bound):
            raise CannotStartError(_NOT_PRIVATE.format(sockets.name(self._options.admin_listen)))

    async def start(self, bound: socket.socket) -> str:
        """Serve at this address; returns ``host:port``."""
        app = application(
            health=self._health,
            prove=self._prove,
            troubles=self._troubles,
            refused=self._refused,
            scrape=self._scrape,
            report=self._report,
            access=self._access,
            connections=self._connections,
        )
        if self._desk is not None:
            await self._add_services(app, self._desk)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=0.5,
            max_line_size=_LONGEST_LINE,
            keepalive_timeout=IDLE_SECONDS,
        )
        await self._runner.setup()
        self._connections.factory = self._runner.server
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._connections, sock=bound, backlog=sockets.BACKLOG)
        return sockets.name(bound.getsockname())

    async def _add_services(self, app: web.Application, desk: AdminServices) -> None:
        static = await asyncio.to_thread(_read_files)
        secure = self._options.console.secure
        login = Login(self._access, secure=secure, provider=None if self._oidc is None else self._oidc.name)
        oidc = None if self._oidc is None else OidcLogin(self._oidc, login, secure=secure)
        add_services(app, desk, login=login, static=static, oidc=oidc)

    async def stop(self) -> None:
        """Close the port.

        Call this after all other parts have stopped, because it shows the progress of the shutdown.
        """
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            await self._runner.cleanup()


def _read_files() -> Static:
    """Read all files of the console; called in a thread. Later no request reads from the disk."""
    environment()
    return Static()
