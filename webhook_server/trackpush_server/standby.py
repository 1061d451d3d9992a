"""A standby: receives while the server that owns the journal is replaced. docs/no-gap.md.

It runs beside that server, on the same machine and the same folder. It identifies clients, parses, and answers 200 when
the request is in the spool (`trackpush_server.spool`). It has no journal and pushes nothing.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, ProcessCollector
from prometheus_client.exposition import choose_encoder

from trackpush_runtime import sockets
from trackpush_runtime.errors import UnusableDataError
from trackpush_server import lifecycle, parts
from trackpush_server.admin.health import Health
from trackpush_server.admin.serving import AdminPort
from trackpush_server.config.source import Loaded, Source
from trackpush_server.config.watch import ConfigWatcher, Swap
from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import JournalUnavailableError, NewUpdate
from trackpush_server.journal.sealing import Sealer
from trackpush_server.options import ServeOptions
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiving.port import InProcess
from trackpush_server.spool.files import SpoolFiles
from trackpush_server.spool.writer import SpoolWriter
from trackpush_server.telemetry.ingest import IngestTelemetry
from trackpush_server.telemetry.labels import BoundedLabels
from trackpush_server.telemetry.routing import RoutingTelemetry
from trackpush_server.tracing.port import Tracing

_log = structlog.get_logger("trackpush.standby")


class Standby:
    """One standby. Call `run`, or `start` and `stop` in a running event loop."""

    def __init__(self, options: ServeOptions, *, source: Source, tracing: Tracing | None = None) -> None:
        self._options = options
        self._tracing = tracing
        self._started = contextlib.AsyncExitStack()
        self._draining = False
        self.address = ""
        """``host:port`` of the public port; empty until `start` has returned."""
        self.admin_address = ""
        self._registry = CollectorRegistry()
        self._labels = BoundedLabels()
        self._ingest = IngestTelemetry(self._registry, self._labels)
        ProcessCollector(registry=self._registry)
        self._sealer = Sealer(os.urandom)
        self._spool = SpoolWriter(SpoolFiles(options.data), self._sealer)
        self._receiving = InProcess(
            Reception(journal=_NoJournal(self._spool), observer=self._ingest, tracing=tracing, spool=self._spool)
        )
        self._watcher = ConfigWatcher(source, telemetry=RoutingTelemetry(self._registry), prepare=self._prepare)
        wrong_tokens = Counter(
            "trackpush_admin_wrong_tokens", "Wrong tokens presented at the admin port.", registry=self._registry
        )
        self._admin = AdminPort(
            options,
            health=self.health,
            prove=self._spool.prove,
            troubles=lambda: (),
            refused=lambda: self._ingest.refusals.in_a_row,
            scrape=self._scrape,
            report=self._watcher.report,
            desk=None,
            on_wrong_token=wrong_tokens.inc,
        )

    async def run(self) -> None:
        """Receive until a signal, then answer what is in progress.

        Raises:
            CannotStartError: the resources, an address or the data folder can't be used.
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
        _log.info("listening", address=self.address, admin_address=self.admin_address, pid=os.getpid(), standby=True)

    async def stop(self) -> None:
        """Answer the requests in progress, and stop the parts in reverse order."""
        self._draining = True
        _log.info("draining", requests=self._receiving.under_way)
        await self._started.aclose()
        _log.info("stopped")

    def health(self) -> Health:
        """The standby's health, for /livez and /readyz."""
        return Health(
            table_loaded=self._receiving.table_loaded,
            journal_alive=True,
            journal_unavailable=self._spool.unavailable,
            draining=self._draining,
            accepting=self._receiving.accepting,
        )

    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        options = self._options
        await lifecycle.load(self._watcher, options)
        public = stack.enter_context(sockets.bind(options.listen, purpose="--listen"))
        admin = stack.enter_context(sockets.bind(options.admin_listen, purpose="--admin-listen"))
        await stack.enter_async_context(self._admin.opened())
        self._admin.check(admin)
        if self._tracing is not None:
            stack.push_async_callback(self._tracing.close)
        try:
            await stack.enter_async_context(self._spool.running())
        except OSError as error:
            raise UnusableDataError(f"--data {options.data}: {error.strerror or error}") from None
        await stack.enter_async_context(parts.ready_to_receive(self._receiving, public))
        await stack.enter_async_context(self._watcher.watching())
        self.admin_address = await self._admin.start(admin)
        await self._receiving.open()
        self.address = sockets.name(public.getsockname())

    def _prepare(self, loaded: Loaded) -> Swap:
        """In a thread."""
        assert loaded.table is not None
        table = loaded.table
        take = self._receiving.prepare(loaded)

        async def swap() -> None:
            self._sealer.use(table.server.encryption)  # first, so that it applies to all requests of the new table
            await take()
            self._ingest.forget(self._labels.retain(table.destination_by_name))
            self._ingest.refusals.retain(account.name for account in table.accounts)

        return swap

    async def _scrape(self, accept: str) -> tuple[bytes, str]:
        self._ingest.connections.set(self._receiving.connections)
        self._ingest.under_way.set(self._receiving.under_way)
        encode, content_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, self._registry), content_type


class _NoJournal:
    """The `UpdateLog` of a receiver that stores everything in a spool."""

    def __init__(self, spool: SpoolWriter) -> None:
        self._spool = spool

    @property
    def unavailable(self) -> str | None:
        return self._spool.unavailable

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        raise JournalUnavailableError(f"a standby has no journal for {len(updates)} updates")

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        raise JournalUnavailableError(f"a standby has no journal for {len(bodies)} bodies")
