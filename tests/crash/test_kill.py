"""The first four promises of docs/guarantees.md, over kills, under a load that never stops."""

import asyncio
import itertools
import os
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from support.deadline import until
from support.load import Aggregator, Pace, Post, open_aggregator, stream
from support.manifests import Client, write
from support.server import ServerProcess, running
from support.sink import Arrival, Sink, open_sink

PACE = Pace(rate=500, shipments=64, workers=32)
"""A shipment's updates are 128 ms apart, less than a slow answer takes: many wait behind another in their lane."""
ENOUGH = 50
"""Updates that each start of the server has accepted at least when it is killed."""
SLOW_SHARE = 0.2
SLOW_SECONDS = 0.2
CONCURRENCY = 64
JUST_BEFORE = 5.0
"""An attempt whose outcome was not stored at a kill reached the client at most this many seconds before it.

It is some milliseconds on a machine that has time, and was more than one second on one with a load of 20. MOST_REPEATED
tells those apart from outcomes that get lost.
"""
READ_AFTER = 1.0
"""The client shares this test's loop. It may read what a server sent this many seconds after that server is gone.

The next server needs about as long to start, so nothing that it sends is taken for the earlier one's.
"""
MOST_REPEATED = 100
"""Per kill: CONCURRENCY attempts under way, and those whose outcome waited for the next commit."""


class SlowClient:
    """A client that takes its time now and then, and notes any push that came before an earlier one was answered."""

    def __init__(self, rng: random.Random) -> None:
        self.overlaps: list[tuple[int, int]] = []
        """Marks of one shipment: the one that was under way, and the one that came meanwhile."""
        self._rng = rng
        self._under_way: dict[int, int] = {}

    async def __call__(self, arrival: Arrival) -> int:
        """Answer 200, at once or after a while."""
        assert arrival.mark is not None, f"a push without a mark: {arrival.body[:500]!r}"
        shipment = arrival.mark % PACE.shipments
        earlier = self._under_way.get(shipment, arrival.mark)
        if earlier != arrival.mark:
            self.overlaps.append((earlier, arrival.mark))
        self._under_way[shipment] = arrival.mark
        await asyncio.sleep(SLOW_SECONDS if self._rng.random() < SLOW_SHARE else 0)
        self._under_way.pop(shipment, None)
        return 200


class Kill(NamedTuple):
    """One kill of the server. Times are `time.monotonic`, in seconds."""

    at: float
    gone: float
    """When the process had ended, and the next one was started."""


class Kills(NamedTuple):
    """What a run with kills came to."""

    accepted: int
    doubled: int
    posts_per_second: float
    """While the server was up."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("receivers", [0, 1])
@pytest.mark.parametrize("times", [pytest.param(3, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.long)])
async def test_every_update_answered_with_200_is_pushed_in_order_over_kills(
    tmp_path: Path, times: int, receivers: int
) -> None:
    await over_kills(tmp_path, times, receivers)


async def over_kills(tmp_path: Path, times: int, receivers: int) -> Kills:
    """Kill the server so often under load, then compare what was accepted with what the client got.

    Raises:
        AssertionError: something was lost, sent out of order, or sent twice without a kill that explains it.
    """
    seed = int(os.environ.get("TRACKPUSH_CRASH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed: TRACKPUSH_CRASH_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    rng = random.Random(seed)  # noqa: S311  moments, not secrets
    slow_client = SlowClient(rng)
    async with open_sink(slow_client) as sink:
        client = Client(name="acme", url=sink.url, delivery={"maxConcurrency": CONCURRENCY})
        async with (
            running(
                write(tmp_path / "resources", [client]), tmp_path / "data", arguments=[f"--receivers={receivers}"]
            ) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            stop = asyncio.Event()
            posting = asyncio.create_task(stream(aggregator, PACE, stop=stop, resend=_every_other))
            kills: list[Kill] = []
            up = 0.0
            for _ in range(times):
                begun = time.monotonic()
                kills.append(await _kill_and_start(server, aggregator, rng))
                up += kills[-1].at - begun
            answered = sum(post.status == 200 for post in aggregator.posts)
            stop.set()
            await posting
            await until(
                lambda: aggregator.accepted <= sink.marks,
                seconds=20 + times,
                what=lambda: f"{len(aggregator.accepted - sink.marks)} of {len(aggregator.accepted)} accepted are lost",
            )
            assert await server.terminate() == 0, server.tail()
    _assert_repeats_were_under_way(sink, kills)
    _assert_in_order(sink.arrivals)
    assert not slow_client.overlaps, f"sent while an earlier push of the shipment was under way: {slow_client.overlaps}"
    doubled = sum(len(found) > 1 for found in sink.by_mark().values())
    return Kills(len(aggregator.accepted), doubled, answered / up)


def _every_other(post: Post) -> bool:
    """Half of what was not answered is posted again until it is, as an aggregator does; the other half is given up."""
    return post.mark % 2 == 0


async def _kill_and_start(server: ServerProcess, aggregator: Aggregator, rng: random.Random) -> Kill:
    wanted = len(aggregator.accepted) + ENOUGH
    await until(lambda: len(aggregator.accepted) >= wanted, seconds=60, what=server.tail)
    await asyncio.sleep(rng.uniform(0, 1))
    killed_at = time.monotonic()
    await server.kill()
    gone = time.monotonic()
    await server.start()
    return Kill(killed_at, gone)


def _assert_repeats_were_under_way(sink: Sink, kills: Sequence[Kill]) -> None:
    repeats: dict[Kill, int] = defaultdict(int)
    ids: set[str] = set()
    for mark, arrivals in sink.by_mark().items():
        assert len({arrival.webhook_id for arrival in arrivals}) == 1, f"update {mark} was pushed under several ids"
        ids.add(arrivals[0].webhook_id)
        for first, second in itertools.pairwise(arrivals):
            between = [kill for kill in kills if _explains(kill, first.at, second.at)]
            assert between, (
                f"update {mark} was pushed at {first.at:.3f} and {second.at:.3f}; no kill of {kills} explains it"
            )
            repeats[between[0]] += 1
    assert len(ids) == len(sink.marks), "two updates share a webhook-id"
    assert max(repeats.values(), default=0) <= MOST_REPEATED, f"repeated pushes per kill: {sorted(repeats.values())}"


def _explains(kill: Kill, first: float, second: float) -> bool:
    return kill.at - JUST_BEFORE <= first <= kill.gone + READ_AFTER and second >= kill.at


def _assert_in_order(arrivals: Sequence[Arrival]) -> None:
    """First arrivals of a shipment come in the order of its updates, and so do last ones; nothing is called late."""
    for sequence in (arrivals, arrivals[::-1]):
        shipments: dict[int, list[int]] = defaultdict(list)
        for mark in dict.fromkeys(arrival.mark for arrival in sequence if arrival.mark is not None):
            shipments[mark % PACE.shipments].append(mark)
        for shipment, marks in shipments.items():
            expected = sorted(marks, reverse=sequence is not arrivals)
            assert marks == expected, f"shipment {shipment} was pushed out of order"
    late = [arrival.mark for arrival in arrivals if b'"late":true' in arrival.body]
    assert not late, f"pushed as late although in order: {late[:10]}"
