"""The dispatcher where other replicas take part: what is sent from here, what is cut, and what must not overtake."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from journal.stores import page_of
from pusher.rig import QUICK, Rig, Shared, open_rig
from support.deadline import until
from support.sink import Arrival, Sink, hang, open_sink
from trackpush_api.routing import Destination, Egress, RateLimit, Retry
from trackpush_server.journal.model import Committed, PageRequest, PendingPage, StoredPush
from trackpush_server.journal.slots import slot_of
from trackpush_server.journal.sqlite.pending import SqlitePushQueue
from trackpush_server.outbound.port import Answer, Failure

OMS = "acme/oms"
LATER = Retry(schedule=(3600.0,), max_age=72 * 3600.0, jitter=0.0)


def to(sink: Sink, name: str = OMS, **options: object) -> Destination:
    return msgspec.structs.replace(Destination(name=name, url=sink.url, retry=QUICK), **options)


async def on_disk(rig: Rig) -> list[StoredPush]:
    await rig.journal.pushes.flush()
    return list((await page_of(rig.journal, OMS, after=0, limit=100)).pushes)


def marks(sink: Sink) -> list[int | None]:
    return [arrival.mark for arrival in sink.arrivals]


async def store_elsewhere(rig: Rig, mark: int, shipment: str | None = None, to: Sequence[str] = (OMS,)) -> int:
    """As another replica would: it is committed, and nobody here is told. The id of the update."""
    committed: list[Committed] = []
    rig.accept = committed.extend
    await rig.post(mark, shipment=shipment, to=to)
    rig.accept = rig.dispatcher.accept
    return committed[0].update_id


async def post_behind(rig: Rig, behind: int, mark: int, shipment: str | None = None) -> None:
    """Store one here whose shipment has an earlier push that another replica stored."""

    def accept(committed: Sequence[Committed]) -> None:
        rig.dispatcher.accept([msgspec.structs.replace(commit, behind=behind) for commit in committed])

    rig.accept = accept
    await rig.post(mark, shipment=shipment)
    rig.accept = rig.dispatcher.accept


async def test_pushes_of_a_slot_that_is_elsewhere_wait_on_disk_until_it_is_gained(tmp_path: Path) -> None:
    ownership = Shared(held=())
    async with open_sink() as sink, open_rig(tmp_path, to(sink, max_concurrency=1), ownership=ownership) as rig:
        await rig.post(*range(20))
        await rig.journal.pushes.flush()
        assert (marks(sink), rig.dispatcher.snapshot()) == ([], ())
        ownership.take(OMS)
        await rig.post(20)
        await rig.until_ended(21)
        assert marks(sink) == list(range(21))
        assert rig.seen.changes == [], "the endpoint's state did not change"


async def test_a_push_config_that_is_new_or_changed_stays_elsewhere(tmp_path: Path) -> None:
    ownership = Shared(held=())
    async with open_sink() as sink, open_rig(tmp_path, to(sink), ownership=ownership) as rig:
        rig.apply(to(sink, timeout=5.0))
        rig.apply(to(sink), to(sink, "acme/new"))
        rig.apply(to(sink, "acme/new"))
        rig.apply(to(sink), to(sink, "acme/new"))
        await rig.post(1, to=(OMS, "acme/new"))
        assert rig.dispatcher.snapshot() == ()
        ownership.take("acme/new")
        await rig.until_ended(1)
        assert rig.seen.ends == [("acme/new", "delivered")]


async def test_a_lost_slot_cuts_attempts_at_once_and_counts_no_try(tmp_path: Path) -> None:
    ownership = Shared()
    async with open_sink(hang) as sink, open_rig(tmp_path, to(sink, timeout=60.0), ownership=ownership) as rig:
        await rig.post(1, 2)
        await until(lambda: len(sink.arrivals) == 2, seconds=10, what="two attempts")
        ownership.lose(OMS)
        ownership.take(OMS)
        await until(lambda: len(sink.arrivals) == 4, seconds=10, what="both again")
        assert [push.tries for push in await on_disk(rig)] == [0, 0]
        assert (rig.seen.attempts, rig.seen.failures) == ([], [])
        assert rig.channel().in_flight == 2


async def test_a_process_that_was_paused_sends_nothing_when_it_wakes_up(tmp_path: Path) -> None:
    """Then nobody has told it yet that its time was up: the last question before the bytes tells."""
    ownership = Shared()
    async with open_sink() as sink, open_rig(tmp_path, to(sink), ownership=ownership) as rig:
        await rig.post(1)
        await rig.until_ended(1)
        ownership.held.clear()
        await rig.post(2, 3)
        await until(lambda: rig.dispatcher.snapshot() == (), seconds=10, what="it was stopped")
        assert [(push.tries, push.due_at) for push in await on_disk(rig)] == [(0, 0), (0, 0)]
        assert marks(sink) == [1]
        ownership.lose(OMS)
        ownership.take(OMS)
        await rig.until_ended(3)
        assert sorted(sink.marks) == [1, 2, 3]


async def test_a_slot_that_is_wanted_is_released_when_its_outcomes_are_on_disk(tmp_path: Path) -> None:
    answer = asyncio.Event()

    async def wait(arrival: Arrival) -> int:
        await answer.wait()
        return 200 if arrival.mark == 1 else 503

    ownership = Shared()
    async with open_sink(wait) as sink:
        destination = to(sink, max_concurrency=2, retry=LATER)
        async with open_rig(tmp_path, destination, ownership=ownership) as rig:
            await rig.post(1, 2, 3)
            await until(lambda: len(sink.arrivals) == 2, seconds=10, what="two attempts")
            ownership.listener.on_wanted(frozenset({slot_of(OMS), slot_of("beta/oms")}))
            await until(lambda: ownership.released == [slot_of("beta/oms")], seconds=10, what="the idle one at once")
            waiting: list[int] = []
            ownership.on_release = lambda: waiting.append(rig.journal.outcomes_waiting)
            answer.set()
            await until(lambda: slot_of(OMS) in ownership.released, seconds=10, what="its release")
            assert waiting == [0]
            left = await on_disk(rig)
            assert [(push.tries, push.due_at > 0) for push in left] == [(1, True), (0, False)]
            assert sorted(marks(sink)) == [1, 2], "nothing new was started"


async def test_a_slot_that_is_gained_again_while_it_is_handed_over_stays(tmp_path: Path) -> None:
    ownership = Shared()
    async with open_sink(hang) as sink, open_rig(tmp_path, to(sink, timeout=60.0), ownership=ownership) as rig:
        await rig.post(1)
        await until(lambda: len(sink.arrivals) == 1, seconds=10, what="the attempt")
        ownership.listener.on_wanted(frozenset({slot_of(OMS)}))
        ownership.lose(OMS)
        ownership.take(OMS)
        await until(lambda: len(sink.arrivals) == 2, seconds=10, what="it is sent again")

        async def accept(_: Arrival) -> int:
            return 200

        sink.behaviour = accept
        await rig.post(2)
        await rig.until_ended(1)
        ownership.lose(OMS)
        ownership.take(OMS)
        await rig.until_ended(2)
        ownership.listener.on_wanted(frozenset({slot_of("beta/oms")}))
        await until(lambda: ownership.released == [slot_of("beta/oms")], seconds=10, what="the other one alone")


async def test_the_end_hands_over_each_slot_as_soon_as_it_is_idle(tmp_path: Path) -> None:
    ownership = Shared()
    async with open_sink(hang) as sink, open_rig(tmp_path, to(sink, timeout=60.0), ownership=ownership) as rig:
        await rig.post(1)
        await until(lambda: len(sink.arrivals) == 1, seconds=10, what="the attempt")
        stopping = asyncio.create_task(rig.dispatcher.stop(grace=1.0))
        await until(lambda: len(ownership.released) == 127, seconds=10, what="all others are released")
        assert not stopping.done()
        await stopping
        assert ownership.held == {slot_of(OMS)}, "the rest goes when its outcomes are on disk"


async def test_what_another_replica_stored_is_read_and_sent_in_order(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink, max_concurrency=1), ownership=Shared()) as rig:
        await rig.post(0)
        await rig.until_ended(1)
        first = await store_elsewhere(rig, 1)
        await store_elsewhere(rig, 2)
        rig.dispatcher.elsewhere(OMS, first)
        await rig.until_ended(3)
        rig.dispatcher.elsewhere("nobody/here", first)
        assert marks(sink) == [0, 1, 2]


async def test_what_others_stored_for_several_push_configs_is_read_by_one_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"acme/p-{number}" for number in range(10)]
    statements: list[list[str]] = []
    pending = SqlitePushQueue.pending

    async def counted(queue: SqlitePushQueue, wanted: Sequence[PageRequest]) -> tuple[PendingPage, ...]:
        statements.append([request.push_config for request in wanted])
        return await pending(queue, wanted)

    async with (
        open_sink() as sink,
        open_rig(tmp_path, *(to(sink, name) for name in names), ownership=Shared()) as rig,
    ):
        await rig.post(0, to=names)
        await rig.until_ended(10)
        monkeypatch.setattr(SqlitePushQueue, "pending", counted)
        stored = [await store_elsewhere(rig, number, to=[name]) for number, name in enumerate(names, 1)]
        for name, update_id in zip(names, stored, strict=True):
            rig.dispatcher.elsewhere(name, update_id)
        await rig.until_ended(20)
    assert statements == [names]
    assert sink.marks == set(range(11))


async def test_an_update_never_overtakes_one_that_another_replica_stored_before(tmp_path: Path) -> None:
    """Its news is slow, and the one before it is in memory already."""
    gate = asyncio.Event()

    async def wait(_: Arrival) -> int:
        await gate.wait()
        return 200

    async with open_sink(wait) as sink, open_rig(tmp_path, to(sink), ownership=Shared()) as rig:
        first = await store_elsewhere(rig, 1, "one")
        rig.dispatcher.elsewhere(OMS, first)
        await until(lambda: len(sink.arrivals) == 1, seconds=10, what="the first is under way")
        second = await store_elsewhere(rig, 2, "one")
        await post_behind(rig, second, 3, "one")
        gate.set()
        await rig.until_ended(3)
        rig.dispatcher.elsewhere(OMS, second)
        await rig.post(4)
        await rig.until_ended(4)
        assert marks(sink) == [1, 2, 3, 4]


async def test_news_of_another_replica_that_outruns_a_commit_of_our_own_loses_neither(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink), ownership=Shared()) as rig:
        held_back: list[Committed] = []
        await rig.post(0)
        await rig.until_ended(1)
        rig.accept = held_back.extend
        await rig.post(1)
        rig.accept = rig.dispatcher.accept
        other = await store_elsewhere(rig, 2)
        rig.dispatcher.elsewhere(OMS, other)
        rig.dispatcher.accept(held_back)
        await rig.until_ended(3)
        await rig.post(3)
        await rig.until_ended(4)
        assert sorted(marks(sink)) == [0, 1, 2, 3], "each once"


async def test_a_backlog_beyond_memory_passes_over_nothing_that_others_stored(tmp_path: Path) -> None:
    """The window is full while some of another replica stand between ours, and the news of them comes late."""
    gate = asyncio.Event()

    async def wait(_: Arrival) -> int:
        await gate.wait()
        return 200

    async with open_sink(wait) as sink:
        destination = to(sink, timeout=60.0)
        async with open_rig(tmp_path, destination, ownership=Shared()) as rig:
            await rig.post(0)
            await until(lambda: len(sink.arrivals) == 1, seconds=10, what="the first is under way")
            other = await store_elsewhere(rig, 1, "between")
            await rig.post(*range(2, 1200))
            assert rig.channel().spilled
            await post_behind(rig, other, 1200, "between")
            gate.set()
            await rig.until_ended(1201)
            found = [mark for mark in marks(sink) if mark in {1, 1200}]
            assert (found, len(sink.marks)) == ([1, 1200], 1201)


class HeldSender:
    """A transport and its sender whose answers the test gives."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[Answer]] = []

    def sender(self, destination: Destination, egress: Egress) -> "HeldSender":
        del destination, egress
        return self

    def post(self, headers: bytes, body: bytes) -> asyncio.Future[Answer]:
        del headers, body
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    async def close(self) -> None:
        for answer in self.answers:
            if not answer.done():
                answer.set_result(Answer(failure=Failure.RESET))


