"""Keeps kopf's watches running, and notices what they leave out.

kopf's tasks run beside ours, in one loop; when one of them ends, all are ended and started anew. `kopf.operator` itself
isn't used: at its end it cancels every task of the loop that was started after it, ours too.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import kopf
import structlog

from trackpush_operator.cluster.api import Body
from trackpush_operator.cluster.errors import ClusterError
from trackpush_operator.handlers import registry, settings
from trackpush_operator.intake import Intake
from trackpush_operator.metrics import Metrics
from trackpush_operator.sync import Sync

_SETTLED: Final = 30.0
"""Seconds for which the watches have to run to count as running."""
_QUIET: Final = 1.0
"""Seconds after the last listed object of a kind until that list is taken to be over."""
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
Connect = Callable[[], Awaitable[kopf.ConnectionInfo]]
_log = structlog.get_logger("watches")


class Watches:
    """Runs kopf, and takes its events."""

    def __init__(
        self, sync: Sync, intake: Intake, metrics: Metrics, connect: Connect, namespaces: tuple[str, ...]
    ) -> None:
        self._sync = sync
        self._intake = intake
        self._metrics = metrics
        self._connect = connect
        self._namespaces = namespaces
        self._lists: dict[str, _List] = {}
        self._again = asyncio.Event()
        self.on_start: Callable[[], None] = lambda: None
        self.on_list: Callable[[], None] = lambda: None
        """Called when a kind was listed anew: the API server is back."""
        self.down_since: float | None = None
        """Loop time since when no watches have run for long; None while they do."""

    def event(self, kind: str, type_: str | None, body: Body) -> None:
        """Take an event; see `handlers.Sink`."""
        self._metrics.events.labels(kind).inc()
        self._metrics.seen.labels(kind).set_to_current_time()
        if type_ == "DELETED":
            self._intake.dropped(kind, body)
            return
        self._intake.take(kind, body)
        if type_ is None:
            self._lists.setdefault(kind, _List()).saw(body)

    def restart(self) -> None:
        """End all watches and start them anew: with other kinds, or because they are blind."""
        self._again.set()

    async def run(self) -> None:
        """Watch for ever."""
        loop = asyncio.get_running_loop()
        pause = _PAUSE
        while True:
            started = loop.time()
            settled = loop.call_later(_SETTLED, self._settle)
            error = await self._once()
            settled.cancel()
            self.down_since = self.down_since or loop.time()
            self._metrics.restarts.inc()
            _log.warning("watch_restarted", reason=error)
            pause = _PAUSE if loop.time() - started > _LONGEST_PAUSE else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def _settle(self) -> None:
        self.down_since = None

    async def _once(self) -> str:
        """One run of kopf; why it ended."""
        watched = self._sync.watched()
        self._again.clear()
        tasks = await kopf.spawn_tasks(
            registry=registry(watched, self, self._connect),
            settings=settings(watched),
            clusterwide=not self._namespaces,
            namespaces=list(self._namespaces),
            standalone=True,
        )
        self.on_start()
        restart = asyncio.create_task(self._again.wait())
        try:
            done, _ = await asyncio.wait({*tasks, restart}, return_when=asyncio.FIRST_COMPLETED)
            failures = [one.exception() for one in done if not one.cancelled()]
            return next((type(one).__name__ for one in failures if one is not None), "ended")
        finally:
            for task in (*tasks, restart):
                task.cancel()
            await asyncio.gather(*tasks, restart, return_exceptions=True)

    async def compare_lists(self) -> None:
        """For ever: when kopf listed a kind anew and left out what is known, list it, to learn what was deleted."""
        while True:
            await asyncio.sleep(_QUIET / 2)
            now = asyncio.get_running_loop().time()
            for kind, listed in list(self._lists.items()):
                if now - listed.last > _QUIET:
                    del self._lists[kind]
                    self.on_list()
                    await self._compare(kind, listed)

    async def _compare(self, kind: str, listed: "_List") -> None:
        if not self._sync.lacks(kind, listed.places):
            return
        watched = next(one for one in self._sync.watched() if one.api.kind == kind)
        with contextlib.suppress(ClusterError):  # the next resync finds it
            self._metrics.missed.inc(await self._sync.kind(watched))


class _List:
    """The objects that kopf showed as listed, lately."""

    def __init__(self) -> None:
        self.places: set[tuple[str, str]] = set()
        self.last = 0.0

    def saw(self, body: Body) -> None:
        metadata = body["metadata"]
        self.places.add((metadata.get("namespace", ""), metadata["name"]))
        self.last = asyncio.get_running_loop().time()
