"""What a replica does about slots, from tables: no database, no time but what is given."""

from collections.abc import Collection, Mapping

import pytest

from support.rows import every_row
from trackpush_server.journal.postgres.slot_balancer import Plan, Replica, Silence, Slot, Timing, decide, shared_timing
from trackpush_server.journal.slots import SLOTS

TIMING = Timing()
ME, B, C = 1, 2, 3


def replicas(*ids: int, draining: int | None = None) -> tuple[Replica, ...]:
    return tuple(Replica(identifier, 7, f"pod-{identifier}", draining=identifier == draining) for identifier in ids)


def slots(owners: Mapping[int, range]) -> tuple[Slot, ...]:
    by_slot = {slot: owner for owner, some in owners.items() for slot in some}
    return tuple(Slot(slot, by_slot.get(slot), 1) for slot in range(SLOTS))


def some(*numbers: int | range) -> frozenset[int]:
    return frozenset(slot for part in numbers for slot in (part if isinstance(part, range) else (part,)))


@pytest.mark.parametrize(
    ("living", "owners", "held", "leaving", "plan"),
    [
        pytest.param((ME,), {}, (), (), Plan(claim=128), id="alone: everything"),
        pytest.param((ME, B), {}, (), (), Plan(claim=64), id="two: half"),
        pytest.param((ME, B, C), {}, (), (), Plan(claim=43), id="three: a third, rounded up, so that all are taken"),
        pytest.param((ME, B), {B: range(128)}, (), (), Plan(), id="nothing is free yet"),
        pytest.param(
            (ME, B), {ME: range(128)}, range(128), (), Plan(hand_over=some(range(64, 128))), id="one joined: half goes"
        ),
        pytest.param(
            (ME, B), {ME: range(128)}, range(128), range(64, 128), Plan(), id="what is being handed over goes once"
        ),
        pytest.param(
            (ME, B),
            {ME: range(64), B: range(64, 120)},
            range(64),
            (),
            Plan(),
            id="our share: the rest is for the other",
        ),
        pytest.param(
            (ME, B, C), {ME: range(43), B: range(43, 86)}, range(43), (), Plan(), id="a share rounded up is no surplus"
        ),
        pytest.param((ME,), {ME: range(64)}, range(64), (), Plan(claim=64), id="the others are gone: all that is free"),
        pytest.param(
            (ME, B), {ME: range(10)}, range(5), (), Plan(found=some(range(5, 10)), claim=54), id="ours, unknown"
        ),
        pytest.param(
            (ME, B),
            {ME: range(64), B: range(64, 128)},
            range(66),
            (),
            Plan(lost=some(64, 65)),
            id="held, but another's",
        ),
        pytest.param((ME, B), {B: range(64)}, (64,), (), Plan(lost=some(64), claim=64), id="held, but nobody's"),
    ],
)
def test_a_replica_goes_towards_an_equal_share(
    living: tuple[int, ...], owners: Mapping[int, range], held: Collection[int], leaving: Collection[int], plan: Plan
) -> None:
    found = decide(ME, replicas(*living), slots(owners), held=frozenset(held), leaving=frozenset(leaving))
    assert found == plan


def test_one_that_drains_claims_nothing_and_gives_everything_away() -> None:
    everybody = replicas(ME, B, draining=ME)
    owners = slots({ME: range(64)})
    plan = decide(ME, everybody, owners, held=some(range(64)), leaving=some(range(60)))
    assert plan == Plan(hand_over=some(range(60, 64)))
    assert decide(B, everybody, owners, held=frozenset(), leaving=frozenset()).claim == 64, "it is free for the other"
    assert decide(B, everybody, slots({}), held=frozenset(), leaving=frozenset()).claim == 128


