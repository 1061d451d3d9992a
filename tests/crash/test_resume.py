"""What was under way at a kill goes on at once: the server owns its journal, there is no lease to wait for."""

import time
from pathlib import Path

import pytest

from support.deadline import until
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import accept, hang, open_sink

pytestmark = pytest.mark.slow
UPDATES = 8


async def test_pushes_under_way_at_a_kill_are_sent_again_within_a_second_of_the_restart(tmp_path: Path) -> None:
    async with open_sink(hang) as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), tmp_path / "data") as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            await aggregator.many(range(UPDATES))
            await until(lambda: len(sink.marks) == UPDATES, seconds=5, what="the first attempts")
            await server.kill()
            sink.behaviour = accept
            await server.start()
            listening = time.monotonic()
            await until(
                lambda: all(len(arrivals) == 2 for arrivals in sink.by_mark().values()),
                seconds=5,
                what=lambda: f"second attempts: {len(sink.arrivals) - UPDATES} of {UPDATES}\n{server.tail()}",
            )
    latest = max(arrivals[1].at for arrivals in sink.by_mark().values())
    assert latest - listening < 1
    assert all(len({arrival.webhook_id for arrival in arrivals}) == 1 for arrivals in sink.by_mark().values())


async def test_pushes_that_were_delivered_before_a_clean_end_are_not_sent_again(tmp_path: Path) -> None:
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), tmp_path / "data") as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            await aggregator.many(range(200))
            assert await server.terminate() == 0, server.tail()
            await server.start()
            await aggregator.post(200)
            await until(lambda: 200 in sink.marks, seconds=5, what="the update after the restart")
            await until(lambda: len(sink.marks) == 201, seconds=5, what=lambda: f"{len(sink.marks)} of 201 updates")
    assert len(sink.arrivals) == 201
