"""A client that never answers slows neither the others nor the server's shutdown."""

import asyncio
import time
from pathlib import Path

from support.deadline import until
from support.load import Aggregator, open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import Sink, hang, open_sink

UPDATES = 300
RATE = 150.0
"""Updates a second to each client: the hanging one is soon owed far more than its 16 connections."""
GRACE = "2s"
MOST_SECONDS = 5.0
"""The grace, and what writing down and closing may take."""


async def test_a_hanging_client_does_not_slow_another_clients_pushes(tmp_path: Path) -> None:
    async with open_sink() as healthy, open_sink(hang) as hanging:
        good, bad = Client(name="good", url=healthy.url), Client(name="bad", url=hanging.url)
        async with (
            running(write(tmp_path / "resources", [good, bad]), tmp_path / "data") as server,
            open_aggregator(server.url, bad) as to_bad,
            open_aggregator(server.url, good) as to_good,
        ):
            await asyncio.gather(_steadily(to_bad), _steadily(to_good))
            await until(lambda: to_good.accepted <= healthy.marks, seconds=5, what="the healthy client's pushes")
    assert len(to_good.accepted) == len(to_bad.accepted) == UPDATES
    assert len(hanging.marks) <= 16, "more attempts than maxConcurrency at one client"
    assert _delays(to_good, healthy)[int(UPDATES * 0.95)] < 0.25


async def _steadily(aggregator: Aggregator) -> None:
    started = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for mark in range(UPDATES):
            await asyncio.sleep(max(0.0, started + mark / RATE - asyncio.get_running_loop().time()))
            group.create_task(aggregator.post(mark))


def _delays(aggregator: Aggregator, sink: Sink) -> list[float]:
    """Seconds from each answer to its push, in order of size."""
    answered = {post.mark: post.answered_at for post in aggregator.posts}
    return sorted(arrivals[0].at - answered[mark] for mark, arrivals in sink.by_mark().items())


async def test_the_server_ends_in_time_with_exit_code_0_while_a_client_hangs(tmp_path: Path) -> None:
    async with open_sink(hang) as sink:
        client = Client(name="acme", url=sink.url, delivery={"timeout": "60s"})
        async with (
            running(
                write(tmp_path / "resources", [client]), tmp_path / "data", arguments=["--drain-grace", GRACE]
            ) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            await aggregator.many(range(8))
            await until(lambda: len(sink.marks) == 8, seconds=5, what="the first attempts")
            started = time.monotonic()
            assert await server.terminate(seconds=MOST_SECONDS) == 0, server.tail()
            assert time.monotonic() - started < MOST_SECONDS
