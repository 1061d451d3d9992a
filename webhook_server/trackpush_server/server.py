"""Creates the server's parts and enters them on one exit stack, which stops them in reverse order.

If a start fails, the parts that were already started are stopped. On SIGTERM or SIGINT the server drains: it becomes
unready, accepts no new connections, answers the requests in progress, waits for attempts in flight (and aborts them
after the grace period), and writes the outcomes to disk. A second signal ends the process immediately. That is as safe
as SIGKILL: every update that was answered with 200 is on disk.
"""

import asyncio
import contextlib
import os

import structlog

from trackpush_api.routing import Sqlite, Storage
from trackpush_runtime import sockets
from trackpush_server import lifecycle, parts
from trackpush_server.admin.health import Health
from trackpush_server.admin.serving import AdminPort
from trackpush_server.config.source import Source
from trackpush_server.config.watch import ConfigWatcher
from trackpush_server.config_history.recorder import ConfigRecorder
from trackpush_server.journal.sealing import Sealer
from trackpush_server.operations.operations import Operations
from trackpush_server.operations.portal_links import PortalLinks
from trackpush_server.options import ServeOptions
from trackpush_server.outbound.transport import HttpTransport
from trackpush_server.portal.serving import PortalPort
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.server_status import ServerStatus
from trackpush_server.silence.watch import SilenceWatch
from trackpush_server.storage import Store
from trackpush_server.table_swaps import TableSwaps
from trackpush_server.telemetry.accounts import AccountTelemetry
from trackpush_server.telemetry.metrics import Telemetry
from trackpush_server.tracing.port import Tracing

_SQLITE = Sqlite()
_log = structlog.get_logger("trackpush.server")


