"""Leases on a real PostgreSQL: several of them in one loop, each with a clock that the test may move."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import asyncpg
import pytest

from support.deadline import until
from support.postgres import Server
from trackpush_server.journal.postgres.lease_table import LeaseTable
from trackpush_server.journal.postgres.leases import Leases, steady
from trackpush_server.journal.postgres.schema import migrate
from trackpush_server.journal.postgres.slot_balancer import Slot, Timing
from trackpush_server.journal.slots import SlotListener, slot_of

TIMING = Timing(lease=3.0)
PATIENT = Timing(lease=600.0)
NAMES = [f"client-{number}/push" for number in range(2000)]
ONE_OF_EACH = {slot_of(name): name for name in NAMES}
Sql = Callable[[str], Awaitable[str]]


class Tally:
    """What one told its observer and its dispatcher. Releases at once, unless told to wait."""

    def __init__(self) -> None:
        self.held = self.taken = self.handed = self.gone = 0
        self.slots: set[int] = set()
        self.wanted: set[int] = set()
        self.calls: list[str] = []
        self.releases_at_once = True

    def holds(self, slots: int) -> None:
        self.held = slots

    def taken_over(self, slots: int) -> None:
        self.taken += slots

    def handed_over(self, slots: int) -> None:
        self.handed += slots

    def lost(self, slots: int) -> None:
        self.gone += slots


class Member:
    """One replica's leases."""

    def __init__(self, dsn: str, replica: int, timing: Timing) -> None:
        self.tally = Tally()
        self.ahead = 0.0
        self.tasks: set[asyncio.Task[None]] = set()
        self.leases = Leases(
            dsn,
            replica=replica,
            name=f"pod-{replica}",
            observer=self.tally,
            timing=timing,
            clock=lambda: steady() + self.ahead,
        )
        self.leases.subscribe(SlotListener(on_gained=self._gained, on_lost=self._lost, on_wanted=self._wanted))

    @property
    def sends(self) -> set[int]:
        """The slots that it may send now."""
        return {slot for slot, name in ONE_OF_EACH.items() if self.leases.holds(name)}

    def kill(self) -> None:
        """End it as kill -9 would: without a word."""
        task = self.leases._task
        assert task is not None
        task.cancel()

    def _gained(self, slots: frozenset[int]) -> None:
        assert not self.tally.slots & slots, "gained twice"
        self.tally.calls.append("gained")
        self.tally.slots |= slots

    def _lost(self, slots: frozenset[int]) -> None:
        self.tally.calls.append("lost")
        self.tally.slots -= slots
        self.tally.wanted -= slots

    def _wanted(self, slots: frozenset[int]) -> None:
        assert not self.tally.wanted & slots, "wanted twice"
        self.tally.calls.append("wanted")
        self.tally.wanted |= slots
        if self.tally.releases_at_once:
            self.release(slots)

    def release(self, slots: frozenset[int]) -> None:
        self.tally.slots -= slots
        self.tally.wanted -= slots
        task = asyncio.create_task(self.leases.release(slots))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Members:
    """All replicas of one test."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.all: list[Member] = []

    async def join(self, timing: Timing = TIMING) -> Member:
        member = Member(self._dsn, len(self.all) + 1, timing)
        self.all.append(member)
        await member.leases.start()
        return member


@pytest.fixture
def sql(journal_sql: Callable[[str], str]) -> Sql:
    """Runs a statement beside the loop."""
    return lambda statement: asyncio.to_thread(journal_sql, statement)


@pytest.fixture
async def members(journal_dsn: str) -> AsyncIterator[Members]:
    found = Members(journal_dsn)
    yield found
    for member in found.all:
        await member.leases.stop()


async def until_held(*members: Member, shares: Sequence[int], seconds: float = 60.0) -> None:
    """Wait until these hold so many, whoever of them has the smaller share."""
    await until(
        lambda: sorted(len(member.sends) for member in members) == sorted(shares),
        seconds=seconds,
        what=lambda: f"held {[len(member.sends) for member in members]}, not {shares}",
    )


async def test_one_replica_takes_everything_and_the_next_ones_get_equal_shares(members: Members, sql: Sql) -> None:
    first = await members.join()
    await until_held(first, shares=[128])
    second = await members.join()
    await until_held(first, second, shares=[64, 64])
    third = await members.join()
    await until_held(first, second, third, shares=[43, 43, 42])
    assert not first.sends & second.sends | second.sends & third.sends | first.sends & third.sends
    assert first.tally.handed >= 128 - 43
    assert third.tally.taken == 0, "handed over, not taken over"
    assert sorted(member.tally.held for member in members.all) == [42, 43, 43]
    assert await sql("SELECT min(epoch), max(epoch) >= 2 FROM trackpush.slots") == "1|t", "changes of hands"


async def test_a_replica_that_dies_is_taken_over_within_its_lease(members: Members, sql: Sql) -> None:
    first, second = await members.join(), await members.join()
    await until_held(first, second, shares=[64, 64])
    killed_at = time.monotonic()
    second.kill()
    await until_held(first, shares=[128])
    took = time.monotonic() - killed_at
    print(f"taken over {took:.2f} s after the end of a replica with a lease of {TIMING.lease} s")  # noqa: T201
    assert took < TIMING.lease + 10
    assert first.tally.taken == 64
    assert await sql("SELECT name FROM trackpush.replicas") == "pod-1"
    await until(lambda: second.sends == set(), seconds=10, what="the dead one's clock runs on")


async def test_one_that_joins_and_one_that_ends_in_order_are_followed_at_once(members: Members) -> None:
    """Nobody's beat is waited for: with this lease the next one would come after the test."""
    first, second = await members.join(PATIENT), await members.join(PATIENT)
    await until_held(first, second, shares=[64, 64])
    second.leases.drain()
    await until_held(first, second, shares=[128, 0])
    third = await members.join(PATIENT)
    await until_held(first, second, third, shares=[64, 0, 64])
    await first.leases.stop()
    await until_held(third, shares=[128])
    assert (second.tally.gone, third.tally.taken) == (0, 0), "handed over, not lost and taken over"


