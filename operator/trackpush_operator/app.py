"""Starts and stops the operator's parts: waits for the Lease, starts the watches, lists everything, then works."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Final

import structlog
from aiohttp import web
from kubernetes.aio.client import Configuration

from trackpush_aggregators.library import LIBRARY
from trackpush_operator.health import HealthInputs, application
from trackpush_operator.kube.client import KubernetesCluster
from trackpush_operator.kube.connection import configuration, kopf_session
from trackpush_operator.kube.errors import ClusterError
from trackpush_operator.kube.kinds import OWN, SECRETS
from trackpush_operator.kube.leader_election import LeaderElection, LeaseLostError
from trackpush_operator.metrics import Metrics
from trackpush_operator.options import OperatorOptions
from trackpush_operator.reconcile import default_server
from trackpush_operator.reconcile.admin_port import AdminPorts
from trackpush_operator.reconcile.builders import builders
from trackpush_operator.reconcile.children import ChildReconciler
from trackpush_operator.reconcile.compile_worker import CompileWorker
from trackpush_operator.reconcile.event_router import EventRouter
from trackpush_operator.reconcile.portal_changes import PortalChanges
from trackpush_operator.reconcile.readback import Readback
from trackpush_operator.reconcile.secret_reader import SecretReader
from trackpush_operator.reconcile.shard_writer import ShardWriter
from trackpush_operator.reconcile.state import OperatorState, new_revision
from trackpush_operator.reconcile.status_writer import StatusWriter
from trackpush_operator.reconcile.workqueue import K, WorkQueue, work
from trackpush_operator.store.objects import server_key
from trackpush_operator.store.scope import Scope
from trackpush_operator.watch.relist import Relister
from trackpush_operator.watch.watches import Watches
from trackpush_runtime.logs import where

_KINDS_PAUSE: Final = 2.0
_FIRST_READBACK: Final = 5.0
"""Maximum seconds for which the first statuses wait for the pods' first answers."""
_log = structlog.get_logger("operator")


