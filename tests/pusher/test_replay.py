"""A push that has ended is sent once more: same id, a header that says so, in order, its retries anew."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from pusher.rig import QUICK, Rig, open_rig
from support.deadline import until
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination, RateLimit
from trackpush_server.journal.model import PushState, Selection
from trackpush_server.pusher import breaker as breaker_module

NAME = "acme/oms"
ALL = (PushState.DEAD, PushState.DELIVERED)


def to(sink: Sink, **options: object) -> Destination:
    return msgspec.structs.replace(Destination(name=NAME, url=sink.url, retry=QUICK), **options)


@pytest.fixture(autouse=True)
def _quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker_module, "PROBE_DELAYS", (0.02,))


async def replay(rig: Rig, now: int = 1 << 60) -> list[int]:
    """All that has ended."""
    await rig.journal.pushes.flush()
    found = await rig.journal.replays.ended(NAME, Selection(states=ALL, replayed_before=now), after=0, limit=1000)
    ids = [push.update_id for push in found]
    await rig.journal.replays.replay(NAME, ids, now=now, replayed_before=now)
    rig.dispatcher.rescan(NAME, ids)
    return ids


async def test_a_replay_has_the_same_id_and_says_that_it_is_one(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(1)
        await rig.until_ended(1)
        assert await replay(rig) == [1]
        await rig.until_ended(2)
        await replay(rig, now=(1 << 60) + 1)
        await rig.until_ended(3)
        assert len({arrival.webhook_id for arrival in sink.arrivals}) == 1
        assert [arrival.headers.get("trackpush-replay") for arrival in sink.arrivals] == [None, "1", "2"]
        assert await rig.pending() == 0


async def test_a_dead_push_gets_all_its_tries_again(tmp_path: Path) -> None:
    healthy = asyncio.Event()

    async def behave(arrival: Arrival) -> int:
        return 400 if arrival.mark == 1 and not healthy.is_set() else 200

    async with open_sink(behave) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(2)
        await rig.until_ended(1)
        await rig.post(1)
        while (NAME, "dead") not in rig.seen.ends:
            await rig.post(2)  # its other pushes succeed, so it is the push that is bad
            await asyncio.sleep(0)
        ended = len(rig.seen.ends)
        healthy.set()
        await replay(rig, now=1 << 60)
        await until(
            lambda: sum(arrival.mark == 1 for arrival in sink.arrivals) == 7, seconds=10, what=lambda: "six and one"
        )
        await rig.until_ended(ended + 1)
        assert [arrival.headers.get("trackpush-replay") for arrival in sink.arrivals if arrival.mark == 1] == [
            None
        ] * 6 + ["1"]


async def test_a_shipments_replays_go_in_the_order_received_and_before_what_came_later(tmp_path: Path) -> None:
    open_again = asyncio.Event()
    open_again.set()

    async def behave(_: Arrival) -> int:
        await open_again.wait()
        return 200

    async with open_sink(behave) as sink, open_rig(tmp_path, to(sink, max_concurrency=1)) as rig:
        await rig.post(*range(5), shipment="one")
        await rig.until_ended(5)
        open_again.clear()
        await rig.post(100, shipment="other")  # takes the only place
        await until(lambda: len(sink.arrivals) == 6, seconds=10, what=lambda: "the other one is under way")
        await rig.post(6, 7, shipment="one")
        await replay(rig)
        await until(lambda: rig.channel().in_memory == 8, seconds=10, what=lambda: repr(rig.channel()))
        open_again.set()
        await rig.until_ended(13)
        assert [arrival.mark for arrival in sink.arrivals[6:]] == [0, 1, 2, 3, 4, 6, 7]


async def test_replays_keep_to_the_rate_limit(tmp_path: Path) -> None:
    limit = RateLimit(requests=5, per=0.5)
    async with open_sink() as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(*range(15))
        await rig.until_ended(15)
        rig.apply(to(sink, rate_limit=limit))
        begun = asyncio.get_running_loop().time()
        await replay(rig)
        await rig.until_ended(30)
        assert asyncio.get_running_loop().time() - begun >= 0.9, "5 at once, then 10 a second"


async def test_what_is_erased_is_not_sent_any_more_but_for_what_is_under_way(tmp_path: Path) -> None:
    answer = asyncio.Event()

    async def behave(_: Arrival) -> int:
        await answer.wait()
        return 500

    async with open_sink(behave) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(1, 2, 3, shipment="one")
        await until(lambda: len(sink.arrivals) == 1, seconds=10, what=lambda: "the head is under way")
        number = await rig.journal.erasures.begin("awb", "", now=1)
        await rig.journal.erasures.erase(number, [1, 2, 3], now=1)
        rig.dispatcher.forget(frozenset((1, 2, 3)))
        answer.set()
        await rig.until_ended(1)
        await until(lambda: rig.channel().in_memory == 0, seconds=10, what=lambda: repr(rig.channel()))
        assert [arrival.mark for arrival in sink.arrivals] == [1]
        assert rig.seen.ends == [(NAME, "dropped")]
        assert await rig.pending() == 0
