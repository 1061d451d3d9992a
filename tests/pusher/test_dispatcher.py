"""The dispatcher against real clients on loopback and the real journal."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pusher.rig import QUICK, open_rig
from support.deadline import until
from support.sink import Arrival, Sink, hang, open_sink
from trackpush_api.routing import Destination, RateLimit, Retry
from trackpush_server.journal.model import PageRequest, PendingPage
from trackpush_server.journal.sqlite.pending import SqlitePushQueue
from trackpush_server.pusher import breaker as breaker_module
from trackpush_server.pusher.budget import Budget


def to(sink: Sink, name: str = "acme/oms", **options: object) -> Destination:
    return msgspec.structs.replace(Destination(name=name, url=sink.url, retry=QUICK), **options)


@pytest.fixture(autouse=True)
def _quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes after 20 ms instead of 5 s: the schedule itself is tested in test_policy."""
    monkeypatch.setattr(breaker_module, "PROBE_DELAYS", (0.02,))


async def test_a_committed_push_is_delivered_once_and_is_delivered_on_disk(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(1)
        await rig.until_ended(1)
        assert [arrival.mark for arrival in sink.arrivals] == [1]
        assert await rig.pending() == 0


async def test_pushes_of_one_shipment_go_one_after_the_other_in_the_order_received(tmp_path: Path) -> None:
    under_way: Counter[str] = Counter()

    async def slowly(arrival: Arrival) -> int:
        under_way["now"] += 1
        under_way["most"] = max(under_way["most"], under_way["now"])
        await asyncio.sleep(0.005)
        under_way["now"] -= 1
        return 200 if len([other for other in sink.arrivals if other.mark == arrival.mark]) > 1 else 503

    async with open_sink(slowly) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(*range(12), shipment="one")
        await rig.until_ended(12)
        delivered = [arrival.mark for arrival in sink.arrivals]
        assert sorted(delivered) == delivered, "the head ends before the next starts, failures included"
        assert under_way["most"] == 1


async def test_a_failed_push_is_tried_again_with_the_same_id(tmp_path: Path) -> None:
    async def twice_busy(_: Arrival) -> int:
        return 500 if len(sink.arrivals) < 3 else 200

    async with open_sink(twice_busy) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(1)
        await rig.until_ended(1)
        assert len(sink.arrivals) == 3
        assert len({arrival.webhook_id for arrival in sink.arrivals}) == 1
        assert rig.seen.ends == [("acme/oms", "delivered")]


async def test_a_client_that_hangs_never_slows_another(tmp_path: Path) -> None:
    async with open_sink(hang) as stuck, open_sink() as healthy:
        slow = to(stuck, "slow/oms", timeout=30.0)
        async with open_rig(tmp_path, slow, to(healthy)) as rig:
            await rig.post(*range(100), to=("slow/oms", "acme/oms"))
            await rig.until_ended(100)
            assert healthy.marks == set(range(100))
            assert rig.channel("slow/oms").in_flight == slow.max_concurrency


async def test_attempts_at_once_stay_within_the_bound(tmp_path: Path) -> None:
    async with open_sink(hang) as sink, open_rig(tmp_path, to(sink, max_concurrency=3, timeout=30.0)) as rig:
        await rig.post(*range(20))
        await until(lambda: len(sink.arrivals) == 3, seconds=5, what="three attempts")
        assert rig.channel().in_flight == 3


async def test_a_push_that_could_be_sent_says_since_when_and_one_that_its_client_has_wait_doesnt(
    tmp_path: Path,
) -> None:
    async with open_sink(hang) as sink:
        slow = to(sink, max_concurrency=1, timeout=30.0)
        limited = to(sink, "acme/limited", max_concurrency=1, timeout=30.0, rate_limit=RateLimit(requests=1, per=60.0))
        async with open_rig(tmp_path, slow, limited) as rig:
            before = time.time()
            assert rig.channel().ready_since is None
            await rig.post(1, 2, to=("acme/oms", "acme/limited"))
            await until(lambda: len(sink.arrivals) == 2, seconds=10, what="one attempt at each")
            since = rig.channel().ready_since
            assert since is not None
            assert before - 0.001 <= since <= time.time()
            assert rig.channel("acme/limited").ready_since is None


async def test_an_endpoint_that_fails_for_all_opens_the_breaker_and_burns_no_tries(tmp_path: Path) -> None:
    async def down(_: Arrival) -> int:
        return 500

    async def up(_: Arrival) -> int:
        return 200

    never_again = Retry(schedule=(3600.0,), max_age=72 * 3600.0, jitter=0.0)
    async with open_sink(down) as sink, open_rig(tmp_path, to(sink, retry=never_again)) as rig:
        await rig.post(*range(50))
        await rig.until_breaker("open")
        await until(lambda: len(sink.arrivals) > 20, seconds=5, what="probes")
        assert rig.channel().ready_since is None, "no pod more would help"
        sink.behaviour = up
        await rig.until_ended(50)
        assert rig.channel().breaker == "closed"
        assert rig.channel().ready_since is None
        assert [state for _, state in rig.seen.changes] == ["open", "closed"]
        assert {state for _, state in rig.seen.ends} == {"delivered"}


async def test_while_the_breaker_is_open_one_push_probes_at_a_time(tmp_path: Path) -> None:
    gate = asyncio.Event()
    under_way = 0
    most = 0

    async def down(_: Arrival) -> int:
        nonlocal under_way, most
        if gate.is_set():
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
        return 500

    async with open_sink(down) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(*range(50))
        await rig.until_breaker("open")
        await until(lambda: rig.channel().in_flight == 0, seconds=5, what="the first attempts ended")
        gate.set()
        before = len(sink.arrivals)
        await until(lambda: len(sink.arrivals) > before + 5, seconds=5, what="probes")
        assert most == 1


async def test_one_rejected_push_is_dead_after_six_tries_and_stops_nobody(tmp_path: Path) -> None:
    async def picky(arrival: Arrival) -> int:
        return 400 if arrival.mark == 0 else 200

    async with open_sink(picky) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(100)
        await rig.until_ended(1)
        await rig.post(0, shipment="bad")
        await rig.post(1, shipment="bad")
        for mark in range(2, 12):
            await rig.post(mark)
        await rig.until_ended(13)
        assert Counter(state for _, state in rig.seen.ends) == {"delivered": 12, "dead": 1}
        assert [arrival.mark for arrival in sink.arrivals].count(0) == 6
        assert rig.seen.changes == []
        order = [arrival.mark for arrival in sink.arrivals if arrival.mark in (0, 1)]
        assert order == [0] * 6 + [1], "the next of the lane follows when the head is dead"


async def test_401_for_everything_is_the_endpoints_failure(tmp_path: Path) -> None:
    async def closed(_: Arrival) -> int:
        return 401

    async with open_sink(closed) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(*range(20))
        await rig.until_breaker("open")
        assert rig.seen.ends == [], "nothing is given up"


async def test_410_stops_the_endpoint_until_its_configuration_changes(tmp_path: Path) -> None:
    async def gone(_: Arrival) -> int:
        return 410

    async with open_sink(gone) as sink, open_sink() as moved, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(1)
        await rig.until_breaker("gone")
        tries = len(sink.arrivals)
        await rig.post(2, 3)
        assert await rig.pending() == 3, "they wait, nothing is lost"
        assert len(sink.arrivals) == tries
        rig.apply(to(moved))
        await rig.until_ended(3)
        assert moved.marks == {1, 2, 3}


async def test_a_redirect_is_a_failure_and_is_not_followed(tmp_path: Path) -> None:
    async def elsewhere(_: Arrival) -> int:
        return 307 if len(sink.arrivals) == 1 else 200

    async with open_sink(elsewhere) as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.post(1)
        await rig.until_ended(1)
        assert [result for _, result in rig.seen.attempts] == ["3xx", "2xx"]


async def test_what_is_older_than_max_age_is_dead_not_lost(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink), clock_ahead=61.0) as rig:
        await rig.post(1)
        await rig.until_ended(1)
        assert rig.seen.ends == [("acme/oms", "dead")]
        assert sink.arrivals == []