class Operator:
    """One operator. ``run`` works until it is stopped or loses the Lease."""

    def __init__(
        self,
        options: OperatorOptions,
        connect: Callable[[Configuration, Metrics], KubernetesCluster] = KubernetesCluster,
    ) -> None:
        self._options = options
        self._connect = connect
        self._builders = builders(options)
        self.on_watching: Callable[[], None] = lambda: None
        """Called each time after kopf was started, because kopf replaces the process's signal handlers."""
        self._identity = options.identity or f"{socket.gethostname()}_{new_revision()}"
        self.metrics = Metrics()
        self.state = OperatorState(
            self.metrics,
            any_annotation=options.any_annotation,
            any_pod_template=options.any_pod_template,
            key_memory=options.key_memory_seconds,
            scope=Scope(
                frozenset(options.namespaces),
                options.drop_unwatched,
                frozenset(options.shared_namespaces or (options.operator_namespace,)),
            ),
            library=LIBRARY,
        )
        self._watches: Watches | None = None
        self._election: LeaderElection | None = None
        self._active = False
        self._resynced = time.monotonic()
        self._stop = asyncio.Event()
        self.health_address: tuple[str, int] | None = None
        """Address of the probes, after they were started."""

    def stop(self) -> None:
        """Make `run` end and release the Lease."""
        self._stop.set()

    async def run(self) -> None:
        """Run the operator.

        Raises:
            LeaseLostError: another operator took over, so this one must end.
            NoClusterError: there is no API server to connect to.
        """
        found = await configuration(self._options.kubeconfig, self._options.context)
        async with self._health(), self._connect(found, self.metrics) as cluster:
            election = LeaderElection(
                cluster,
                namespace=self._options.lease_namespace,
                name=self._options.lease_name,
                identity=self._identity,
                seconds=self._options.lease_seconds,
            )
            self._election = election
            if not await self._unless_stopped(election.acquire()):
                return
            self._set_active(active=True)
            try:
                await self._unless_stopped(self._work(cluster, found, election))
            finally:
                self._set_active(active=False)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await election.release()
                _log.info("stopped", identity=self._identity)

    async def _unless_stopped(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Await the coroutine; returns False if the operator was stopped first."""
        task, stop = asyncio.ensure_future(coroutine), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                return False
            await task
            return True
        finally:
            for waiter in (task, stop):
                waiter.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)

    async def _work(self, cluster: KubernetesCluster, found: Configuration, election: LeaderElection) -> None:
        state, namespaces = self.state, self._options.namespaces
        router = EventRouter(state)
        relister = Relister(cluster, state, router, namespaces)
        self.metrics.watching.set_function(lambda: int(watches.down_since is None and not watches.unwatched))
        self._watches = watches = Watches(
            relister, router, self.metrics, lambda: kopf_session(found, {SECRETS.plural}), namespaces
        )
        for api in OWN:
            self.metrics.kind_watched.labels(api.kind).set_function(partial(watches.is_watched, api.kind))
        watches.on_start = self.on_watching
        watches.on_list = self._hurry
        shard_writer = ShardWriter(cluster, state, self._builders.routing_secret)
        compile_worker = CompileWorker(cluster, state, shard_writer)
        children = ChildReconciler(cluster, state, self._builders)
        status_writer = StatusWriter(cluster, state, router, self._identity)
        queues = state.queues
        async with AdminPorts(cluster) as ports, asyncio.TaskGroup() as group:
            group.create_task(election.hold())
            await self._wait_for_kinds(relister)
            if self._options.default_server is not None:
                await default_server.ensure(cluster, dict(self._options.default_server))
            group.create_task(watches.run())
            group.create_task(watches.guard())
            group.create_task(watches.compare_lists())
            await asyncio.to_thread(state.compiler.definitions.load_catalog)
            await self._first_lists(relister, shard_writer)
            self._start(group, "decide", queues.decide, compile_worker.decide)
            self._start(group, "secrets", queues.secrets, SecretReader(cluster, router).read)
            self._start(group, "servers", queues.servers, children.reconcile)
            self._start(group, "shards", queues.shards, shard_writer.write)
            self._start(group, "readback", queues.readback, Readback(ports, state).ask)
            self._start(group, "portal", queues.portal, PortalChanges(cluster, ports, state).apply)
            self._start(group, "touch", queues.touch, shard_writer.touch)
            await self._first_answers()
            self._start(group, "reports", queues.reports, status_writer.write)
            group.create_task(self._resync(relister, watches))

    def _start(self, group: asyncio.TaskGroup, name: str, queue: WorkQueue[K], handle: Callable[[K], Any]) -> None:
        handled = self.metrics.handled
        succeeded = self.metrics.succeeded.labels(name).set_to_current_time

        async def counted(key: K) -> None:
            await handle(key)
            handled.labels(name, "done").inc()
            succeeded()

        def failed(key: K, error: Exception) -> None:
            handled.labels(name, "failed").inc()
            text = str(error)[:300] if isinstance(error, ClusterError) else type(error).__name__
            _log.warning("work_failed", queue=name, resource=_text(key), reason=text, at=where(error))

        self.metrics.depth.labels(name).set_function(lambda: len(queue))
        self.metrics.age.labels(name).set_function(queue.age)
        for _ in range(self._options.workers):
            group.create_task(work(queue, counted, failed))

    async def _wait_for_kinds(self, relister: Relister) -> None:
        """Wait until Trackpush's kinds are installed."""
        told = False
        while True:
            try:
                if await relister.discover():
                    return
                reason = "the CustomResourceDefinitions aren't installed"
            except ClusterError as error:
                reason = str(error)
            if not told:
                _log.warning("waiting_for_kinds", reason=reason)
                told = True
            await asyncio.sleep(_KINDS_PAUSE)

    async def _first_lists(self, relister: Relister, shard_writer: ShardWriter) -> None:
        """List everything, then read the routing Secrets. Until then nothing is decided."""
        while not self.state.lists_synced:
            try:
                await relister.relist_all()
            except ClusterError as error:
                _log.warning("resync_failed", reason=str(error))
                await asyncio.sleep(_KINDS_PAUSE)
        for server in list(self.state.cache.servers):
            with contextlib.suppress(ClusterError):  # the read is repeated when the server is decided
                await shard_writer.adopt(server_key(server))
        self._note_resync()
        _log.info("synced", resources=len(self.state.cache.items), servers=len(self.state.cache.servers))

    async def _first_answers(self) -> None:
        """Let the pods answer once before statuses are written: after a restart most statuses are correct already."""
        for server in self.state.cache.servers:
            self.state.queues.readback.add(server)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_READBACK):
                await self.state.queues.decide.until_idle()
                await self.state.queues.readback.until_idle()

    async def _resync(self, relister: Relister, watches: Watches) -> None:
        """List everything regularly, because watches can die silently."""
        while True:
            await asyncio.sleep(self._options.resync_seconds)
            try:
                served = self.state.optional_kinds
                await relister.discover()
                changes = await relister.relist_all()
            except ClusterError as error:
                _log.warning("resync_failed", reason=str(error))
                continue
            self._note_resync()
            self.metrics.missed.inc(changes)
            if changes:
                _log.warning("missed_changes", count=changes)
            if changes or served != self.state.optional_kinds:
                watches.restart()
            for key in self.state.cache.items:
                self.state.queues.decide.add(key)

    def _hurry(self) -> None:
        for queue in self.state.queues.by_name().values():
            queue.hurry()

    def _note_resync(self) -> None:
        self._resynced = time.monotonic()
        self.metrics.resynced.set_to_current_time()

    def _set_active(self, *, active: bool) -> None:
        self._active = active
        self._resynced = time.monotonic()
        self.metrics.active.set(int(active))

    @contextlib.asynccontextmanager
    async def _health(self) -> AsyncIterator[None]:
        runner = web.AppRunner(application(self._health_inputs, self.metrics), access_log=None)
        await runner.setup()
        host, port = self._options.health_listen
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            self.health_address = runner.addresses[0][:2]
            yield
        finally:
            await runner.cleanup()

    def _health_inputs(self) -> HealthInputs:
        down = None if self._watches is None else self._watches.down_since
        now = asyncio.get_running_loop().time()
        return HealthInputs(
            active=self._active,
            standby=self._election is not None and self._election.is_renewed,
            synced=self.state.lists_synced,
            watching=self._watches is None or self._watches.is_running,
            unwatched=() if self._watches is None else tuple(sorted(self._watches.unwatched)),
            watches_down=0.0 if down is None else now - down,
            stalled={name: queue.stalled() for name, queue in self.state.queues.by_name().items()},
            resynced_ago=time.monotonic() - self._resynced,
            resync_seconds=self._options.resync_seconds,
        )


def _text(key: object) -> str:
    return "/".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


async def run(options: OperatorOptions) -> bool:
    """Run until SIGTERM or Ctrl-C; False when the Lease was lost, so that the process has to end."""
    operator = Operator(options)
    loop = asyncio.get_running_loop()

    def on_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, operator.stop)

    on_signals()
    operator.on_watching = on_signals
    kept = True
    try:
        await operator.run()
    except* LeaseLostError as group:
        _log.error("lease_lost", reason=str(group.exceptions[0]))
        kept = False
    return kept
