"""An endpoint that fails is reported within a minute, whatever the schedule, and until the next delivery."""

import asyncio
from pathlib import Path

import pytest

from pusher.rig import open_rig
from pusher.virtual import OMS, Client, World, run
from support.deadline import until
from support.sink import open_sink
from trackpush_api.routing import Destination, Retry, TlsMaterial
from trackpush_server.admin.undelivered import undelivered
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher.endpoint import REPORT_AFTER
from trackpush_server.pusher.observer import Trouble

DEFAULT = Destination(name=OMS, url="http://127.0.0.1:9/", retry=Retry(jitter=0.0))
ANSWERS = [Answer(status=401), Answer(status=422), Answer(status=503), Answer(failure=Failure.TIMEOUT)]


def trouble(world: World) -> Trouble | None:
    (found,) = world.dispatcher.troubles() or (None,)
    assert (found is None) == (world.channel.failing_since is None), "all who report it agree"
    return found


@pytest.mark.parametrize("answer", ANSWERS)
def test_one_push_that_fails_is_reported_after_30_seconds_until_one_is_delivered(answer: Answer) -> None:
    async def play() -> None:
        client = Client(lambda mark, _: answer if mark == 1 else Answer(status=200))
        world = World(DEFAULT, client)
        world.post(1)
        begun = world.wall()
        await world.until(lambda: trouble(world) is not None, seconds=40)
        assert REPORT_AFTER <= world.wall() - begun < REPORT_AFTER + 2
        assert world.channel.breaker == "closed"
        await asyncio.sleep(4 * 3600)
        found = trouble(world)
        assert found is not None
        assert found.since == pytest.approx(begun, abs=0.1)
        world.post(2)
        await world.until(lambda: trouble(world) is None, seconds=2 if world.channel.breaker == "closed" else 90)

    run(play)


def test_it_is_reported_from_the_first_failure_on_also_after_the_breaker_opened() -> None:
    async def play() -> None:
        world = World(DEFAULT, Client(lambda *_: Answer(status=503)))
        world.post(1)
        begun = world.wall()
        await asyncio.sleep(20)
        world.post(*range(2, 20))
        await world.until(lambda: world.channel.breaker == "open", seconds=5)
        found = trouble(world)
        assert found is not None
        assert found.is_open
        assert found.since == pytest.approx(begun, abs=0.1)

    run(play)


def test_a_failure_that_no_retry_can_fix_is_reported_at_once() -> None:
    async def play() -> None:
        world = World(DEFAULT, Client(lambda *_: Answer(failure=Failure.DENIED, detail="a private address")))
        world.post(1)
        await world.until(lambda: trouble(world) is not None, seconds=0.5)

    run(play)


def test_a_push_that_is_proven_to_be_bad_says_nothing_of_its_endpoint() -> None:
    async def play() -> None:
        client = Client(lambda mark, _: Answer(status=422 if mark == 1 else 200))
        world = World(DEFAULT, client)
        world.post(1)
        await asyncio.sleep(1)
        world.post(2)
        for _ in range(300):
            await asyncio.sleep(10)
            assert trouble(world) is None
        assert world.ended("dead") == 1

    run(play)


@pytest.mark.parametrize("answer", ANSWERS)
def test_after_a_restart_it_is_reported_before_the_next_attempt(answer: Answer) -> None:
    async def play() -> None:
        before = World(DEFAULT, Client(lambda *_: answer))
        before.post(1)
        await asyncio.sleep(3600)
        after = World(DEFAULT, Client(lambda *_: Answer(status=200)), before.journal)
        await after.until(lambda: trouble(after) is not None, seconds=1)
        await after.until(lambda: after.ended("delivered") == 1, seconds=7200)
        assert trouble(after) is None

    run(play)


@pytest.mark.parametrize(
    ("destination", "cause"),
    [
        (Destination(name=OMS, url="https://user:pw@127.0.0.1:47191/hook"), "denied"),
        (Destination(name=OMS, url="http://10.1.2.3/hook"), "denied"),
        (Destination(name=OMS, url="https://sink/", tls=TlsMaterial(ca="no certificate")), "tls"),
    ],
)
async def test_what_cannot_work_is_reported_by_the_real_transport_at_once(
    tmp_path: Path, destination: Destination, cause: str
) -> None:
    async with open_sink() as sink:
        url = destination.url.replace("https://sink/", sink.url.replace("http:", "https:"))
        destination = Destination(name=OMS, url=url, tls=destination.tls)
        async with open_rig(tmp_path, destination) as rig:
            await rig.post(1)
            await until(lambda: bool(rig.dispatcher.troubles()), seconds=10, what="it is reported")
            (found,) = undelivered(rig.dispatcher.troubles(), {}).push_configs
            assert (found.reason, cause in found.message, "No retry can help" in found.message) == (
                "EndpointFailing",
                True,
                True,
            )
