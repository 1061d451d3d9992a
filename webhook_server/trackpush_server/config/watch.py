"""Watches a source and applies each new routing table: a changed file takes effect within a second.

The watcher compares the source's fingerprint four times a second; `notices` makes this cheap. It applies a change only
after two equal looks in a row, because a file that is being saved may be empty for a moment.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import NamedTuple

import msgspec

from trackpush_api.routing import RoutingTable
from trackpush_runtime.background import end
from trackpush_server.config.source import Loaded, Source
from trackpush_server.runtime import uncollected
from trackpush_server.telemetry.routing import RoutingTelemetry

POLL_SECONDS = 0.25
_SETTLING_SECONDS = 0.1
"""Seconds between the two looks."""

Swap = Callable[[], Awaitable[None]]
"""Applies a prepared table, on the event loop."""
Refuse = Callable[[RoutingTable], str | None]
"""Returns why a running server can't use a table, as a problem; None if it can."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration as the admin port shows it. Contains neither a secret nor the digest of one."""

    source: str
    revision: str
    server: str
    loaded_at: float
    """Time of the load, in seconds since the epoch."""
    accounts: int
    push_configs: int
    complete: bool
    """If False, a shard was never read; requests with unknown keys get 503 instead of 401."""
    files: dict[str, str]
    """The served revision of each file or shard."""
    problems: tuple[str, ...]
    """Problems of the last reload, each with what is served meanwhile."""
    warnings: tuple[str, ...]
    """Warnings of the last reload: valid configuration that is probably a mistake."""
    kept: tuple[str, ...]
    """``Kind namespace/name`` of resources whose previous version is served, because the current one is invalid or
    missing.
    """


class _Reading(NamedTuple):
    """One loaded state and, if it has a new table, the function that applies it."""

    loaded: Loaded
    swap: Swap | None = None


class ConfigWatcher:
    """Reloads the source while it runs; the last good table is used until there is a new one."""

    def __init__(
        self,
        source: Source,
        *,
        telemetry: RoutingTelemetry,
        prepare: Callable[[Loaded], Swap],
        refuse: Refuse = lambda _: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``prepare`` is called in a thread with every new table; its result is awaited on the event loop.

        ``refuse`` is called before, in the same thread.
        """
        self._source = source
        self._telemetry = telemetry
        self._prepare = prepare
        self._refuse = refuse
        self._wall = wall
        self._first = _Reading(Loaded(table=None))
        self._loaded = self._first.loaded
        self._loaded_at = 0.0
        self._problems: tuple[str, ...] = ()
        self._warnings: tuple[str, ...] = ()
        self._taken: Hashable = None
        self._again = False
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> Loaded:
        """Load for the first time, without applying the table yet.

        Raises:
            OSError: the source can't be read.
        """
        self._taken = await asyncio.to_thread(self._source.fingerprint)
        self._first = await asyncio.to_thread(self._read)
        return self._first.loaded

    async def start(self) -> None:
        """Apply the table that `load` loaded, and watch from now on."""
        await self._take(self._first)
        self._first = _Reading(Loaded(table=None))
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def refresh(self) -> None:
        """Prepare and apply the current table again soon."""
        self._again = True

    async def stop(self) -> None:
        await end(self._task)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Start watching; stop at the end of the block."""
        try:
            await self.start()
            yield
        finally:
            await self.stop()

    @property
    def table(self) -> RoutingTable | None:
        """The served table; None before the first one."""
        return self._loaded.table

    @property
    def complete_table(self) -> RoutingTable | None:
        """The served table if every shard was read; otherwise None."""
        return self._loaded.table if self._loaded.complete else None

    def report(self) -> Report | tuple[str, ...]:
        """The report of the served table; without a table, only its problems."""
        table = self._loaded.table
        if table is None:
            return self._problems
        return Report(
            source=self._source.name,
            revision=table.revision,
            server=table.server.name,
            loaded_at=self._loaded_at,
            accounts=len(table.accounts),
            push_configs=len(table.destinations),
            complete=self._loaded.complete,
            files=self._loaded.revisions,
            problems=self._problems,
            warnings=self._warnings,
            kept=self._loaded.kept,
        )

    def _read(self) -> _Reading:
        with uncollected():
            loaded = self._loadable(self._source.load())
            known = loaded.table is self._loaded.table and loaded.complete == self._loaded.complete
            new = loaded.table is not None and not known
            return _Reading(loaded, self._prepare(loaded) if new else None)

    def _loadable(self, loaded: Loaded) -> Loaded:
        refusal = None if loaded.table is None else self._refuse(loaded.table)
        if refusal is None:
            return loaded
        return msgspec.structs.replace(loaded, table=None, problems=(*loaded.problems, refusal), waits=False)

    async def _watch(self) -> None:
        seen = self._taken
        failed = False
        while True:
            await asyncio.sleep(POLL_SECONDS if seen == self._taken else _SETTLING_SECONDS)
            try:
                if self._again and self._loaded.table is not None:
                    self._again = False
                    await self._take(_Reading(self._loaded, await asyncio.to_thread(self._prepare, self._loaded)))
                now = await asyncio.to_thread(self._source.fingerprint)
                if now != self._taken and now == seen:
                    reading = await asyncio.to_thread(self._read)
                    # otherwise the source changed while it was read
                    if await asyncio.to_thread(self._source.fingerprint) == now:
                        self._taken = now
                        await self._take(reading)
                seen, failed = now, failed and now != self._taken
            except Exception as error:  # noqa: BLE001  keep the last good table, continue to watch
                if failed:  # ignore a single failure: a file may have been replaced between two system calls
                    self._tell((f"{self._source.name}: can't be read: {error}; make it readable",))
                self._taken, seen, failed = None, None, True  # load again as soon as it can be read

    async def _take(self, reading: _Reading) -> None:
        loaded, swap = reading
        if loaded.warnings != self._warnings:
            self._warnings = loaded.warnings
            self._telemetry.warnings(loaded.warnings)
        if loaded.table is None:
            self._tell(loaded.problems)
            return
        if swap is not None:
            with uncollected():
                await swap()
            self._loaded_at = self._wall()
            self._telemetry.loaded(loaded.table, self._loaded_at, complete=loaded.complete)
        self._loaded = loaded
        self._tell(loaded.problems, partly=True)

    def _tell(self, problems: tuple[str, ...], *, partly: bool = False) -> None:
        if problems != self._problems:
            self._problems = problems
            served = self._loaded.table
            self._telemetry.problems(problems, kept=served.revision if served else None, partly=partly)