def test_any_number_of_replicas_comes_to_shares_that_differ_by_little_and_leave_nothing_over() -> None:
    for count in range(1, 12):
        everybody = replicas(*range(1, count + 1))
        owned: dict[int, set[int]] = {replica.id: set() for replica in everybody}
        owned[1] = set(range(SLOTS))
        for _ in range(3):
            for replica, mine_now in owned.items():
                table = tuple(
                    Slot(s, next((o for o, mine in owned.items() if s in mine), None), 1) for s in range(SLOTS)
                )
                plan = decide(replica, everybody, table, held=frozenset(mine_now), leaving=frozenset())
                free = [slot.slot for slot in table if slot.owner is None]
                mine_now.update(free[: plan.claim])
                mine_now.difference_update(plan.hand_over)
        assert sum(len(mine) for mine in owned.values()) == SLOTS, f"{count} replicas"
        assert max(len(mine) for mine in owned.values()) == -(-SLOTS // count)


def beats(**beat: int) -> tuple[Replica, ...]:
    return tuple(Replica(ord(name), value, name) for name, value in beat.items())


def test_a_replica_is_silent_from_the_first_read_that_showed_its_beat() -> None:
    silence = Silence(TIMING)
    assert silence.read(beats(a=1), 100.0) == {ord("a"): 0.0}
    assert silence.read(beats(a=1), 102.0) == {ord("a"): 2.0}
    assert silence.next_end() == 110.0
    assert silence.read(beats(a=2, b=9), 104.0) == {ord("a"): 0.0, ord("b"): 0.0}
    assert silence.read(beats(a=2, b=9), 106.0) == {ord("a"): 2.0, ord("b"): 2.0}


def test_a_beat_that_goes_back_is_a_sign_of_life_too() -> None:
    silence = Silence(TIMING)
    silence.read(beats(a=5), 100.0)
    silence.read(beats(a=5), 104.0)
    assert silence.read(beats(a=1), 108.0) == {ord("a"): 0.0}


@every_row("how", ["a read failed", "nothing was read for a while"])
def test_silence_counts_only_over_reads_that_worked(how: str) -> None:
    silence = Silence(TIMING)
    silence.read(beats(a=1), 100.0)
    silence.read(beats(a=1), 104.0)
    if how == "a read failed":
        silence.forget()
        assert silence.read(beats(a=1), 105.0) == {ord("a"): 0.0}
    else:
        assert silence.read(beats(a=1), 160.0) == {ord("a"): 0.0}


def test_an_owner_stops_before_anybody_thinks_it_dead() -> None:
    for lease in (1.0, 3.0, 10.0, 60.0):
        timing = Timing(lease=lease)
        assert 3 * timing.beat < timing.stop < timing.lease


def test_a_replica_is_judged_by_the_lease_that_it_published_and_without_one_by_the_observers() -> None:
    silence = Silence(TIMING)
    everybody = (Replica(1, 7, "slow", lease=60.0), Replica(2, 7, "quick", lease=3.0), Replica(3, 7, "older"))
    found = {}
    for now in (100.0, 102.0, 104.0, 108.0, 110.0, 114.0, 118.0, 122.0):
        silence.read(everybody, now)
        found[now] = [replica.id for replica in everybody if silence.has_outlived_its_lease(replica.id)]
    assert found == {
        100.0: [],
        102.0: [],
        104.0: [2],
        108.0: [2],
        110.0: [2, 3],
        114.0: [2, 3],
        118.0: [2, 3],
        122.0: [2, 3],
    }
    assert silence.next_end() == 103.0
    silence.read(everybody[:1], 124.0)
    assert silence.next_end() == 160.0


def test_owners_stop_by_the_smallest_lease_and_take_an_older_versions_for_the_default() -> None:
    def smallest(own: float, *others: float | None) -> float:
        return shared_timing(Timing(lease=own), [Replica(1, 7, "one", lease=lease) for lease in others]).lease

    assert smallest(10.0) == 10.0
    assert smallest(60.0, 60.0, 20.0) == 20.0
    assert smallest(5.0, 60.0) == 5.0
    assert smallest(60.0, 60.0, None) == 10.0
    assert smallest(5.0, 5.0, None) == 5.0
