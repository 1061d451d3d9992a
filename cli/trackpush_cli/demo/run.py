"""One run of the demo: clients' endpoint, server, aggregators, and the verdict."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from trackpush_api.routing import RoutingTable
from trackpush_cli.demo import resources
from trackpush_cli.demo.aggregator import AggregatorSide
from trackpush_cli.demo.endpoint import ClientEndpoint
from trackpush_cli.demo.expected import Expected
from trackpush_cli.demo.hints import hints
from trackpush_cli.demo.journal import journal_problems
from trackpush_cli.demo.ledger import Arrival, Ledger
from trackpush_cli.demo.reading import BODIES, load_table
from trackpush_cli.demo.server import ServerProcess
from trackpush_cli.demo.story import Posting, invented_postings, sample_postings
from trackpush_cli.demo.view import make_view, summary

FAILURES = 2
"""Number of requests that the failing client answers with 500: fewer than five in a row, which would open the breaker.
"""

_PROBES = ("GET", "HEAD", "OPTIONS", "POST")
_ARRIVAL_SECONDS = 15.0
"""Maximum seconds for which --once waits for the last push."""
_LEAVING_SECONDS = 8.0
"""Maximum seconds for which the end of an endless run waits for the last push."""
_QUIET_SECONDS = 0.5
"""Seconds in which duplicates are looked for after everything has arrived. The server's drain shows later ones."""


class Folders(msgspec.Struct, frozen=True):
    """Where a run keeps its files."""

    root: Path

    @property
    def resources(self) -> Path:
        """The folder of resources; edits take effect while the server runs."""
        return self.root / "resources"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "server.log"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a run."""

    once: bool
    rate: float
    """Invented updates per second."""
    seed: int
    """Seed of the invented shipments."""


class Demo:
    """One run."""

    def __init__(self, folders: Folders, options: Options, console: Console) -> None:
        self._folders = folders
        self._options = options
        self._ledger = Ledger()
        self._view = make_view(console, self._ledger.counts, self._ledger.problems)
        self._endpoint = ClientEndpoint(self._arrived)
        self._changed = asyncio.Event()
        self._server = ServerProcess(folders.resources, folders.data, folders.log)

    async def run(self, stop: asyncio.Event) -> list[str]:
        """Run until all is posted and arrived, or until ``stop`` is set; returns the errors.

        Raises:
            CommandError: the server could not be started.
        """
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(self._endpoint.close)
                table, keys = self._prepare(await self._endpoint.start())
                stack.push_async_callback(self._server.stop)
                await self._server.start()
                for line in hints(self._server, table, keys, self._folders.root, once=self._options.once):
                    self._view.say(line)
                side = AggregatorSide(self._server.url, keys, Expected(table), self._ledger, self._view)
                await stack.enter_async_context(side)
                await self._play(side, table, stop)
            problems = self._ledger.verdict()
            if not stop.is_set():
                problems += await asyncio.to_thread(journal_problems, self._folders.data, self._ledger)
        finally:
            self._view.close()
        self._view.say(summary(self._ledger.counts))
        return problems

    def _prepare(self, endpoint_url: str) -> tuple[RoutingTable, dict[str, str]]:
        source = resources.sample_manifests()
        files = {
            path: [resources.turn_to_loopback(resource, endpoint_url) for resource in group]
            for path, group in resources.read(source).items()
        }
        everything = [resource for group in files.values() for resource in group]
        fails = min(map(resources.name_of, resources.of_kind(everything, "PushConfig")))
        for path, group in files.items():
            files[path] = [
                resources.with_short_retries(resource)
                if resource["kind"] == "PushConfig" and resources.name_of(resource) == fails
                else resource
                for resource in group
            ]
        resources.write(files, source, self._folders.resources)
        table = load_table(self._folders.resources)
        self._endpoint.know(table.destination_by_name)
        self._endpoint.failures[fails] = FAILURES
        return table, resources.keys(everything)

    async def _play(self, side: AggregatorSide, table: RoutingTable, stop: asyncio.Event) -> None:
        samples = sample_postings(table.accounts, BODIES.parse)
        pause = 0.0 if self._options.once else 1 / self._options.rate
        for posting in samples:
            await self._post(side, posting, pause, stop)
        for account in {posting.account.aggregator: posting for posting in samples}.values():
            for method in _PROBES:
                if self._server.running:
                    await side.probe(account, method)
        if not self._options.once:
            await self._go_on(side, table, pause, stop)
        await self._wait_for_arrivals(_LEAVING_SECONDS if stop.is_set() else _ARRIVAL_SECONDS)
        if not self._server.running:
            self._ledger.problems.insert(0, self._server.end)
        if self._options.once:
            await asyncio.sleep(_QUIET_SECONDS)

    async def _go_on(self, side: AggregatorSide, table: RoutingTable, pause: float, stop: asyncio.Event) -> None:
        postings = invented_postings(
            table.accounts,
            BODIES,
            random.Random(self._options.seed),  # noqa: S311  invented shipments, not secrets
            lambda: datetime.now(UTC),
        )
        while not stop.is_set() and self._server.running:
            await self._post(side, next(postings), pause, stop)

    async def _post(self, side: AggregatorSide, posting: Posting, pause: float, stop: asyncio.Event) -> None:
        if stop.is_set() or not self._server.running:
            return
        await side.post(posting)
        if pause:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def _wait_for_arrivals(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._ledger.missing and self._server.running and (left := deadline - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(left, 1.0))

    def _arrived(self, arrival: Arrival) -> None:
        push = self._ledger.arrive(arrival)
        if push is None and self._options.once:
            self._ledger.problems.append(f"{arrival.push_config} got a push that nobody posted: {arrival.webhook_id!r}")
        self._view.arrived(push, arrival)
        self._changed.set()


def judge(problems: Sequence[str]) -> str:
    """The verdict as text."""
    if not problems:
        return "every push arrived exactly once and in order per shipment"
    shown = "\n".join(f"  - {problem}" for problem in problems[:20])
    more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""  # noqa: PLR2004  the same 20
    return f"not every push arrived exactly once and in order:\n{shown}{more}"
