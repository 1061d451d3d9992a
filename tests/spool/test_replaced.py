"""A server and its standby as processes, replaced and killed while aggregators post each update only once."""

import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from spool.senders import OnceSenders, assert_in_order
from support.deadline import until
from support.manifests import Client, write
from support.server import ServerProcess
from support.sink import Sink, open_sink

ENOUGH = 60
"""Updates that are accepted between two events."""


class Pair(NamedTuple):
    """A server, its standby, and who posts to them."""

    server: ServerProcess
    standby: ServerProcess
    senders: OnceSenders
    sink: Sink
    rng: random.Random
    resources: Path


@pytest.fixture(params=[0, pytest.param(1, marks=pytest.mark.long)], ids=["alone", "receivers"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    seed = int(os.environ.get("TRACKPUSH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed: TRACKPUSH_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    rng = random.Random(seed)  # noqa: S311  moments, not secrets
    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(open_sink())
        client = Client(name="acme", url=sink.url)
        resources, data = write(tmp_path / "resources", [client]), tmp_path / "data"
        server = ServerProcess(resources, data, arguments=[f"--receivers={request.param}"])
        stack.push_async_callback(server.close)
        await server.start()
        standby = standby_of(server)
        stack.push_async_callback(standby.close)
        await standby.start()
        senders = OnceSenders(client, rng)
        senders.origins += [server.url, standby.url]
        await stack.enter_async_context(senders.posting())
        yield Pair(server, standby, senders, sink, rng, resources)


def standby_of(server: ServerProcess) -> ServerProcess:
    return ServerProcess(server.resources, server.data, arguments=["--standby"])


async def arrived(pair: Pair) -> None:
    """Wait until everything that was accepted has been pushed, and check the order."""
    await pair.senders.until_more(ENOUGH)
    accepted = set(pair.senders.accepted)
    await until(
        lambda: accepted <= pair.sink.marks,
        seconds=60,
        what=lambda: f"{len(accepted - pair.sink.marks)} of {len(accepted)} accepted are lost\n{pair.server.tail()}",
    )
    assert_in_order(pair.sink.arrivals)
    repeated = [mark for mark, found in pair.sink.by_mark().items() if len({push.webhook_id for push in found}) > 1]
    assert not repeated, f"pushed under several ids: {repeated[:10]}"
    assert not list(pair.server.data.glob("spool/rejected"))


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_senders_that_post_once_lose_nothing_while_the_server_and_then_its_standby_are_replaced(
    pair: Pair,
) -> None:
    server, senders = pair.server, pair.senders
    for _ in range(2):
        await senders.until_more(ENOUGH)
        await senders.leave(server.url)
        assert await server.terminate() == 0, server.tail()
        await senders.until_more(ENOUGH)
        await server.start()
        senders.origins.append(server.url)
    next_standby = standby_of(server)
    await next_standby.start()
    try:
        senders.origins.append(next_standby.url)
        await senders.until_more(ENOUGH)
        await senders.leave(pair.standby.url)
        assert await pair.standby.terminate() == 0, pair.standby.tail()
        await arrived(pair)
        assert not senders.refused, f"{len(senders.refused)} were not answered with 200: {senders.refused[:5]}"
        assert len(pair.sink.arrivals) == len(pair.sink.marks), "a replacement in order sends nothing twice"
        await senders.leave(next_standby.url)
    finally:
        await next_standby.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_nothing_answered_with_200_is_lost_or_out_of_order_over_kills_of_the_server_and_its_standby(
    pair: Pair,
) -> None:
    for _ in range(4):
        victim = pair.rng.choice([pair.server, pair.standby])
        await pair.senders.until_more(pair.rng.randrange(2 * ENOUGH))
        await victim.kill()
        pair.senders.origins.remove(victim.url)
        await pair.senders.until_more(pair.rng.randrange(ENOUGH))
        await victim.start()
        pair.senders.origins.append(victim.url)
    await arrived(pair)


@pytest.mark.slow
async def test_a_standby_answers_while_no_server_runs_and_the_server_reads_it_in_before_it_is_ready(pair: Pair) -> None:
    await pair.senders.leave(pair.server.url)
    await pair.server.kill()
    before = set(pair.senders.accepted)
    await pair.senders.until_more(3 * ENOUGH)
    waiting = pair.senders.accepted - before
    await pair.server.start()
    metrics = (await pair.server.probe("/metrics")).text
    (read_in,) = [line.split()[1] for line in metrics.splitlines() if line.startswith("trackpush_spool_read_in_total ")]
    assert float(read_in) >= len(waiting)
    await arrived(pair)