async def test_a_suspended_push_config_keeps_its_pushes_and_sends_them_after(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink, suspended=True)) as rig:
        await rig.post(*range(30))
        assert await rig.pending() == 30
        assert rig.channel().in_memory == 0
        rig.apply(to(sink))
        await rig.until_ended(30)
        assert sorted(arrival.mark or 0 for arrival in sink.arrivals) == list(range(30))


async def test_a_suspended_account_keeps_its_pushes_and_sends_them_after(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink)) as rig:
        rig.apply(to(sink), suspended_account=True)
        await rig.post(*range(30))
        assert await rig.pending() == 30
        rig.apply(to(sink))
        await rig.until_ended(30)
        assert len(sink.arrivals) == 30


async def test_pushes_to_a_push_config_that_is_not_there_wait_for_it(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path) as rig:
        await rig.post(1, 2)
        assert await rig.pending() == 2
        rig.apply(to(sink))
        await rig.until_ended(2)
        rig.apply()
        assert rig.channel().breaker == "unconfigured"
        await rig.post(3)
        assert await rig.pending() == 1
        rig.apply(to(sink))
        await rig.until_ended(3)
        assert [arrival.mark for arrival in sink.arrivals].count(3) == 1


async def test_a_changed_destination_takes_over_without_losing_or_doubling(tmp_path: Path) -> None:
    async with open_sink() as old, open_sink() as new, open_rig(tmp_path, to(old)) as rig:
        for mark in range(200):
            await rig.post(mark)
            if mark == 100:
                rig.apply(to(new, headers=(("X-Key", "2"),)))
        await rig.until_ended(200)
        assert sorted(arrival.mark or 0 for arrival in [*old.arrivals, *new.arrivals]) == list(range(200))
        assert {arrival.headers.get("x-key") for arrival in new.arrivals} == {"2"}