async def test_one_that_begins_to_drain_in_the_middle_of_a_round_is_followed_at_once(
    members: Members, journal_sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its beat of that round doesn't say so yet: the others are told after the next one."""
    first, second = await members.join(PATIENT), await members.join(PATIENT)
    await until_held(first, second, shares=[64, 64])
    beats, looks, seen_free = LeaseTable.beat, LeaseTable.slots, asyncio.Event()

    async def beat(table: LeaseTable, number: int, *, draining: bool) -> bool:
        ours = table._replica == second.leases._replica
        if ours and draining:
            await seen_free.wait()  # the other has looked, and thinks that these slots aren't for it
        lives = await beats(table, number, draining=draining)
        if ours and not draining:
            second.leases.drain()
        return lives

    async def slots(table: LeaseTable) -> tuple[Slot, ...]:
        found = await looks(table)
        if table._replica == first.leases._replica and any(slot.owner is None for slot in found):
            seen_free.set()
        return found

    monkeypatch.setattr(LeaseTable, "beat", beat)
    monkeypatch.setattr(LeaseTable, "slots", slots)
    await asyncio.to_thread(journal_sql, "SELECT pg_notify('trackpush_slots', '')")
    await until_held(first, second, shares=[128, 0])


async def test_a_slot_that_another_replica_wants_may_be_sent_until_it_is_released(members: Members) -> None:
    first = await members.join()
    first.tally.releases_at_once = False
    await until_held(first, shares=[128])
    second = await members.join()
    await until(lambda: len(first.tally.wanted) == 64, seconds=30, what="half is wanted")
    assert len(first.sends) == 128, "attempts under way may still write"
    first.release(frozenset(first.tally.wanted))
    await until_held(first, second, shares=[64, 64])


async def test_a_replica_that_was_paused_holds_nothing_when_it_wakes_up(members: Members) -> None:
    """Its clock jumps as it does for a process that was stopped and then continued."""
    first, second = await members.join(), await members.join()
    await until_held(first, second, shares=[64, 64])
    before = set(first.tally.slots)
    first.ahead += TIMING.stop
    assert first.sends == set()
    await until_held(first, shares=[64])
    assert first.tally.calls.count("lost") >= 1
    assert (first.tally.slots, first.tally.gone >= 64) == (before, True), "nobody else had taken them"


async def test_clocks_that_step_on_either_side_change_nothing(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No wall clock is read: neither the processes' nor the database's."""
    real = time.time
    first, second = await members.join(), await members.join()
    await until_held(first, second, shares=[64, 64])
    for step in (-86_400.0, 86_400.0):
        monkeypatch.setattr(time, "time", lambda step=step: real() + step)
        beats = [member.leases._beat for member in members.all]
        await until(
            lambda beats=beats: all(
                member.leases._beat > beat + 3 for member, beat in zip(members.all, beats, strict=True)
            ),
            seconds=30,
            what="some beats",
        )
        assert [len(member.sends) for member in members.all] == [64, 64]
    assert [member.tally.gone for member in members.all] == [0, 0]


async def test_replicas_with_different_leases_share_and_none_takes_another_for_dead(members: Members) -> None:
    """By the quick one's lease the patient one, which beats every two minutes, would be dead after three seconds."""
    quick, patient = await members.join(), await members.join(PATIENT)
    await until_held(quick, patient, shares=[64, 64])
    beats = [member.leases._beat for member in members.all]
    enough = [beat + int(3 * TIMING.lease / TIMING.beat) for beat in beats]
    await until(
        lambda: all(member.leases._beat > beat for member, beat in zip(members.all, enough, strict=True)),
        seconds=60,
        what="both beat as the smaller lease wants it",
    )
    assert [member.tally.gone for member in members.all] == [0, 0]
    assert patient.leases._deadline - steady() <= TIMING.stop, "it stops by the smaller lease, too"
    assert not quick.sends & patient.sends
    await quick.leases.stop()
    await until(lambda: patient.leases._timing == PATIENT, seconds=30, what="its own lease counts again")
    assert patient.leases._deadline - steady() > TIMING.lease, "it holds until its next beat, which comes later now"
    await until_held(patient, shares=[128])
    assert patient.tally.gone == 0


async def test_a_replica_of_a_version_without_leases_in_the_database_counts_as_the_default(
    members: Members, sql: Sql
) -> None:
    await sql("INSERT INTO trackpush.replicas (id, name) VALUES (99, 'older')")
    patient = await members.join(PATIENT)
    await until(lambda: patient.leases._timing == Timing(), seconds=30, what="it adapts")
    await sql("DELETE FROM trackpush.replicas WHERE id = 99")
    await until(lambda: patient.leases._timing == PATIENT, seconds=30, what="it goes back to its own")


async def test_one_that_was_declared_dead_takes_part_again(members: Members, sql: Sql) -> None:
    first, second = await members.join(), await members.join()
    await until_held(first, second, shares=[64, 64])
    await sql("DELETE FROM trackpush.replicas WHERE id = 1")
    await until(lambda: first.tally.gone == 64, seconds=30, what="it learns of it")
    await until(lambda: len(first.sends) + len(second.sends) == 128, seconds=30, what="all are held again")
    await until_held(first, second, shares=[64, 64])


async def test_a_slot_that_somebody_took_away_is_let_go(members: Members, sql: Sql) -> None:
    first = await members.join()
    await until_held(first, shares=[128])
    await sql("INSERT INTO trackpush.replicas (id, name) VALUES (99, 'by hand')")
    await sql("UPDATE trackpush.slots SET owner = 99, epoch = epoch + 1 WHERE slot < 10")
    await until(lambda: first.tally.gone >= 10, seconds=30, what="they are lost")
    await until_held(first, shares=[128])
    assert first.tally.taken == 10, "the other never gave a sign of life"


async def test_an_outage_of_the_database_stops_owners_in_time_and_kills_nobody(
    own_postgres: Server,
) -> None:
    dsn = own_postgres.dsn(own_postgres.create_database())
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await connection.close()
    members = Members(dsn)
    first, second = await members.join(), await members.join()
    try:
        await until_held(first, second, shares=[64, 64])
        stopped_at = steady()
        await asyncio.to_thread(own_postgres.stop)
        await until_held(first, second, shares=[0, 0])
        assert steady() - stopped_at < TIMING.stop + 5
        await asyncio.to_thread(own_postgres.start)
        await until_held(first, second, shares=[64, 64])
        assert (first.tally.taken, second.tally.taken) == (0, 0), "nobody was declared dead for it"
    finally:
        for member in members.all:
            await member.leases.stop()


async def test_never_two_may_send_at_once_whatever_comes(members: Members, sql: Sql) -> None:
    """Replicas join, end, die and are paused, with the question asked all the time."""
    overlaps: list[set[int]] = []

    async def watch() -> None:
        while True:
            seen: set[int] = set()
            for member in members.all:
                overlaps.extend([seen & member.sends] if seen & member.sends else [])
                seen |= member.sends
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    first, second, third = [await members.join() for _ in range(3)]
    await until_held(first, second, third, shares=[43, 43, 42])
    second.kill()
    third.ahead += 100.0
    fourth = await members.join()
    await until_held(first, third, fourth, shares=[43, 42, 43])
    first.leases.drain()
    await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'trackpush'")
    await until_held(third, fourth, shares=[64, 64])
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    assert overlaps == []
