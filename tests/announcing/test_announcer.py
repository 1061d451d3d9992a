"""Messages reach real receivers: once for each change, also after restarts, and few of them in a storm."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from announcing.rig import START, Clock, Rig, Told, announcing, counts, is_signed, started, table, target
from journal.stores import Store, outcome, postgres_store, sqlite_store, update
from journal.test_inbox import unrecognised
from support.deadline import until, until_found
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Egress
from trackpush_server.announcing.looking import in_slices
from trackpush_server.journal.model import PushState
from trackpush_server.journal.slots import SlotListener


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres), "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "postgres":
        return postgres_store(request.getfixturevalue("journal_dsn"))
    return sqlite_store(tmp_path / "data")


@pytest.fixture
def files(tmp_path: Path) -> Store:
    """A journal in a file, for tests of what no adapter decides."""
    return sqlite_store(tmp_path / "data")


async def arrived(sink: Sink, number: int) -> None:
    await until(lambda: len(sink.arrivals) >= number, seconds=30, what=lambda: f"{len(sink.arrivals)} messages arrived")


async def settled(rig: Rig, number: int) -> None:
    """Wait until the outcomes of so many attempts are known: before, the clock may not change."""
    await until(lambda: len(rig.counted.results) >= number, seconds=30, what="outcomes of attempts")


async def test_each_change_arrives_once_signed_and_a_restart_repeats_none(store: Store) -> None:
    told, clock = Told(), Clock()
    told.fails("acme/oms-0")
    async with open_sink() as sink:
        served = table(target(sink))
        async with started(store, told, served, clock=clock) as rig:
            await arrived(sink, 1)
            await rig.rounds()
        told.endpoints.clear()  # after a restart, nothing is known about the endpoint
        clock.now += 600
        async with started(store, told, served, clock=clock) as rig:
            await rig.rounds()
            told.fails("acme/oms-0", since=START + 5)
            await rig.rounds()
            assert len(sink.arrivals) == 1
            told.delivers("acme/oms-0", at=clock.now)
            await arrived(sink, 2)
            await rig.rounds()
    assert [counts(arrival) for arrival in sink.arrivals] == [{"EndpointFailing": 1}, {"EndpointRecovered": 1}]
    assert all(map(is_signed, sink.arrivals))
    assert len({arrival.webhook_id for arrival in sink.arrivals}) == 2
    assert sink.arrivals[0].webhook_id == msgspec.json.decode(sink.arrivals[0].body)["id"]
    assert sink.arrivals[0].headers["content-type"] == "application/json"


async def test_a_slack_receiver_gets_a_text(files: Store) -> None:
    told = Told()
    told.fails("acme/oms-0", gone=True)
    async with open_sink() as sink, started(files, told, table(target(sink, slack=True)), clock=Clock()):
        await arrived(sink, 1)
    found = msgspec.json.decode(sink.arrivals[0].body)
    assert found.keys() == {"text"}
    assert "The endpoint of acme/oms-0 answered 410 (Gone)" in found["text"]


async def test_a_thousand_failing_push_configs_give_one_message_and_a_summary(files: Store) -> None:
    told, clock = Told(), Clock()
    names = [f"acme/oms-{number}" for number in range(1000)]
    told.fails(names[0])
    async with (
        open_sink() as sink,
        started(files, told, table(target(sink), push_configs=1000), clock=clock) as rig,
    ):
        await arrived(sink, 1)
        for start in range(1, 1000, 333):
            told.fails(*names[start : start + 333])
            await rig.rounds(1)
        assert len(sink.arrivals) == 1
        clock.now += 61
        await arrived(sink, 2)
        told.delivers(*names, at=clock.now)
        clock.now += 61
        await rig.rounds()
        assert len(sink.arrivals) == 2  # the second window is two minutes long
        clock.now += 61
        await arrived(sink, 3)
        clock.now += 241
        await rig.rounds()
    assert [counts(arrival) for arrival in sink.arrivals] == [
        {"EndpointFailing": 1},
        {"EndpointFailing": 999},
        {"EndpointRecovered": 1000},
    ]
    summary = msgspec.json.decode(sink.arrivals[1].body)["data"]
    assert (summary["total"], len(summary["events"])) == (999, 100)


async def test_a_process_that_dies_after_storing_a_change_loses_it_not_and_keeps_the_id_of_a_message(
    store: Store,
) -> None:
    """The first process dies between the change and the send; the second one after the send, before the outcome."""
    told, clock = Told(), Clock()
    told.fails("acme/oms-0")
    dies = asyncio.Event()

    async def never(arrival: Arrival) -> int:
        del arrival
        dies.set()
        await asyncio.Event().wait()
        return 200

    async with open_sink(never) as sink:
        served = table(target(sink))
        async with store.open() as opened:
            async with announcing(opened.journal, told, served, clock=clock) as rig:
                await asyncio.wait_for(dies.wait(), 30)
                for task in rig.announcer._sender._running.values():  # as a kill does: no outcome is stored
                    task.cancel()
            first = sink.arrivals[0]
        sink.behaviour = _accept
        told.endpoints.clear()  # the change itself is not there any more
        async with started(store, told, served, clock=clock) as rig:
            await rig.rounds()
            assert len(sink.arrivals) == 1  # the claim of the dead process has not ended
            clock.now += 16
            await arrived(sink, 2)
            await rig.rounds()
    assert {arrival.webhook_id for arrival in sink.arrivals} == {first.webhook_id}
    assert {arrival.body for arrival in sink.arrivals} == {first.body}


async def _accept(arrival: Arrival) -> int:
    del arrival
    return 200


async def test_a_target_that_is_down_gets_one_message_again_and_again_and_then_a_summary(files: Store) -> None:
    told, clock = Told(), Clock()
    told.fails("acme/oms-0")

    async def refuse(arrival: Arrival) -> int:
        del arrival
        return 503

    async with (
        open_sink(refuse) as sink,
        started(files, told, table(target(sink), push_configs=3), clock=clock) as rig,
    ):
        await arrived(sink, 1)
        told.fails("acme/oms-1", "acme/oms-2")
        for number in range(2, 5):
            await settled(rig, number - 1)
            clock.now += 900
            await arrived(sink, number)
        await settled(rig, 4)
        assert {arrival.webhook_id for arrival in sink.arrivals} == {sink.arrivals[0].webhook_id}
        (found,) = rig.announcer.unreachable()
        assert (found.name, found.error) == ("WebhookServer/trackpush/main/slack", "HTTP 503")
        assert found.since == int(START * 1000)
        sink.behaviour = _accept
        clock.now += 900
        await arrived(sink, 6)
        await until(lambda: not rig.announcer.unreachable(), seconds=30, what="the target is reached again")
        assert rig.counted.results.count("sent") == 2
    assert [counts(arrival) for arrival in sink.arrivals[-2:]] == [{"EndpointFailing": 1}, {"EndpointFailing": 2}]


async def test_a_message_is_given_up_after_a_day_and_the_next_one_is_made(files: Store) -> None:
    told, clock = Told(), Clock()
    told.fails("acme/oms-0")
    async with open_sink() as sink:
        nowhere = target(sink.url)
    async with started(files, told, table(nowhere, push_configs=2), clock=clock) as rig:
        await until(lambda: bool(rig.announcer.unreachable()), seconds=30, what="a failed attempt")
        assert rig.announcer.unreachable()[0].error == "connect"
        told.fails("acme/oms-1")
        clock.now += 86_400
        await until(lambda: "given_up" in rig.counted.results, seconds=30, what="the message is given up")
        await until(lambda: rig.counted.results[-1] == "failed", seconds=30, what="the next message is tried")


async def test_the_egress_guard_refuses_a_target(files: Store) -> None:
    told = Told()
    told.fails("acme/oms-0")
    async with open_sink() as sink:
        guarded = table(target(sink), egress=Egress(https_only=False))
        async with started(files, told, guarded, clock=Clock()) as rig:
            await until(lambda: bool(rig.announcer.unreachable()), seconds=30, what="a failed attempt")
            (found,) = rig.announcer.unreachable()
    assert "127.0.0.1" in found.error
    assert "allowedCIDRs" in found.error
    assert sink.arrivals == []


async def test_deaths_and_unrecognised_bodies_are_counted_from_the_time_of_the_target_on(store: Store) -> None:
    told, clock = Told(), Clock()
    async with open_sink() as sink, store.open() as opened:
        journal = opened.journal

        async def die() -> None:
            committed = await opened.put_one(to=("acme/oms-0",))
            await opened.record(outcome(committed.update_id, PushState.DEAD, push_config="acme/oms-0"))

        await die()
        await journal.updates.keep([unrecognised(b"before", "acme/account-0")])
        async with announcing(journal, told, table(target(sink)), clock=clock) as rig:
            await rig.rounds()
            assert sink.arrivals == []
        await die()  # while no announcer runs
        await die()
        await opened.put(update())
        async with announcing(journal, told, table(target(sink)), clock=clock) as rig:
            await arrived(sink, 1)
            await journal.updates.keep([unrecognised(b"after", "acme/account-0")])
            await rig.rounds()
            clock.now += 61
            await arrived(sink, 2)
            await rig.rounds()
    dead, bodies = (msgspec.json.decode(arrival.body)["data"]["events"] for arrival in sink.arrivals)
    assert [(event["type"], event["number"], event["name"]) for event in dead] == [("PushesDead", 2, "acme/oms-0")]
    assert [(event["type"], event["number"]) for event in bodies] == [("AccountUnrecognised", 1)]


async def test_without_targets_nothing_is_read_and_nothing_runs(files: Store) -> None:
    told = Told()
    told.fails("acme/oms-0")
    async with started(files, told, table(), clock=Clock()) as rig:
        await until(lambda: rig.counted.rounds > 0, seconds=30, what="the announcer waits")
        assert (rig.counted.pending, rig.counted.rounds, told.looks) == (0, 1, 0)
        assert (await rig.journal.announcements.read()).targets == ()


class Half:
    """Ownership of the names that the test says, as in one of several replicas."""

    alone = False

    def __init__(self) -> None:
        self.holds_all = True

    def holds(self, push_config: str) -> bool:
        del push_config
        return self.holds_all

    def owner_of(self, push_config: str) -> str | None:
        del push_config
        return None

    def subscribe(self, listener: SlotListener) -> None:
        """Nothing to do."""

    async def start(self) -> None:
        """Nothing to do."""

    async def release(self, slots: frozenset[int]) -> None:
        """Nothing to do."""

    def drain(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""


async def test_two_replicas_that_both_believe_to_be_responsible_announce_once(store: Store) -> None:
    """As while a slot changes hands: the journal refuses the second change, and the claim the second attempt."""
    told, clock = Told(), Clock()
    names = [f"acme/oms-{number}" for number in range(40)]
    async with open_sink() as sink, store.open() as opened:
        served = table(target(sink), push_configs=40)
        async with (
            announcing(opened.journal, told, served, clock=clock, ownership=Half()) as one,
            announcing(opened.journal, told, served, clock=clock, ownership=Half()) as two,
        ):
            for name in names:
                told.fails(name)
                clock.now += 1000  # no window collects
                await one.rounds(1)
                await two.rounds(1)
            clock.now += 1000
            await one.rounds()
            await two.rounds()
    failing = [counts(arrival)["EndpointFailing"] for arrival in sink.arrivals]
    assert sum(failing) == 40
    assert len({arrival.webhook_id for arrival in sink.arrivals}) == len(sink.arrivals)


async def test_a_replica_that_takes_over_continues_from_what_the_other_one_announced(store: Store) -> None:
    told, clock = Told(), Clock()
    told.fails("acme/oms-0")
    first, second = Half(), Half()
    second.holds_all = False
    async with open_sink() as sink, store.open() as opened:
        served = table(target(sink))
        read = opened.journal.announcements.read
        async with announcing(opened.journal, told, served, clock=clock, ownership=first):
            await arrived(sink, 1)
            async with announcing(opened.journal, told, served, clock=clock, ownership=second) as two:
                await two.rounds()  # it has read that the endpoint fails
                told.delivers("acme/oms-0", at=START)
                await until_found(read, lambda found: [row.kind for row in found.announced] == [""])
                first.holds_all, second.holds_all = False, True
                told.fails("acme/oms-0", since=START + 1)
                await until_found(read, lambda found: [row.version for row in found.announced] == [3])
                clock.now += 61
                await arrived(sink, 2)
                await two.rounds()
    assert [counts(arrival) for arrival in sink.arrivals] == [
        {"EndpointFailing": 1},
        {"EndpointFailing": 1, "EndpointRecovered": 1},
    ]


async def test_a_look_at_many_subjects_lets_other_tasks_run_in_between() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    found = [item async for item in in_slices(range(100_000))]
    other.cancel()
    assert len(found) == 100_000
    assert turns > 5