@pytest.mark.parametrize("ordered", [True, False])
async def test_ordering_can_be_changed_under_load(tmp_path: Path, ordered: bool) -> None:  # noqa: FBT001 - a parameter
    async with open_sink() as sink, open_rig(tmp_path, to(sink, ordered=not ordered)) as rig:
        for mark in range(100):
            await rig.post(mark, shipment=f"s{mark % 3}")
            if mark == 50:
                rig.apply(to(sink, ordered=ordered))
        await rig.until_ended(100)
        assert sorted(arrival.mark or 0 for arrival in sink.arrivals) == list(range(100))


@pytest.mark.slow
async def test_a_backlog_beyond_memory_is_read_back_in_order_and_once(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path, to(sink), budget=Budget(max_pushes=40)) as rig:
        for start in range(0, 3000, 100):
            await rig.post(*range(start, start + 100), shipment=f"s{start // 100 % 7}")
        await rig.until_ended(3000)
        marks = [arrival.mark or 0 for arrival in sink.arrivals]
        assert sorted(marks) == list(range(3000))
        for shipment in range(7):
            of_shipment = [mark for mark in marks if mark // 100 % 7 == shipment]
            assert of_shipment == sorted(of_shipment)


async def test_payloads_let_go_while_waiting_are_read_again(tmp_path: Path) -> None:
    async def flaky(arrival: Arrival) -> int:
        return (
            500 if sum(other.mark == arrival.mark for other in sink.arrivals) == 1 and (arrival.mark or 0) % 2 else 200
        )

    async with open_sink(flaky) as sink, open_rig(tmp_path, to(sink), budget=Budget(max_bytes=2)) as rig:
        await rig.post(*range(60))
        await rig.until_ended(60)
        assert sink.marks == set(range(60))
        assert all(arrival.body.endswith(b'"raw":{"remark":"mark-%010d"}}' % arrival.mark) for arrival in sink.arrivals)


async def test_a_payload_that_is_read_again_costs_no_second_token(tmp_path: Path) -> None:
    async def flaky(arrival: Arrival) -> int:
        return 400 if sum(other.mark == arrival.mark for other in sink.arrivals) == 1 else 200

    limit = RateLimit(requests=40, per=3600.0)  # a burst of 4, the next one after 90 s
    budget = Budget(max_bytes=2)
    async with open_sink(flaky) as sink, open_rig(tmp_path, to(sink, rate_limit=limit), budget=budget) as rig:
        await rig.post(1, 2)
        await rig.until_ended(2)
        assert len(sink.arrivals) == 4


async def test_after_a_restart_what_was_pending_is_sent_at_once(tmp_path: Path) -> None:
    async with open_sink(hang) as stuck, open_rig(tmp_path, to(stuck, timeout=30.0)) as rig:
        await rig.post(*range(20))
        await until(lambda: len(stuck.arrivals) == 16, seconds=5, what="attempts under way")
    async with open_sink() as sink, open_rig(tmp_path, to(sink)) as rig:
        await rig.until_ended(20)
        assert sink.marks == set(range(20))
        ids = {arrival.mark: arrival.webhook_id for arrival in sink.arrivals}
        assert all(ids[arrival.mark] == arrival.webhook_id for arrival in stuck.arrivals), (
            "the same push has the same id"
        )


MANY = [f"acme/p-{number}" for number in range(200)]


async def test_of_many_push_configs_only_those_with_a_backlog_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    pending = SqlitePushQueue.pending

    async def counted(queue: SqlitePushQueue, wanted: Sequence[PageRequest]) -> tuple[PendingPage, ...]:
        reads.extend(request.push_config for request in wanted)
        return await pending(queue, wanted)

    async with open_rig(tmp_path) as rig:
        await rig.post(1, to=["acme/p-7"])  # not served yet: it waits on disk
    monkeypatch.setattr(SqlitePushQueue, "pending", counted)
    async with open_sink() as sink, open_rig(tmp_path, *(to(sink, name=name) for name in MANY)) as rig:
        await rig.until_ended(1)
        await until(
            lambda: not any(snapshot.spilled for snapshot in rig.dispatcher.snapshot()),
            seconds=5,
            what="all have begun",
        )
        assert set(reads) == {"acme/p-7"}
        await rig.post(2, to=MANY)
        await rig.until_ended(1 + len(MANY))
        assert set(reads) == {"acme/p-7"}, "memory is enough from then on"


async def test_what_comes_while_many_push_configs_begin_neither_overtakes_nor_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path) as rig:
        for mark, name in enumerate(MANY[::3]):
            await rig.post(mark, shipment=name, to=[name])
    async with open_sink() as sink, open_rig(tmp_path, *(to(sink, name=name) for name in MANY)) as rig:
        for mark, name in enumerate(MANY, 1000):
            await rig.post(mark, shipment=name, to=[name])
        await rig.until_ended(len(MANY[::3]) + len(MANY))
    came = [arrival.mark for arrival in sink.arrivals if arrival.mark is not None]
    assert sorted(came) == [*range(len(MANY[::3])), *range(1000, 1000 + len(MANY))]
    assert all(came.index(mark) < came.index(1000 + 3 * mark) for mark in range(len(MANY[::3])))


