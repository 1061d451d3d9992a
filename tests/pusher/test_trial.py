"""Try now: one immediate attempt of a waiting push, in order, and never two at once on a lane."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pusher.rig import Rig, open_rig
from support.deadline import until
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination, RateLimit, Retry
from trackpush_server.journal.model import PageRequest
from trackpush_server.pusher import budget as bounds
from trackpush_server.pusher.trial import CannotTryError

HOURS = Retry(schedule=(3600.0,), max_age=86400.0, jitter=0.0)
OMS = "acme/oms"


class Client:
    """Answers what the test says, from then on."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def __call__(self, arrival: Arrival) -> int:
        del arrival
        return self.status


async def attempts(sink: Sink, count: int) -> None:
    await until(lambda: len(sink.arrivals) == count, seconds=10, what=lambda: f"{len(sink.arrivals)} of {count}")


async def pending(rig: Rig) -> list[int]:
    """The update ids of the pending pushes on disk."""
    await rig.journal.pushes.flush()
    (page,) = await rig.journal.pushes.pending([PageRequest(OMS, after=0, limit=100)])
    return [push.update_id for push in page.pushes]


async def attempted(rig: Rig, sink: Sink, count: int) -> None:
    """Wait until so many attempts have ended."""
    await attempts(sink, count)
    await until(lambda: len(rig.seen.attempts) == count, seconds=10, what="the answers")
    await rig.journal.pushes.flush()


async def try_now(rig: Rig, update_id: int) -> None:
    """Try, and wait for the end of the attempt."""
    ended = await rig.dispatcher.try_now(OMS, update_id)
    await asyncio.wait_for(ended.wait(), 10)
    await rig.journal.pushes.flush()


async def test_a_push_that_waits_for_its_retry_is_tried_at_once(tmp_path: Path) -> None:
    client = Client(503)
    async with open_sink(client) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(1)
        await attempted(rig, sink, 1)
        (waiting,) = await pending(rig)
        client.status = 200
        await try_now(rig, waiting)
        assert len(sink.arrivals) == 2
        assert len({arrival.webhook_id for arrival in sink.arrivals}) == 1
        assert await pending(rig) == []


async def test_a_trial_that_fails_counts_and_the_push_waits_for_its_next_retry(tmp_path: Path) -> None:
    async with open_sink(Client(503)) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(1)
        await attempted(rig, sink, 1)
        (waiting,) = await pending(rig)
        await try_now(rig, waiting)
        (page,) = await rig.journal.pushes.pending([PageRequest(OMS, after=0, limit=1)])
        assert page.pushes[0].tries == 2
        assert page.pushes[0].due_at > 0
        assert len(sink.arrivals) == 2


async def test_the_retry_that_was_planned_before_a_trial_does_not_come_early(tmp_path: Path) -> None:
    client = Client(503)
    quick_then_slow = Retry(schedule=(0.3, 3600.0), max_age=86400.0, jitter=0.0)
    async with open_sink(client) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=quick_then_slow))
        await rig.post(1)
        await attempted(rig, sink, 1)
        (waiting,) = await pending(rig)
        await try_now(rig, waiting)  # before the retry after 0.3 s; the next one is an hour later
        await rig.post(2)  # its own retry comes after the one that must not come
        await attempted(rig, sink, 4)
        assert [arrival.mark for arrival in sink.arrivals].count(1) == 2


async def test_a_trial_through_an_open_breaker_closes_it_and_the_others_follow(tmp_path: Path) -> None:
    client = Client(503)
    async with open_sink(client) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(*range(8))
        await until(lambda: (OMS, "open") in rig.seen.changes, seconds=10, what="the breaker opens")
        await until(lambda: len(rig.seen.attempts) == len(sink.arrivals), seconds=10, what="the answers")
        client.status = 200
        await try_now(rig, (await pending(rig))[0])
        await until(lambda: {mark for _, mark in rig.seen.ends} == {"delivered"}, seconds=10, what="one is delivered")
        await until(lambda: len(rig.seen.ends) == 8, seconds=10, what=lambda: f"{len(rig.seen.ends)} of 8")


async def test_a_push_behind_another_of_its_shipment_is_refused_with_the_id_of_that_one(tmp_path: Path) -> None:
    async with open_sink(Client(503)) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(1, 2, shipment="S")
        await attempted(rig, sink, 1)
        first, second = await pending(rig)
        with pytest.raises(CannotTryError, match=sink.arrivals[0].webhook_id):
            await rig.dispatcher.try_now(OMS, second)
        await try_now(rig, first)
        assert [arrival.mark for arrival in sink.arrivals] == [1, 1]


