"""Lanes and the seam between memory and disk, against simple models."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from trackpush_server.pusher.backlog import Backlog
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.lanes import Lane, Lanes, PendingPush


def push(number: int, shipment: str = "s", account: str = "a/b", size: int = 4) -> PendingPush:
    return PendingPush(
        update_id=number,
        key=b"",
        account=account,
        shipment=shipment,
        received_at=0,
        late=False,
        notification=b"",
        body=b"x" * size,
    )


def filled(*numbers: tuple[int, str]) -> Lanes:
    lanes = Lanes(ordered=True, budget=Budget())
    for number, shipment in numbers:
        lanes.add(push(number, shipment))
    return lanes


def started(lanes: Lanes) -> Lane:
    lane = lanes.start_next()
    assert lane is not None
    return lane


def test_only_the_head_of_a_lane_starts() -> None:
    lanes = filled((1, "s"), (2, "s"), (3, "t"))
    assert [started(lanes).head.update_id, started(lanes).head.update_id] == [1, 3]
    assert lanes.start_next() is None


def test_the_next_starts_after_the_head_has_ended() -> None:
    lanes = filled((1, "s"), (2, "s"))
    lane = started(lanes)
    assert lanes.end_head(lane)
    lanes.resume(lane)
    assert started(lanes).head.update_id == 2
    assert not lanes.end_head(lane)
    assert len(lanes) == 0


def test_accounts_with_the_same_shipment_text_have_lanes_of_their_own() -> None:
    lanes = Lanes(ordered=True, budget=Budget())
    lanes.add(push(1, "s", "a/x"))
    lanes.add(push(2, "s", "b/x"))
    assert lanes.count == 2


def test_without_ordering_every_push_is_its_own_lane() -> None:
    lanes = Lanes(ordered=False, budget=Budget())
    lanes.add(push(1))
    lanes.add(push(2))
    assert [started(lanes).head.update_id, started(lanes).head.update_id] == [1, 2]


def test_trim_keeps_the_oldest_and_what_runs() -> None:
    lanes = filled((1, "s"), (2, "t"), (3, "s"), (4, "u"))
    running = [started(lanes), started(lanes)]
    assert lanes.trim(1) == 3, "3 is kept as the oldest that may go; from 4 on only the disk has them"
    assert 3 in lanes
    assert 4 not in lanes
    assert [lane.head.update_id for lane in running] == [1, 2]


@settings(max_examples=examples(200), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(10, 300))
def test_lanes_keep_order_counts_and_budget_under_any_sequence(seed: int, steps: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - drives a model, keeps no secret
    budget = Budget()
    lanes = Lanes(ordered=True, budget=budget)
    running: list[Lane] = []
    waiting: list[Lane] = []
    last: dict[str, int] = {}
    for number in range(1, steps):
        match chance.choice(("add", "add", "start", "end", "wait", "resume", "trim", "drop")):
            case "add":
                lanes.add(push(number, str(chance.randrange(6)), chance.choice(("a/x", "b/x")), chance.randrange(9)))
            case "start" if (lane := lanes.start_next()) is not None:
                name = f"{lane.head.account} {lane.head.shipment}"
                assert lane.head.update_id >= last.get(name, 0)
                last[name] = lane.head.update_id
                running.append(lane)
            case "end" if running:
                lane = running.pop(chance.randrange(len(running)))
                if lanes.end_head(lane):
                    lanes.resume(lane)
            case "wait" if running:
                lane = running.pop()
                lanes.wait(lane)
                waiting.append(lane)
            case "resume" if waiting:
                lanes.resume(waiting.pop(), first=chance.random() < 0.5)
            case "trim":
                lanes.trim(chance.randrange(5))
            case "drop":
                lanes.drop_account("a/x")
        held = [push for lane in lanes for push in lane.pushes]
        assert len(lanes) == len(held) == budget.pushes
        assert budget.payload_bytes == sum(push.size for push in held)
        blocked = [push for lane in lanes if lane.state.value == "waiting" for push in lane.pushes]
        assert lanes.blocked == len(blocked)


class Seam:
    """A model of the seam: a disk with ids, hand-overs that lag behind commits, pages read at any moment between."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - drives a model, keeps no secret
        self.backlog = Backlog()
        self.disk: list[int] = []
        self.handed = 0
        self.taken: list[int] = []
        self.memory: set[int] = set()
        self.finishing = False

    def commit(self) -> None:
        self.disk.append((self.disk[-1] if self.disk else 0) + self.chance.randrange(1, 3))

    def hand_over(self) -> None:
        if self.handed == len(self.disk):
            return
        number = self.disk[self.handed]
        self.handed += 1
        if not self.backlog.admits(number):
            return
        if len(self.memory) >= 5:
            self.backlog.spill(number)
        else:
            self.take(number)

    def take(self, number: int) -> None:
        assert number not in self.taken, "a page never brings what a commit brought"
        self.memory.add(number)
        self.taken.append(number)

    def end(self) -> None:
        if self.memory:
            self.memory.remove(self.chance.choice(sorted(self.memory)))

    def page(self) -> None:
        if not self.backlog.spilled or len(self.memory) > 2:
            return
        limit = 3
        after, snapshot = self.backlog.loaded_to, self.disk[-1] if self.disk else 0
        found = [number for number in self.disk if number > after][:limit]
        self.backlog.begin_load()
        for _ in range(0 if self.finishing else self.chance.randrange(6)):
            self.chance.choice((self.commit, self.hand_over))()
        if after == self.backlog.loaded_to:
            for number in found:
                self.take(number)
            self.backlog.took(last_id=found[-1] if found else None, whole=len(found) < limit, snapshot=snapshot)
        self.backlog.end_load()

    def finish(self) -> None:
        self.finishing = True
        while self.handed < len(self.disk):
            self.hand_over()
        for _ in range(len(self.disk) + 2):
            self.memory.clear()
            self.page()


@settings(max_examples=examples(300), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_commits_and_pages_together_bring_every_push_once_and_in_order(seed: int) -> None:
    seam = Seam(seed)
    steps = (seam.commit, seam.commit, seam.hand_over, seam.hand_over, seam.end, seam.end, seam.page)
    for _ in range(200):
        seam.chance.choice(steps)()
    seam.finish()
    assert seam.taken == seam.disk