async def test_retry_times_survive_a_restart(tmp_path: Path) -> None:
    async def busy(_: Arrival) -> int:
        return 500

    later = Retry(schedule=(3600.0,), max_age=72 * 3600.0, jitter=0.0)
    async with open_sink(busy) as sink, open_rig(tmp_path, to(sink, retry=later)) as rig:
        await rig.post(1)
        await until(lambda: bool(rig.seen.failures), seconds=5, what="a failed try")
        await rig.journal.pushes.flush()
    async with open_sink() as sink, open_rig(tmp_path, to(sink, retry=later)) as rig:
        await rig.post(2)
        await rig.until_ended(1)
        assert sink.marks == {2}, "1 waits for its time"
        assert await rig.pending() == 1


async def test_the_rate_limit_holds_across_retries(tmp_path: Path) -> None:
    async def flaky(arrival: Arrival) -> int:
        return 400 if sum(other.mark == arrival.mark for other in sink.arrivals) == 1 else 200

    limit = RateLimit(requests=50, per=1.0)
    async with open_sink(flaky) as sink, open_rig(tmp_path, to(sink, rate_limit=limit, retry=QUICK)) as rig:
        await rig.post(*range(4))
        await rig.until_ended(4)
        await rig.post(*range(10, 30))
        await rig.until_ended(24)
        times = sorted(arrival.at for arrival in sink.arrivals)
        for first, last in zip(times, times[25:], strict=False):
            assert last - first > 0.3, "25 attempts take more than 0.3 s at 50 a second and a burst of 5"


async def test_after_an_outage_it_drains_at_the_rate_and_each_lane_in_order(tmp_path: Path) -> None:
    healthy = asyncio.Event()

    async def down(_: Arrival) -> int:
        return 200 if healthy.is_set() else 503

    limit = RateLimit(requests=20, per=1.0)
    async with open_sink(down) as sink, open_rig(tmp_path, to(sink, rate_limit=limit, max_concurrency=16)) as rig:
        for start in range(0, 24, 3):
            await rig.post(*range(start, start + 3), shipment=f"s-{start % 4}")
        await rig.until_breaker("open")
        before = len(sink.arrivals)
        healthy.set()
        await rig.until_ended(24)
        drained = sink.arrivals[before:]
        times = [attempt.at for attempt in drained]
        for first, last in zip(times, times[12:], strict=False):
            assert last - first > 0.3, "13 attempts take more than 0.3 s at 20 a second and a burst of 2"
        for lane in range(4):
            marks = [
                attempt.mark for attempt in drained if attempt.mark is not None and attempt.mark // 3 * 3 % 4 == lane
            ]
            assert sorted(marks) == marks, "oldest first"


async def test_stopping_lets_attempts_under_way_end(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def wait(_: Arrival) -> int:
        await gate.wait()
        return 200

    async with open_sink(wait) as sink, open_rig(tmp_path, to(sink, max_concurrency=4)) as rig:
        await rig.post(*range(10))
        await until(lambda: len(sink.arrivals) == 4, seconds=5, what="four attempts")
        stopping = asyncio.create_task(rig.dispatcher.stop(grace=10.0))
        gate.set()
        await stopping
        assert len(rig.seen.ends) == 4
        assert await rig.pending() == 6, "the others are still to be sent"


async def test_a_table_with_many_push_configs_is_taken_without_stopping_the_others(tmp_path: Path) -> None:
    async with open_sink() as sink, open_rig(tmp_path) as rig:
        many = [to(sink, name=f"acme/p-{number:04d}") for number in range(1500)]
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        other = asyncio.create_task(count())
        await rig.dispatcher.take(rig.dispatcher.change_to(rig.table(*many)))
        other.cancel()
        assert turns > 5
        await rig.post(1, to=[many[-1].name])
        await rig.until_ended(1)
        assert sink.marks == {1}