async def test_a_delivery_is_stored_even_if_its_slot_is_lost_at_that_moment(tmp_path: Path) -> None:
    ownership, transport = Shared(), HeldSender()
    destination = Destination(name=OMS, url="http://127.0.0.1:9/", retry=QUICK)
    async with open_rig(tmp_path, destination, ownership=ownership, transport=transport) as rig:
        await rig.post(1, 2)
        await until(lambda: len(transport.answers) == 2, seconds=10, what="two attempts")
        delivered, refused = transport.answers
        delivered.set_result(Answer(status=200))
        refused.set_result(Answer(status=500))
        ownership.lose(OMS)
        await asyncio.sleep(0)
        assert [(push.update_id, push.tries) for push in await on_disk(rig)] == [(2, 0)]


async def test_a_slot_that_changes_hands_starts_with_a_full_bucket_and_a_closed_breaker(tmp_path: Path) -> None:
    """So a hand-over lets a client get a tenth of its rate limit more, at least one push: the stated tolerance."""

    async def down(_: Arrival) -> int:
        return 500

    ownership = Shared()
    limit = RateLimit(requests=50, per=36000.0)
    async with open_sink() as sink, open_rig(tmp_path, to(sink, rate_limit=limit), ownership=ownership) as rig:
        await rig.post(*range(20))
        await rig.until_ended(5)
        ownership.lose(OMS)
        ownership.take(OMS)
        await rig.until_ended(10)
        sink.behaviour = down
        rig.apply(to(sink))
        await rig.until_breaker("open")
        ownership.lose(OMS)
        ownership.take(OMS)
        assert rig.channel().breaker == "closed"
        assert rig.channel().consecutive_failures == 0


