"""Keeps kopf's watches running, and finds the changes that they miss.

kopf's tasks run next to the operator's own, in one event loop. When one of them ends, all are ended and restarted.
`kopf.operator` isn't used: at its end it cancels every task of the loop that was started after it, including the
operator's own.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Final

import kopf
import structlog

from trackpush_operator.kube.api import Api, Body
from trackpush_operator.kube.connection import KopfSessions
from trackpush_operator.kube.errors import ClusterError
from trackpush_operator.metrics import Metrics
from trackpush_operator.reconcile.event_router import EventRouter
from trackpush_operator.watch.handlers import registry, settings
from trackpush_operator.watch.relist import Relister

_SETTLED: Final = 30.0
"""Seconds after a start until the watches count as running."""
_QUIET: Final = 1.0
"""Seconds without another listed object of a kind after which its list counts as complete."""
_LOOK: Final = 3.0
"""Seconds between two checks that all kinds are still served and watched."""
_BEGUN: Final = 10.0
"""Maximum seconds until kopf has found all kinds and started their watches."""
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
Connect = Callable[[], Awaitable[KopfSessions]]
_log = structlog.get_logger("watches")


class Watches:
    """Runs kopf, and receives its events."""

    def __init__(
        self, relister: Relister, router: EventRouter, metrics: Metrics, connect: Connect, namespaces: tuple[str, ...]
    ) -> None:
        self._relister = relister
        self._router = router
        self._metrics = metrics
        self._connect = connect
        self._namespaces = namespaces
        self._lists: dict[str, _List] = {}
        self._again = asyncio.Event()
        self.on_start: Callable[[], None] = lambda: None
        self.on_list: Callable[[], None] = lambda: None
        """Called after kopf listed a kind again, because this shows that the API server is available."""
        self.down_since: float | None = None
        """Loop time since which the watches don't run; None while they do."""
        self._begun = math.inf
        """Loop time of the last start of kopf; infinite while it doesn't run."""
        self.unwatched: frozenset[str] = frozenset()
        """Trackpush's kinds that aren't watched, because the API server doesn't serve them."""

    def event(self, kind: str, type_: str | None, body: Body) -> None:
        """Record an event; see `handlers.EventSink`."""
        self._metrics.events.labels(kind).inc()
        self._metrics.seen.labels(kind).set_to_current_time()
        if type_ == "DELETED":
            self._router.dropped(kind, body)
            return
        self._router.take(kind, body)
        if type_ is None:
            self._lists.setdefault(kind, _List()).saw(body)

    def restart(self) -> None:
        """Restart all watches: with other kinds, or because they receive nothing."""
        self._again.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        pause, is_first = _PAUSE, True
        while True:
            await self._until_kinds()
            started = loop.time()
            settled = loop.call_later(_SETTLED, self._settle)
            error = await self._once(lists=not is_first)
            is_first = False
            settled.cancel()
            self.down_since = self.down_since or loop.time()
            self._metrics.restarts.inc()
            _log.warning("watch_restarted", reason=error)
            pause = _PAUSE if loop.time() - started > _LONGEST_PAUSE else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def _settle(self) -> None:
        self.down_since = None

    async def _until_kinds(self) -> None:
        """Wait until the API server serves all of Trackpush's kinds.

        kopf looks for kinds once, when it starts, and never watches a kind that is missing then.
        """
        while True:
            try:
                await self._look()
                if not self.unwatched:
                    await self._relister.discover()
                    return
                self.down_since = None  # a restart of the process would not help, so don't report it as down
            except ClusterError as error:
                _log.warning("waiting_for_kinds", reason=str(error))
            await asyncio.sleep(_PAUSE)

    async def _look(self) -> None:
        missing = await self._relister.missing()
        if missing != self.unwatched:
            _log.warning("kinds_missing", kinds=sorted(missing))
        self.unwatched = missing

    @property
    def is_running(self) -> bool:
        """Whether kopf runs; between two runs nothing is watched."""
        return math.isfinite(self._begun)

    def is_watched(self, kind: str) -> bool:
        """Whether one of Trackpush's kinds is served, and therefore watched.

        A pause of all watches is another metric.
        """
        return kind not in self.unwatched

    async def guard(self) -> None:
        """Run until cancelled: restart all watches when a kind of Trackpush disappears or a watch ends.

        If a watch fails, for example after a CustomResourceDefinition was replaced, kopf continues without it silently.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK)
            before = self.unwatched
            with contextlib.suppress(ClusterError):  # the watches themselves detect that the API server is unavailable
                await self._look()
            if self.unwatched - before or (loop.time() - self._begun > _BEGUN and self._has_ended()):
                self.restart()

    def _has_ended(self) -> bool:
        """Whether a watch is missing among kopf's tasks, by their names."""
        running = {task.get_name() for task in asyncio.all_tasks() if not task.done()}
        return any(name not in running for watched in self._relister.watched() for name in self._watchers(watched.api))

    def _watchers(self, api: Api) -> list[str]:
        kind = ".".join(part for part in (api.plural, api.version, api.group) if part)
        scopes = self._namespaces if api.namespaced and self._namespaces else (None,)
        return [f"watcher for {kind}@{scope}" for scope in scopes]

    async def _list_all(self) -> None:
        """List everything, because changes between two runs of the watches would be missed."""
        while True:
            try:
                changes = await self._relister.relist_all()
            except ClusterError as error:
                _log.warning("resync_failed", reason=str(error))
                await asyncio.sleep(_PAUSE)
                continue
            self._metrics.missed.inc(changes)
            _log.info("listed_again", changes=changes)
            self.on_list()
            return

    async def _once(self, *, lists: bool) -> str:
        """Run kopf once, if wanted with a list of everything; returns why it ended."""
        watched = self._relister.watched()
        connections: list[KopfSessions] = []

        async def connect() -> KopfSessions:
            connections.append(await self._connect())
            return connections[-1]

        self._again.clear()
        tasks = await kopf.spawn_tasks(
            registry=registry(watched, self, connect),
            settings=settings(watched),
            clusterwide=not self._namespaces,
            namespaces=list(self._namespaces),
            standalone=True,
        )
        self._begun = asyncio.get_running_loop().time()
        self.on_start()
        restart = asyncio.create_task(self._again.wait())
        listing = [asyncio.create_task(self._list_all())] if lists else []
        try:
            done, _ = await asyncio.wait({*tasks, restart}, return_when=asyncio.FIRST_COMPLETED)
            failures = [task.exception() for task in done if not task.cancelled()]
            return next((type(failure).__name__ for failure in failures if failure is not None), "ended")
        finally:
            self._begun = math.inf
            for task in (*tasks, restart, *listing):
                task.cancel()
            try:
                await asyncio.gather(*tasks, restart, *listing, return_exceptions=True)
            finally:  # the operator may be cancelled while it waits for kopf to stop
                for connection in connections:
                    await connection.close()

    async def compare_lists(self) -> None:
        """When kopf has listed a kind again and a known object is missing, list the kind to find deletions.

        Never returns.
        """
        while True:
            await asyncio.sleep(_QUIET / 2)
            now = asyncio.get_running_loop().time()
            for kind, listed in list(self._lists.items()):
                if now - listed.last > _QUIET:
                    del self._lists[kind]
                    self.on_list()
                    await self._compare(kind, listed)

    async def _compare(self, kind: str, listed: "_List") -> None:
        if not self._relister.is_missing_any(kind, listed.places):
            return
        watched = next(watched for watched in self._relister.watched() if watched.api.kind == kind)
        with contextlib.suppress(ClusterError):  # the next resync finds it
            self._metrics.missed.inc(await self._relister.kind(watched))


class _List:
    """The objects that kopf recently reported from a list."""

    def __init__(self) -> None:
        self.places: set[tuple[str, str]] = set()
        self.last = 0.0

    def saw(self, body: Body) -> None:
        metadata = body["metadata"]
        self.places.add((metadata.get("namespace", ""), metadata["name"]))
        self.last = asyncio.get_running_loop().time()
