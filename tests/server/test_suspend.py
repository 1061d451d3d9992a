"""Suspended, on either level: what is posted is stored and waits, over a kill too; then all of it goes, once."""

from pathlib import Path

import pytest

from support.deadline import until
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import open_sink

UPDATES = 40


@pytest.mark.parametrize("level", ["suspended", "account_suspended"])
async def test_what_came_while_suspended_is_sent_once_and_in_order_after(tmp_path: Path, level: str) -> None:
    async with open_sink() as sink:
        live = Client(name="acme", url=sink.url)
        held = Client(name="acme", url=sink.url, **{level: True})
        async with (
            running(write(tmp_path / "resources", [held]), tmp_path / "data") as server,
            open_aggregator(server.url, held) as aggregator,
        ):
            await aggregator.many(range(UPDATES // 2))
            await server.kill()
            await server.start()
            await aggregator.many(range(UPDATES // 2, UPDATES))
            assert "trackpush_pending_pushes" in (await server.probe("/metrics")).text
            assert sink.arrivals == []
            write(server.resources, [live])
            await until(lambda: len(sink.marks) == UPDATES, seconds=10, what=lambda: f"{len(sink.marks)} arrived")
            await aggregator.post(UPDATES)
            await until(lambda: UPDATES in sink.marks, seconds=10, what="a new one after it")
            assert await server.terminate() == 0, server.tail()
    assert len(sink.arrivals) == UPDATES + 1


async def test_what_is_under_way_when_it_is_suspended_ends_and_nothing_else_starts(tmp_path: Path) -> None:
    async with open_sink() as sink:
        live, held = Client(name="acme", url=sink.url), Client(name="acme", url=sink.url, suspended=True)
        async with (
            running(write(tmp_path / "resources", [live]), tmp_path / "data") as server,
            open_aggregator(server.url, live) as aggregator,
        ):
            await aggregator.post(0)
            await until(lambda: sink.marks == {0}, seconds=5, what="the first one")
            write(server.resources, [held])
            await until(lambda: server.logged("endpoint_state_changed") is not None, seconds=5, what=server.tail)
            await aggregator.many(range(1, 10))
            await server.terminate()
            assert sink.marks == {0}