async def test_an_endpoint_that_fails_during_a_hand_over_is_not_probed_from_here(tmp_path: Path) -> None:
    answer = asyncio.Event()

    async def down(_: Arrival) -> int:
        await answer.wait()
        return 500

    ownership = Shared()
    async with open_sink(down) as sink, open_rig(tmp_path, to(sink), ownership=ownership) as rig:
        await rig.post(*range(8))
        await until(lambda: len(sink.arrivals) == 8, seconds=10, what="the attempts")
        ownership.listener.on_wanted(frozenset({slot_of(OMS)}))
        answer.set()
        await until(lambda: ownership.released == [slot_of(OMS)], seconds=10, what="its release")
        assert (rig.dispatcher.snapshot(), rig.dispatcher.troubles()) == ((), ())
        assert [push.tries for push in await on_disk(rig)] == [1] * 8


@pytest.mark.parametrize("state", ["suspended", "unconfigured"])
async def test_a_slot_is_handed_over_whatever_state_its_channels_are_in(tmp_path: Path, state: str) -> None:
    answer = asyncio.Event()

    async def wait(_: Arrival) -> int:
        await answer.wait()
        return 200

    ownership = Shared()
    async with open_sink(wait) as sink, open_rig(tmp_path, to(sink), ownership=ownership) as rig:
        await rig.post(1)
        await until(lambda: len(sink.arrivals) == 1, seconds=10, what="the attempt")
        rig.apply(*([to(sink, suspended=True)] if state == "suspended" else []))
        ownership.listener.on_wanted(frozenset({slot_of(OMS)}))
        answer.set()
        await until(lambda: ownership.released == [slot_of(OMS)], seconds=10, what="its release")
        assert await rig.pending() == 0
