"""A push that the client rejects never keeps another from being tried, whatever the mix. In virtual time."""

import random

import pytest

from pusher.virtual import OMS, Client, World, run
from support.examples import examples
from trackpush_api.routing import Destination, Retry
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher.budget import MOST, WAITING, WINDOW

SCHEDULES = ((0.05,), (1.0,), (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 21600.0), (3600.0,))
PUSH_STATUSES = (400, 404, 409, 413, 422)
LONG = 72 * 3600.0
MOST_HELD = WINDOW + 2 * WAITING + 512
"""In memory: what could be sent, what waits, what waited and is ready again, and a page of each cursor."""
MANY = examples(3_000)
"""More than one page, and in `make test` more than may be in memory."""


def destination(
    schedule: tuple[float, ...] = Retry().schedule, max_age: float = LONG, **options: object
) -> Destination:
    retry = Retry(schedule=schedule, max_age=max_age, jitter=0.0)
    return Destination(name=OMS, url="http://127.0.0.1:9/", retry=retry, **options)  # type: ignore[arg-type]


def refusing(bad: frozenset[int], status: int = 422) -> Client:
    return Client(lambda mark, _: Answer(status=status if mark in bad else 200))


@pytest.mark.parametrize("seed", range(examples(24)))
def test_each_acceptable_push_is_delivered_soon_whatever_the_mix_the_order_and_the_schedule(seed: int) -> None:
    """The bound: a few seconds, and the time that one attempt for each push before it takes."""
    print(f"seed {seed}")  # noqa: T201 - to replay a failure
    chance = random.Random(seed)  # noqa: S311 - drives a model, keeps no secret
    count = chance.choice((30, 200, 600))
    share = chance.choice((0.05, 0.3, 0.9, 0.99))
    bad = frozenset(mark for mark in range(count) if chance.random() < share)
    status = {mark: chance.choice(PUSH_STATUSES) for mark in bad}
    order = sorted(range(count), key=chance.choice((lambda mark: mark not in bad, lambda mark: mark in bad, hash)))
    if chance.random() < 0.5:
        chance.shuffle(order)
    shipments = chance.choice((count, count, 20))

    async def play() -> None:
        client = Client(lambda mark, _: Answer(status=status.get(mark, 200)), chance.choice((0.001, 0.02, 0.2)))
        options = {"max_concurrency": chance.choice((1, 16)), "ordered": shipments == count}
        world = World(destination(chance.choice(SCHEDULES), **options), client)
        posted: dict[int, float] = {}
        place = 0
        while place < len(order):
            batch = order[place : place + chance.choice((1, 10, 400))]
            place += len(batch)
            for mark in batch:
                posted[mark] = world.wall()
                world.post(mark, shipment=f"s-{mark % shipments}")
            if chance.random() < 0.7:
                pause = chance.choice((0.0, 0.5, 40.0)) if place < count / 2 else 0.0
                begun = world.wall()
                await world.until(lambda b=begun, p=pause: world.wall() - b >= p, seconds=60)  # type: ignore[misc]
        good = [mark for mark in range(count) if mark not in bad]
        bound = 10.0 + 2 * count * client.latency
        await world.until(lambda: all(mark in client.delivered_at for mark in good), seconds=bound, what="delivered")
        assert all(client.requests[mark] == 1 for mark in good)
        assert world.most_in_memory <= MOST_HELD

    run(play)


@pytest.mark.parametrize("rejected", [50, MANY])
@pytest.mark.parametrize("status", [422, 401])
def test_a_good_push_is_delivered_in_the_same_time_however_many_rejected_ones_wait(rejected: int, status: int) -> None:
    bad = frozenset(range(rejected))

    async def play() -> None:
        client = refusing(bad, status)
        world = World(destination(), client)
        world.post(*range(rejected))
        await world.until(lambda: len(client.requests) == rejected, seconds=3600, what="each was tried")
        world.post(*range(rejected, rejected + 20))
        good = range(rejected, rejected + 20)
        await world.until(lambda: all(mark in client.delivered_at for mark in good), seconds=8, what="delivered")

    run(play)


@pytest.mark.slow
def test_memory_is_bounded_and_rejected_pushes_are_dead_after_their_tries() -> None:
    """A tenth of the orders is rejected for good, and the first 2,000."""
    count = 6_000

    async def play() -> None:
        client = Client(lambda mark, _: Answer(status=422 if mark % 10 == 3 or mark < 2000 else 200), 0.002)
        world = World(destination(), client)
        for first in range(0, count, 500):
            world.post(*range(first, first + 500))
            await world.until(lambda f=first: world.journal.pushes.keys().isdisjoint({f}) or True, seconds=1)
        good = sum(1 for mark in range(count) if not (mark % 10 == 3 or mark < 2000))
        await world.until(lambda: len(client.delivered_at) == good, seconds=300, what="all good ones")
        assert world.channel.spilled
        world.post(count)
        await world.until(lambda: count in client.delivered_at, seconds=8, what="one more")
        await world.until(lambda: not world.journal.pushes, seconds=3600 * 3, what="all ended")
        assert world.ended("dead") == count - good
        assert world.most_in_memory <= MOST_HELD < MOST
        assert set(client.requests.values()) <= set(range(1, 9))

    run(play)


