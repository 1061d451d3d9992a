"""What an answer says of the endpoint counts, whatever becomes of the push that got it. In virtual time."""

import asyncio

import pytest

from pusher.virtual import OMS, Client, World, run
from trackpush_api.routing import Destination, RateLimit, Retry
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher.breaker import PROBE_DELAYS

QUICK = Retry(schedule=(5.0,), max_age=60.0, jitter=0.0)


def destination(**options: object) -> Destination:
    return Destination(name=OMS, url="http://127.0.0.1:9/", **{"retry": QUICK, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("erases", [False, True])
def test_a_probe_whose_push_is_erased_meanwhile_is_followed_by_the_next(erases: bool) -> None:  # noqa: FBT001
    is_down = True

    async def play() -> None:
        nonlocal is_down
        client = Client(lambda *_: Answer(status=503 if is_down else 200))
        world = World(destination(retry=Retry(schedule=(0.5,), max_age=3600.0, jitter=0.0)), client)
        world.post(1, 2)
        await world.until(lambda: world.channel.breaker == "open", seconds=60)
        client.latency = 2.0
        before = client.requests.copy()
        await world.until(lambda: client.requests != before, seconds=20, what="a probe is under way")
        (probing,) = client.requests - before
        if erases:
            world.dispatcher.forget(frozenset([probing]))
        await asyncio.sleep(2.5)
        is_down = False
        await world.until(lambda: len(client.delivered_at) == 2 - erases, seconds=PROBE_DELAYS[1] * 2)

    run(play)


@pytest.mark.parametrize("fate", ["fresh", "too old", "erased", "rejected"])
def test_retry_after_is_kept_though_the_push_that_got_it_ends(fate: str) -> None:
    async def play() -> None:
        status = 422 if fate == "rejected" else 429

        def behave(mark: int, _: float) -> Answer:
            return Answer(status=status, retry_after=2.0) if mark == 1 and len(world.journal.states) == last else ok

        ok, last = Answer(status=200), 1
        client = Client(behave)
        world = World(destination(max_concurrency=1), client)
        if fate == "rejected":
            last = 99
            client.behaviour = lambda mark, _: Answer(status=422) if mark == 1 else ok
            world.post(1)
            for mark in range(2, 40):
                await asyncio.sleep(1.0)
                world.post(mark)
                if client.requests[1] == 5:
                    break
            await asyncio.sleep(0.5)
            client.behaviour = lambda mark, _: Answer(status=422, retry_after=2.0) if mark == 1 else ok
            await world.until(lambda: client.requests[1] == 6, seconds=10)
        else:
            world.post(1, age=59.0 if fate == "too old" else 0.0)
            await asyncio.sleep(0.01)
            if fate == "erased":
                world.dispatcher.forget(frozenset([1]))
        answered = asyncio.get_running_loop().time()
        await asyncio.sleep(0.1)
        ended = [state for _, state in world.seen.ends if state != "delivered"]
        assert ended == {"fresh": [], "too old": ["dead"], "erased": ["dropped"], "rejected": ["dead"]}[fate]
        world.post(1000)
        await world.until(lambda: 1000 in client.delivered_at, seconds=10)
        assert client.times[1000][0] >= answered + 1.9

    run(play)


def test_pushes_that_end_unsent_take_no_rate_token() -> None:
    async def play() -> None:
        client = Client(lambda *_: Answer(status=200))
        world = World(destination(rate_limit=RateLimit(requests=2, per=1.0)), client)
        world.post(*range(20), age=3600.0)
        world.post(99)
        await world.until(lambda: 99 in client.delivered_at, seconds=0.5)
        assert world.ended("dead") == 20

    run(play)


@pytest.mark.parametrize("count", [1, 6])
def test_a_retry_after_beyond_max_age_leads_to_one_last_attempt_at_its_end(count: int) -> None:
    async def play() -> None:
        client = Client(lambda *_: Answer(status=429, retry_after=999_999_999.0))
        world = World(destination(retry=Retry(max_age=3600.0, jitter=0.0)), client)
        world.post(*range(count))
        await world.until(lambda: world.ended("dead") == count, seconds=3700, what="they are dead")
        assert [client.requests[mark] for mark in range(count)] == [2] * count
        assert all(3590 < client.times[mark][1] < 3601 for mark in range(count))

    run(play)


def test_the_last_attempt_can_deliver() -> None:
    async def play() -> None:
        client = Client(lambda _, now: Answer(status=429, retry_after=3600.0) if now < 60 else Answer(status=200))
        world = World(destination(retry=Retry(max_age=300.0, jitter=0.0)), client)
        world.post(*range(6))
        await world.until(lambda: world.ended("delivered") == 6, seconds=310)

    run(play)
