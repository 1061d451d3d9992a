"""A server under a steady load with a fault in the middle, and what came of it."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from faults.report import Row, tell
from faults.shim import Shim
from support.deadline import until
from support.load import Aggregator, Pace, Post, open_aggregator, stream
from support.manifests import Client, write
from support.server import ServerProcess, running
from support.sink import Sink, open_sink

PACE = Pace(rate=80, shipments=64, workers=32)
EXTRA = 1_000_000
"""Marks from here on are outside the steady load: each a shipment of its own."""
_PATIENCE = 60.0


class Scene:
    """A server, an aggregator that posts all the time and again what isn't answered with 200, and a client."""

    def __init__(self, server: ServerProcess, aggregator: Aggregator, sink: Sink) -> None:
        self.server = server
        self.aggregator = aggregator
        self.sink = sink

    async def more(self, count: int = 40) -> None:
        """Wait until so many more updates were answered with 200."""
        wanted = len(self.aggregator.accepted) + count
        await until(lambda: len(self.aggregator.accepted) >= wanted, seconds=_PATIENCE, what=self.told)

    async def refused(self, count: int = 10) -> None:
        """Wait until so many more tries were answered with something else, or not at all."""
        wanted = len(self.others) + count
        await until(lambda: len(self.others) >= wanted, seconds=_PATIENCE, what=self.told)

    @property
    def others(self) -> list[Post]:
        """Tries that weren't answered with 200."""
        return [post for post in self.aggregator.posts if post.status != 200]

    @property
    def statuses(self) -> set[int | None]:
        """All answers; None is none within the aggregator's patience."""
        return {post.status for post in self.aggregator.posts}

    @property
    def gap(self) -> float:
        """The longest time without a 200, in seconds."""
        moments = sorted(post.answered_at for post in self.aggregator.posts if post.status == 200)
        return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)

    @property
    def slowest(self) -> float:
        """Seconds that the slowest 200 took."""
        return max(post.seconds for post in self.aggregator.posts if post.status == 200)

    def fastest(self, *, since: float) -> float:
        """Seconds that the fastest 200 took of those that were posted since a moment (`time.monotonic`)."""
        posts = (post for post in self.aggregator.posts if post.status == 200)
        return min(post.seconds for post in posts if post.answered_at - post.seconds >= since)

    def told(self) -> str:
        """For messages of failed tests."""
        return f"{len(self.aggregator.accepted)} accepted, {len(self.others)} not; {self.server.tail(8)}"

    async def settle(self) -> None:
        """Wait until all that was accepted has arrived."""
        lost = lambda: self.aggregator.accepted - self.sink.marks  # noqa: E731  short
        await until(lambda: not lost(), seconds=_PATIENCE, what=lambda: f"lost: {sorted(lost())[:20]}; {self.told()}")

    async def end(self) -> None:
        """The fault is over: more is answered with 200, and all that was accepted arrives."""
        await self.more()
        await self.settle()

    def tell(self, fault: str, storage: str, *, aggregator: str, client: str) -> None:
        """Write down what came of it; order per shipment is checked."""
        tell(self._row(fault, storage, aggregator, client))

    def _row(self, fault: str, storage: str, aggregator: str, client: str) -> Row:
        arrivals = self.sink.by_mark()
        shipments: dict[int, list[int]] = defaultdict(list)
        for mark in dict.fromkeys(
            arrival.mark for arrival in self.sink.arrivals if arrival.mark is not None and arrival.mark < EXTRA
        ):
            shipments[mark % PACE.shipments].append(mark)
        assert all(marks == sorted(marks) for marks in shipments.values()), "a shipment was pushed out of order"
        assert all(len({arrival.webhook_id for arrival in found}) == 1 for found in arrivals.values())
        return Row(
            fault=fault,
            storage=storage,
            aggregator=aggregator,
            client=client,
            accepted=len(self.aggregator.accepted),
            lost=len(self.aggregator.accepted - self.sink.marks),
            doubled=sum(len(found) > 1 for found in arrivals.values()),
        )


@contextlib.asynccontextmanager
async def scene(
    folder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    dsn: str | None = None,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    pace: Pace = PACE,
    url: str | None = None,
) -> AsyncIterator[Scene]:
    """All of it under way; the load ends with the block. ``dsn``: of a database instead of SQLite."""
    async with open_sink() as sink:
        client = Client(
            name="acme", url=url.format(port=sink.port) if url else sink.url, delivery={"maxConcurrency": 64}
        )
        storage = {} if dsn is None else {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
        resources = write(folder / "resources", [client], {**storage, **(settings or {})}, dsn=dsn)
        async with (
            running(resources, folder / "data", prefix=prefix, environment=environment) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            stop = asyncio.Event()
            made = Scene(server, aggregator, sink)
            posting = asyncio.create_task(stream(aggregator, pace, stop=stop, resend=lambda _: not stop.is_set()))
            try:
                await made.more()
                yield made
            finally:
                stop.set()
                await asyncio.gather(posting, return_exceptions=True)


async def slow_to_sync(stage: Scene, shim: Shim, storage: str) -> None:
    """Each sync of the disk below a scene's storage takes longer for a while: only the answers do, too."""
    shim.slow_sync(0.3)
    since = time.monotonic()
    await stage.more(80)
    slowest, fastest = stage.slowest, stage.fastest(since=since)
    shim.slow_sync(0)
    await stage.end()
    assert stage.statuses == {200}
    assert fastest >= 0.3, "a 200 that didn't wait for the disk, or the disk wasn't slow"
    stage.tell(
        "Each sync of the disk takes 0.3 s longer",
        storage,
        aggregator=f"200, later: {slowest:.1f} s at most",
        client="its pushes, later by as much",
    )