class Server:
    """One webhook server. Call `run`, or `start` and `stop` in a running event loop."""

    def __init__(
        self, options: ServeOptions, *, source: Source, storage: Storage = _SQLITE, tracing: Tracing | None = None
    ) -> None:
        """``storage`` is the result of `storage.storage_of` for the source; it can't change while the process runs."""
        self._options = options
        self._tracing = tracing
        self._started = contextlib.AsyncExitStack()
        """The running parts, in the order in which they were entered."""
        self.address = ""
        """``host:port`` of the public port; empty until `start` has returned."""
        self.admin_address = ""
        self.portal_address = ""
        """``host:port`` of the portal; empty without one."""
        sealer = Sealer(os.urandom)
        self._store = Store(storage, options, sealer)
        self._journal = self._store.journal
        self._telemetry = Telemetry(self._journal, served=lambda: self._tables.table, wall=self._store.wall)
        self._ownership = self._store.ownership(self._telemetry.leases)
        self._transport = HttpTransport(may_send=self._ownership.holds)
        self._dispatcher = Dispatcher(
            journal=self._journal.pushes,
            transport=self._transport,
            observer=self._telemetry.watching,
            ownership=self._ownership,
            tracing=tracing,
            wall=self._store.wall,
        )
        self._spooled = parts.make_spooled_first(
            self._journal,
            options,
            sealer=sealer,
            served=lambda: self._tables.table if self._tables.is_bound else None,
            telemetry=self._telemetry,
        )
        self._receiving = parts.make_receiving(
            options, updates=self._spooled or self._journal.updates, telemetry=self._telemetry, tracing=tracing
        )
        self._operations = Operations(
            self._journal,
            self._dispatcher,
            self._telemetry.journal,
            served=lambda: self._tables.table,
            whole=lambda: self._watcher.table,
            wall=self._store.wall,
        )
        self._silence = SilenceWatch(self._journal.last_updates, wall=self._store.wall)
        self._telemetry.registry.register(AccountTelemetry(self._silence.all))
        self._announcer = parts.make_announcer(
            self._journal,
            self._transport,
            ownership=self._ownership,
            dispatcher=self._dispatcher,
            silence=self._silence,
            telemetry=self._telemetry,
            wall=self._store.wall,
            console=options.console.url,
        )
        self._tables = TableSwaps(
            store=self._store,
            silence=self._silence,
            announcer=self._announcer,
            sealer=sealer,
            dispatcher=self._dispatcher,
            receiving=self._receiving,
            retainer=self._operations.retainer,
            telemetry=self._telemetry,
            refresh=lambda: self._watcher.refresh(),  # noqa: PLW0108  the watcher is made later
        )
        self._watcher = ConfigWatcher(source, telemetry=self._telemetry.routing, prepare=self._tables.prepare)
        self._config_recorder = ConfigRecorder(
            self._journal.config_history,
            self._ownership,
            served=lambda: self._watcher.complete_table,
            wall=self._store.wall,
        )
        self._journal.subscribe(self._dispatcher.listener)
        self._journal.subscribe(self._telemetry.journal.listener)
        self._journal.subscribe(self._silence.listener)
        self._store.on_lost_commits(self._tables.lost_commits)
        self._status = ServerStatus(
            store=self._store,
            receiving=self._receiving,
            dispatcher=self._dispatcher,
            watcher=self._watcher,
            telemetry=self._telemetry,
        )
        portal_links = PortalLinks(self._journal.portal_links, table=lambda: self._tables.table, wall=self._store.wall)
        self._portal = PortalPort(
            options.portal_listen, table=lambda: self._tables.table, folder=parts.portal_folder(source)
        )
        self._desk = parts.admin_services(
            journal=self._journal,
            operations=self._operations,
            telemetry=self._telemetry,
            dispatcher=self._dispatcher,
            tables=self._tables,
            status=self._status,
            silence=self._silence,
            announcer=self._announcer,
            console=options.console.url,
            portal_links=portal_links,
            portal_url=self._portal.url,
        )
        self._admin = AdminPort(
            options,
            health=self.health,
            prove=self._store.prove,
            troubles=self._dispatcher.troubles,
            refused=self._status.refused,
            scrape=self._status.scrape,
            report=self._status.report,
            desk=self._desk,
            on_wrong_token=self._telemetry.wrong_tokens.inc,
        )

    async def run(self) -> None:
        """Serve until a signal, then drain.

        Raises:
            CannotStartError: the resources, an address, the data folder or the SQLite library can't be used.
        """
        await lifecycle.run_until_signal(self, self._options)

    async def start(self) -> None:
        """Start all parts; when it returns, both ports are served. If it fails, started parts are stopped.

        Raises:
            CannotStartError: see `run`.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._enter(stack)
            self._started = stack.pop_all()
        portal = {"portal_address": self.portal_address} if self.portal_address else {}
        _log.info("listening", address=self.address, admin_address=self.admin_address, **portal, pid=os.getpid())

    async def stop(self) -> None:
        """Drain, and stop the parts in reverse order."""
        self._status.draining = True
        _log.info("draining", grace=self._options.drain_grace, requests=self._receiving.under_way)
        await self._started.aclose()
        _log.info("stopped")

    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        """Enter the parts in the reverse of the order in which they must stop; then open them, the public port last."""
        options = self._options
        # Check the configuration and the addresses first: if they are wrong, the journal must not create its file.
        await asyncio.to_thread(self._store.check)
        await lifecycle.load(self._watcher, options)
        stack.push_async_callback(self._telemetry.pending.stop)
        public = stack.enter_context(sockets.bind(options.listen, purpose="--listen"))
        admin = stack.enter_context(sockets.bind(options.admin_listen, purpose="--admin-listen"))
        await stack.enter_async_context(self._portal.bound())
        await stack.enter_async_context(self._admin.opened())
        self._admin.check(admin)
        if self._tracing is not None:
            stack.push_async_callback(self._tracing.close)
        stack.push_async_callback(self._transport.close)
        for part in (
            parts.opened_journal(self._journal, options),
            parts.released_at_the_end(self._ownership, self._journal.pushes),
            self._telemetry.rollups.running(),
            self._dispatcher.running(options.drain_grace),
            self._operations.running(),
            self._silence.running(),
            self._announcer.running(),
            self._telemetry.sampler.running(),
            self._tables.running(),
            parts.reading_spool(self._spooled),
            parts.ready_to_receive(self._receiving, public),
            self._watcher.watching(),
            self._config_recorder.running(),
        ):
            await stack.enter_async_context(part)
        await self._dispatcher.start()
        await self._ownership.start()
        self.admin_address = await self._admin.start(admin)
        await self._portal.start(self._desk)
        self.portal_address = self._portal.address
        await parts.read_spool_once(self._spooled)
        await self._receiving.open()
        self.address = sockets.name(public.getsockname())

    def health(self) -> Health:
        """The server's health, for /livez and /readyz."""
        return self._status.health()
