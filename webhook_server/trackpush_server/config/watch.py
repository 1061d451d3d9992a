"""Watches a source and hands over each new routing table: a changed file takes effect within a second.

Polled, not notified: inotify misses changes on network file systems and needs re-arming when Kubernetes swaps a
volume's ``..data`` link, while looking at a few hundred files four times a second costs nearly nothing. A change is
taken when two looks in a row saw the same, so that the empty moment of a file that is being saved drops no client.
"""

import asyncio
import time
from collections.abc import Callable, Hashable

import msgspec

from trackpush_api.routing import RoutingTable
from trackpush_server.config.source import Loaded, Source
from trackpush_server.telemetry.routing import RoutingTelemetry

POLL_SECONDS = 0.25


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the admin port tells of the configuration. Holds no secret and no digest of one."""

    source: str
    revision: str
    server: str
    loaded_at: float
    """Seconds since the epoch."""
    accounts: int
    push_configs: int
    files: dict[str, str]
    """Revision of each file as last loaded."""
    problems: tuple[str, ...]
    """Of the last reload; when there are any, an earlier table is still served."""


class Watcher:
    """Reloads the source while it runs; the last good table stays whatever happens."""

    def __init__(
        self,
        source: Source,
        *,
        telemetry: RoutingTelemetry,
        on_table: Callable[[RoutingTable], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``on_table`` is called on the loop with every new table: between two requests."""
        self._source = source
        self._telemetry = telemetry
        self._on_table = on_table
        self._wall = wall
        self._table: RoutingTable | None = None
        self._loaded = Loaded(table=None)
        self._loaded_at = 0.0
        self._problems: tuple[str, ...] = ()
        self._taken: Hashable = None
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> tuple[str, ...]:
        """Load for the first time, without handing it over yet; returns what is wrong.

        Raises:
            OSError: the source can't be read.
        """
        self._taken = await asyncio.to_thread(self._source.fingerprint)
        self._loaded = await asyncio.to_thread(self._source.load)
        return self._loaded.problems

    def start(self) -> None:
        """Hand over what `load` loaded, and watch from now on."""
        self._take(self._loaded)
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def report(self) -> Report | None:
        """What is served, None before the first table."""
        table = self._table
        if table is None:
            return None
        return Report(
            source=self._source.name,
            revision=table.revision,
            server=table.server.name,
            loaded_at=self._loaded_at,
            accounts=len(table.accounts),
            push_configs=len(table.destinations),
            files=self._loaded.revisions,
            problems=self._problems,
        )

    async def _watch(self) -> None:
        seen = self._taken
        failed = False
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                now = await asyncio.to_thread(self._source.fingerprint)
                if now != self._taken and now == seen:
                    loaded = await asyncio.to_thread(self._source.load)
                    if await asyncio.to_thread(self._source.fingerprint) == now:  # else it changed while it was read
                        self._taken = now
                        self._take(loaded)
                seen, failed = now, failed and now != self._taken
            except Exception as error:  # noqa: BLE001  the last good table stays, and watching goes on
                if failed:  # once is a file that was replaced between two system calls
                    self._tell((f"{self._source.name}: can't be read: {error}; make it readable",))
                self._taken, seen, failed = None, None, True  # load again as soon as it can be read

    def _take(self, loaded: Loaded) -> None:
        if loaded.table is None:
            self._tell(loaded.problems)
            return
        new = self._table is None or loaded.table.revision != self._table.revision
        if new:
            self._on_table(loaded.table)
            self._table = loaded.table
            self._loaded_at = self._wall()
            self._telemetry.loaded(loaded.table, self._loaded_at)
        self._loaded = loaded
        self._tell(())

    def _tell(self, problems: tuple[str, ...]) -> None:
        if problems != self._problems:
            self._problems = problems
            self._telemetry.problems(problems, kept=self._table.revision if self._table else None)
