"""Builds the server's parts, and enters them on one exit stack, which leaves them in reverse order.

A start that fails partway stops what it had started. On SIGTERM or SIGINT the server drains: it is unready, takes no
new connections, answers requests under way, lets attempts under way end or cuts them after the grace, and writes
outcomes to the disk. A second signal ends at once, which is as safe as a kill: nothing that was answered with 200 is
only in memory.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping

import msgspec
import structlog

from trackpush_api.printable import printable
from trackpush_api.routing import RoutingTable, Sqlite, Storage, Tenant
from trackpush_runtime import sockets
from trackpush_runtime.errors import CannotStartError, UnusableDataError
from trackpush_server import logs
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.health import Health
from trackpush_server.admin.serving import AdminPort
from trackpush_server.config.source import Loaded, Source
from trackpush_server.config.watch import ConfigWatcher, Report, Swap
from trackpush_server.journal.model import JournalUnavailableError, LostCommits
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.operations.drops import Drops
from trackpush_server.operations.erasures import Erasures
from trackpush_server.operations.inbox import InboxRetries
from trackpush_server.operations.replays import Replays
from trackpush_server.operations.reseals import Reseals
from trackpush_server.operations.retention import Retainer
from trackpush_server.options import ServeOptions
from trackpush_server.outbound.transport import HttpTransport
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiving.port import InProcess, Receiving
from trackpush_server.receiving.supervisor import Supervisor
from trackpush_server.storage import Store
from trackpush_server.telemetry.metrics import Telemetry
from trackpush_server.telemetry.receivers import ReceiversTelemetry
from trackpush_server.tenancy import Tenancy
from trackpush_server.tracing.port import Tracing

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_INTERRUPTED = 130
_FLUSH_GRACE = 5.0
_BIND_SECONDS = 10.0
_BIND_AGAIN = 1.0
_SQLITE = Sqlite()
_log = structlog.get_logger("trackpush.server")


class Server:
    """One webhook server. `run` it, or `start` and `stop` it within a running event loop."""

    def __init__(
        self, options: ServeOptions, *, source: Source, storage: Storage = _SQLITE, tracing: Tracing | None = None
    ) -> None:
        """``storage``: what `storage.storage_of` found in the source; it stays while the process lives."""
        self._options = options
        self._tracing = tracing
        self._draining = False
        self._parts = contextlib.AsyncExitStack()
        """What was started, in the order in which it is entered."""
        self._stop = asyncio.Event()
        self._sealer = Sealer(os.urandom)
        self._store = Store(storage, options, self._sealer)
        self._journal = self._store.journal
        self._telemetry = Telemetry(self._journal)
        self._ownership = self._store.ownership(self._telemetry.leases)
        self._transport = HttpTransport(may_send=self._ownership.holds)
        self._dispatcher = Dispatcher(
            journal=self._journal,
            transport=self._transport,
            observer=self._telemetry.watching,
            ownership=self._ownership,
            tracing=tracing,
            wall=self._store.wall,
        )
        self._tenancy = Tenancy(self._journal)
        self._table: RoutingTable | None = None
        """What is served, without clients that are held back."""
        self._replays = Replays(self._journal, self._dispatcher, lambda: self._table, self._store.wall)
        self._erasures = Erasures(self._journal, self._dispatcher, self._store.wall)
        self._reseals = Reseals(self._journal)
        self._retries = InboxRetries(self._journal, lambda: self._table)
        self._retainer = Retainer(self._journal, self._telemetry.journal, self._store.wall)
        self._receiving = self._make_receiving()
        self._watcher = ConfigWatcher(
            source,
            telemetry=self._telemetry.routing,
            prepare=self._prepare,
        )
        self._journal.subscribe(self._dispatcher.listener)
        self._journal.subscribe(self._telemetry.journal.listener)
        self._store.on_lost_commits(self._lost_commits)
        self._admin = AdminPort(
            options,
            health=self.health,
            prove=self._store.prove,
            troubles=self._dispatcher.troubles,
            scrape=self._scrape,
            desk=self._desk(),
            on_wrong_token=self._telemetry.wrong_tokens.inc,
        )
        self.address = ""
        """``host:port`` of the public port, once started."""
        self.admin_address = ""

    async def run(self) -> None:
        """Serve until a signal, then drain.

        Raises:
            CannotStartError: the resources, an address, the data folder or the SQLite library.
        """
        logs.configure(self._options.log_format)
        sockets.raise_descriptor_limit()
        asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)
        with self._signals():
            await self.start()
            await self._stop.wait()
            await self.stop()

    async def start(self) -> None:
        """Start everything; when it returns, both ports are served. When it fails, what was started is stopped.

        Raises:
            CannotStartError: see `run`.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._enter(stack)
            self._parts = stack.pop_all()
        _log.info("listening", address=self.address, admin_address=self.admin_address, pid=os.getpid())

    async def stop(self) -> None:
        """Drain and close: each part is left, the last entered first."""
        self._draining = True
        _log.info("draining", grace=self._options.drain_grace, requests=self._receiving.under_way)
        await self._parts.aclose()
        _log.info("stopped")

    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        """Enter the parts in the reverse of the order in which they are to stop; then open them, the public port last.

        What can refuse comes first: the configuration and the addresses, before the journal makes its file.
        """
        await asyncio.to_thread(self._store.check)
        loaded = await self._load()
        if loaded.table is None and not loaded.waits:
            raise CannotStartError("\n".join(map(printable, loaded.problems)))
        stack.push_async_callback(self._telemetry.pending.stop)
        public = stack.enter_context(sockets.bind(self._options.listen, purpose="--listen"))
        admin = stack.enter_context(sockets.bind(self._options.admin_listen, purpose="--admin-listen"))
        await stack.enter_async_context(self._admin.opened())
        self._admin.check(admin)
        if self._tracing is not None:
            stack.push_async_callback(self._tracing.close)
        stack.push_async_callback(self._transport.close)
        await stack.enter_async_context(self._opened_journal())
        stack.push_async_callback(self._let_go)
        stack.push_async_callback(self._dispatcher.stop, self._options.drain_grace)
        for jobs in (self._retries.jobs, self._reseals.jobs, self._erasures.jobs, self._replays.jobs):
            stack.push_async_callback(jobs.close)
        await stack.enter_async_context(self._retainer.running())
        await stack.enter_async_context(self._telemetry.sampler.running())
        await stack.enter_async_context(self._ready_to_receive(public))
        await stack.enter_async_context(self._watcher.watching())
        await self._dispatcher.start()
        await self._ownership.start()
        self.admin_address = await self._admin.start(admin)
        await self._receiving.open()
        self.address = sockets.name(public.getsockname())

    @contextlib.asynccontextmanager
    async def _opened_journal(self) -> AsyncIterator[None]:
        """The journal writes what is queued and closes at the end.

        Raises:
            UnusableDataError: the folder can't be used, and the options don't say to wait.
        """
        try:
            await self._journal.start()
            self._refuse_unusable_data()
            yield
        finally:
            await self._journal.close()

    def _refuse_unusable_data(self) -> None:
        """A database that is down may come up; a folder that can't be used is a mistake in its configuration."""
        reason = self._journal.unavailable
        if reason is None or self._options.wait or not isinstance(self._journal, SqliteJournal):
            return
        raise UnusableDataError(
            f"--data {self._options.data}: {reason.rpartition('; updates are refused')[0] or reason}"
        )

    @contextlib.asynccontextmanager
    async def _ready_to_receive(self, bound: socket.socket) -> AsyncIterator[None]:
        """Requests under way are answered at the end."""
        try:
            await self._receiving.start(bound)
            yield
        finally:
            await self._receiving.stop()

    def health(self) -> Health:
        """For /livez and /readyz."""
        return Health(
            table_loaded=self._receiving.table_loaded,
            journal_alive=self._journal.alive,
            journal_unavailable=self._journal.unavailable,
            draining=self._draining,
            accepting=self._receiving.accepting,
            missing=self._journal.stats.missing,
        )

    @property
    def connections(self) -> int:
        """Open connections of the public port."""
        return self._receiving.connections

    @property
    def under_way(self) -> int:
        """Requests that wait for their commit."""
        return self._receiving.under_way

    def _make_receiving(self) -> Receiving:
        receivers = self._options.receivers
        if not receivers:
            return InProcess(Reception(journal=self._journal, observer=self._telemetry.ingest, tracing=self._tracing))
        return Supervisor(
            receivers=receivers,
            journal=self._journal,
            telemetry=ReceiversTelemetry(self._telemetry.registry, receivers=receivers),
            log_format=self._options.log_format,
        )

    async def _let_go(self) -> None:
        """Others take over what was cut; its outcomes are stored first, as they count from its owner only."""
        if not self._ownership.alone:
            with contextlib.suppress(TimeoutError, JournalUnavailableError):
                async with asyncio.timeout(_FLUSH_GRACE):
                    await self._journal.flush()
        await self._ownership.stop()

    async def _load(self) -> Loaded:
        try:
            return await self._watcher.load()
        except OSError as error:
            raise CannotStartError(f"{self._options.folder}: {error.strerror}; name a folder of resources") from None

    def _desk(self) -> AdminServices:
        return AdminServices(
            journal=self._journal,
            replays=self._replays,
            drops=Drops(self._journal, lambda: self._watcher.table, self._store.wall),
            erasures=self._erasures,
            reseals=self._reseals,
            inbox=self._retries,
            windows=self._telemetry.windows,
            sampler=self._telemetry.sampler,
            tail=self._telemetry.tail,
            channels=self._dispatcher.snapshot,
            table=lambda: self._table,
            report=self._report,
        )

    def _report(self) -> Report | tuple[str, ...]:
        """The configuration with what is wrong with the storage."""
        found = self._watcher.report()
        if not isinstance(found, Report):
            return found
        return msgspec.structs.replace(found, problems=(*found.problems, *self._store.problems))

    def _lost_commits(self, lost: LostCommits) -> None:
        self._telemetry.journal.lost_commits(lost.updates, lost.outcomes)
        self._dispatcher.void()
        self._tenancy.forget()
        self._watcher.refresh()

    async def _scrape(self, accept: str) -> tuple[bytes, str]:
        elsewhere = self._receiving.samples()
        return await self._telemetry.scrape(self._dispatcher.snapshot(), self, accept, elsewhere=elsewhere)

    def _prepare(self, loaded: Loaded) -> Swap:
        """In a thread: of a new table, what may be served now, and after that the rest."""
        assert loaded.table is not None
        whole = loaded.table
        divided = self._tenancy.divide(whole)
        swap = self._prepare_table(msgspec.structs.replace(loaded, table=divided.table))

        async def swap_and_bind() -> None:
            await swap()
            if divided.unbound and await self._bind(divided.unbound):
                rest = msgspec.structs.replace(loaded, table=self._tenancy.divide(whole).table)
                await (await asyncio.to_thread(self._prepare_table, rest))()

        return swap_and_bind

    async def _bind(self, unbound: Mapping[str, tuple[Tenant, ...]]) -> bool:
        """Bind the journal to namespaces of which nothing is served; where that fails, it is tried again soon."""
        if self._journal.unavailable is not None:
            self._refresh_later()
            return False
        try:
            async with asyncio.timeout(_BIND_SECONDS):
                changes = await self._tenancy.bind(unbound)
        except (JournalUnavailableError, TimeoutError):
            self._refresh_later()
            return False
        self._dispatcher.tenants_changed(replaced=changes.replaced, took_over=changes.took_over)
        return True

    def _refresh_later(self) -> None:
        def refresh() -> None:
            if self._journal.unavailable is None:
                self._watcher.refresh()
            elif not self._draining:
                self._refresh_later()

        asyncio.get_running_loop().call_later(_BIND_AGAIN, refresh)

    def _prepare_table(self, loaded: Loaded) -> Swap:
        """In a thread: make everything of a new table that takes long. The swap is between two requests."""
        table = loaded.table
        assert table is not None
        take = self._receiving.prepare(loaded)
        change = self._dispatcher.change_to(table)

        async def swap() -> None:
            self._store.use(table.server)
            if self._sealer.use(table.server.encryption):  # first: what is received from now on is sealed
                self._dispatcher.keys_changed(quotes=table.server.encryption is None)
            await take()
            await self._dispatcher.take(change)
            self._table = table
            self._retainer.configure(table.server.retention)
            self._telemetry.retain(table.destination_by_name)

        return swap

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            os._exit(_INTERRUPTED)
        self._stop.set()