async def test_two_trials_at_once_make_one_attempt(tmp_path: Path) -> None:
    gate = asyncio.Event()
    answers = [503]

    async def behaviour(arrival: Arrival) -> int:
        del arrival
        if answers:
            return answers.pop()
        await gate.wait()
        return 200

    async with open_sink(behaviour) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(1)
        await attempted(rig, sink, 1)
        (waiting,) = await pending(rig)
        both = await asyncio.gather(*(rig.dispatcher.try_now(OMS, waiting) for _ in range(2)), return_exceptions=True)
        assert sorted(isinstance(result, CannotTryError) for result in both) == [False, True]
        with pytest.raises(CannotTryError, match="in progress"):
            await rig.dispatcher.try_now(OMS, waiting)
        gate.set()
        await until(lambda: rig.seen.ends == [(OMS, "delivered")], seconds=10, what="the delivery")
        assert len(sink.arrivals) == 2


async def test_a_push_that_is_only_on_disk_is_tried_and_the_next_of_its_shipment_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "WAITING", 1)  # the second that waits is parked
    client = Client(503)
    async with open_sink(client) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        for shipment in ("A", "B"):
            await rig.post(1, 2, shipment=shipment)
        await attempted(rig, sink, 2)
        on_disk = [update_id for update_id in await pending(rig) if not known(rig, update_id)]
        assert on_disk, "none is on disk only"
        client.status = 200
        await try_now(rig, on_disk[0])
        await until(lambda: len(rig.seen.ends) == 2, seconds=15, what="the next of its shipment")
        delivered = sink.arrivals[2:]
        assert len(delivered) == 2
        assert [arrival.mark for arrival in delivered] == [1, 2]


def known(rig: Rig, update_id: int) -> bool:
    """Whether memory has the push."""
    return update_id in rig.dispatcher._channels[OMS]._window.lanes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rig, sink: rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS, suspended=True)), "is suspended"),
        (lambda rig, _: rig.apply(), "not in the served configuration"),
        (
            lambda rig, sink: rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS), suspended_account=True),
            "account",
        ),
    ],
)
async def test_a_push_that_somebody_stopped_is_refused(
    tmp_path: Path, change: Callable[[Rig, Sink], None], reason: str
) -> None:
    async with open_sink(Client(503)) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(1)
        await attempted(rig, sink, 1)
        (waiting,) = await pending(rig)
        change(rig, sink)
        with pytest.raises(CannotTryError, match=reason.replace("account", "AggregatorWebhook acme/clickpost")):
            await rig.dispatcher.try_now(OMS, waiting)
        assert len(sink.arrivals) == 1


async def test_an_ended_push_is_refused(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url))
        await rig.post(1)
        await until(lambda: bool(rig.seen.ends), seconds=10, what="the delivery")
        with pytest.raises(CannotTryError, match="not pending"):
            await rig.dispatcher.try_now(OMS, 1)
        assert len(sink.arrivals) == 1


async def test_a_trial_goes_past_the_rate_limit(tmp_path: Path) -> None:
    slow = RateLimit(requests=1, per=3600.0)
    async with open_sink() as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, rate_limit=slow))
        await rig.post(1, 2)
        await attempted(rig, sink, 1)
        await try_now(rig, (await pending(rig))[0])
        assert len(sink.arrivals) == 2


async def test_a_reopened_endpoint_gets_its_pushes(tmp_path: Path) -> None:
    client = Client(410)
    async with open_sink(client) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(1)
        await until(lambda: (OMS, "gone") in rig.seen.changes, seconds=10, what="the endpoint is gone")
        await rig.post(2)
        (waiting, _) = await pending(rig)
        with pytest.raises(CannotTryError, match="reopen it first"):
            await rig.dispatcher.try_now(OMS, waiting)
        client.status = 200
        assert rig.dispatcher.reopen(OMS)
        await until(lambda: len(rig.seen.ends) == 2, seconds=10, what="both deliveries")
        assert not rig.dispatcher.reopen(OMS), "it is not gone"
        assert not rig.dispatcher.reopen("acme/none")


async def test_an_endpoint_that_answers_410_again_is_gone_again(tmp_path: Path) -> None:
    async with open_sink(Client(410)) as sink, open_rig(tmp_path) as rig:
        rig.apply(Destination(name=OMS, url=sink.url, retry=HOURS))
        await rig.post(1)
        await until(lambda: rig.seen.changes.count((OMS, "gone")) == 1, seconds=10, what="gone")
        rig.dispatcher.reopen(OMS)
        await until(lambda: rig.seen.changes.count((OMS, "gone")) == 2, seconds=10, what="gone again")
        assert len(sink.arrivals) == 2