def test_when_everything_is_rejected_the_breaker_opens_and_nothing_uses_up_its_tries() -> None:
    repaired = False

    async def play() -> None:
        nonlocal repaired
        client = Client(lambda *_: Answer(status=200 if repaired else 401))
        world = World(destination((1.0,)), client)
        repaired = True
        world.post(1000)
        await world.until(lambda: 1000 in client.delivered_at, seconds=5)
        repaired = False
        world.post(*range(200))
        await world.until(lambda: world.channel.breaker == "open", seconds=5, what="open")
        begun = world.wall()
        await world.until(lambda: world.wall() - begun > 24 * 3600, seconds=LONG)
        assert world.ended("dead") == 0
        assert sum(client.requests.values()) < 200 + 24 * 60 * 2, "about one probe a minute"
        repaired = True
        await world.until(lambda: len(client.delivered_at) == 201, seconds=90, what="all delivered")
        assert world.channel.breaker == "closed"

    run(play)


@pytest.mark.parametrize("status", [400, 422])
def test_a_push_that_is_rejected_among_others_is_dead_after_six_tries_while_the_breaker_is_open(status: int) -> None:
    """Its rejections are proven; then the endpoint starts to reject everything else with 401."""
    broken = False

    async def play() -> None:
        nonlocal broken
        client = Client(lambda mark, _: Answer(status=status if mark < 5 else 401 if broken else 200))
        world = World(destination((30.0,)), client)
        world.post(*range(5))
        world.post(*range(10, 15))
        await world.until(lambda: all(client.requests[mark] >= 1 for mark in range(5)), seconds=5)
        begun = world.wall()
        await world.until(lambda: all(client.requests[mark] >= 2 for mark in range(5)), seconds=40)
        assert world.wall() - begun > 20
        broken = True
        world.post(*range(100, 120))
        await world.until(lambda: world.channel.breaker == "open", seconds=5, what="open")
        await world.until(lambda: world.ended("dead") == 5, seconds=600, what="the rejected ones are dead")
        assert [client.requests[mark] for mark in range(5)] == [6] * 5
        assert world.channel.breaker == "open"

    run(play)


def test_a_shipment_keeps_its_order_when_its_lane_is_parked() -> None:
    """Far more shipments wait than may wait in memory; each is rejected a few times, then accepted."""
    count = WAITING + max(256, examples(WAITING) // 256 * 256)

    async def play() -> None:
        arrived: list[int] = []

        def behave(mark: int, now: float) -> Answer:
            del now
            if mark < count and client.requests[mark] < 3:
                return Answer(status=422)
            arrived.append(mark)
            return Answer(status=200)

        client = Client(behave, 0.001)
        world = World(destination((20.0,)), client)
        other = 10 * count
        for first in range(0, count, 256):
            for mark in range(first, first + 256):
                world.post(mark, shipment=f"s-{mark}")
            world.post(other)
            other += 1
            begun = world.wall()
            await world.until(lambda b=begun: world.wall() - b > 0.2, seconds=2)  # type: ignore[misc]
        for mark in range(count):
            world.post(count + mark, shipment=f"s-{mark}")
        await world.until(lambda: not world.journal.pushes, seconds=600, what="all delivered")
        place = {mark: number for number, mark in enumerate(arrived)}
        assert all(place[mark] < place[count + mark] for mark in range(count)), "no later update overtakes"
        assert world.most_in_memory <= MOST_HELD

    run(play)


def test_an_outage_with_rejected_pushes_waiting_ends_for_all() -> None:
    """The client is down for five minutes while rejected pushes wait; good ones that failed then are delivered."""
    down = False

    async def play() -> None:
        nonlocal down
        client = Client(lambda mark, _: Answer(status=503 if down else 422 if mark < MANY else 200))
        world = World(destination(), client)
        world.post(*range(MANY))
        await world.until(lambda: len(client.requests) == MANY, seconds=600)
        down = True
        world.post(*range(10_000, 10_100))
        begun = world.wall()
        await world.until(lambda: world.wall() - begun > 300, seconds=400)
        down = False
        await world.until(lambda: len(client.delivered_at) == 100, seconds=90, what="delivered after the outage")

    run(play)


@pytest.mark.parametrize("proven", [False, True])
def test_a_restart_and_an_outage_with_rejected_pushes_waiting_end_for_all(proven: bool) -> None:  # noqa: FBT001
    """The server starts while the client is down, with rejected pushes that were tried before and fail now."""
    rejected = MANY * 2 // 3
    down = False

    async def play() -> None:
        nonlocal down
        client = Client(lambda mark, _: Answer(status=503 if down else 422 if mark < rejected else 200))
        before = World(destination(), client)
        before.post(*range(rejected))
        await before.until(lambda: len(client.requests) == rejected, seconds=600)
        if proven:
            before.post(5000)
            await before.until(lambda: sum(client.requests.values()) > rejected * 9 // 4, seconds=300)
        await before.dispatcher.stop(grace=1.0)
        down = True
        world = World(destination(), client, before.journal)
        world.post(*range(10_000, 10_020))
        await world.until(lambda: world.channel.breaker == "open", seconds=30)
        await world.sleep(60)
        down = False
        good = range(10_000, 10_020)
        await world.until(lambda: all(mark in client.delivered_at for mark in good), seconds=90, what="delivered")
        begun = world.wall()
        world.post(20_000)
        await world.until(lambda: 20_000 in client.delivered_at, seconds=20, what="one more")
        assert world.wall() - begun < 10

    run(play)
