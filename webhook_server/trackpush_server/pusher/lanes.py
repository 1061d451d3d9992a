"""Lanes: the ordered lines of pushes of one PushConfig. Pure data structure, no time, no I/O.

A lane is one (account, shipment). Its head is ready, running or waiting for its retry; the others wait behind it.
Lanes never wait for each other. What is in memory is a window of what the journal holds as pending.
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum

from trackpush_server.pusher.budget import Budget

LaneKey = tuple[str, str] | int

_REJECTED_EVERY = 5
"""One start in so many may be a retry of a rejected push while others are ready."""
_PROVEN = 2
"""Rejections counted against a push of an earlier process that prove it to be bad."""


class PendingPush:
    """One pending push in memory. Mutable: its tries grow. Times: ms since the epoch, 0 is never."""

    __slots__ = (
        "account",
        "body",
        "due_at",
        "erased",
        "is_last_try",
        "is_proven",
        "is_refused",
        "key",
        "last_attempt_at",
        "late",
        "notification",
        "previous_attempt_at",
        "received_at",
        "rejections",
        "replayed_at",
        "replays",
        "shipment",
        "trace",
        "tries",
        "tries_before",
        "unreadable",
        "update_id",
    )

    def __init__(
        self,
        *,
        update_id: int,
        key: bytes,
        account: str,
        shipment: str,
        received_at: int,
        late: bool,
        notification: bytes | None,
        body: bytes | None,
        tries: int = 0,
        rejections: int = 0,
        due_at: int = 0,
        replays: int = 0,
        replayed_at: int = 0,
        tries_before: int = 0,
        trace: str | None = None,
    ) -> None:
        self.update_id = update_id
        self.key = key
        self.account = account
        self.shipment = shipment
        self.received_at = received_at
        self.late = late
        self.notification = notification
        self.body = body
        """None when the payload was let go to save memory; it is read again before the next attempt."""
        self.tries = tries
        self.rejections = rejections
        self.due_at = due_at
        self.replays = replays
        self.replayed_at = replayed_at
        self.tries_before = tries_before
        """Tries before the last replay."""
        self.trace = trace
        """The span that received its update, as a ``traceparent``."""
        self.last_attempt_at = 0
        self.previous_attempt_at = 0
        self.unreadable = False
        """Its payload couldn't be decrypted at the last read; this was reported."""
        self.erased = False
        """Erased while its attempt was under way: there will be no other."""
        self.is_last_try = False
        """Whether its next attempt is the last, at the end of maxAge."""
        self.is_refused = rejections > 0
        """Whether its last attempt was rejected (4xx)."""
        self.is_proven = rejections >= _PROVEN
        """Whether its rejections are its own fault: see `breaker`."""

    @property
    def was_rejected(self) -> bool:
        """Whether the endpoint ever rejected it: another attempt says little about whether others would be accepted."""
        return self.rejections > 0

    @property
    def begun_at(self) -> int:
        """From when its maxAge counts."""
        return self.replayed_at or self.received_at

    @property
    def size(self) -> int:
        """Bytes of payload held in memory."""
        return len(self.body or b"") + len(self.notification or b"")


class LaneState(Enum):
    """What the head of a lane does."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"


class Lane:
    """One line of pushes, never empty while it is in `Lanes`."""

    __slots__ = ("key", "pushes", "state")

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.pushes: deque[PendingPush] = deque()
        self.state = LaneState.READY

    @property
    def head(self) -> PendingPush:
        """The push whose turn it is."""
        return self.pushes[0]


class Lanes:
    """All lanes of one PushConfig that are in memory, and those that are ready, in the order they became so."""

    __slots__ = ("_budget", "_lanes", "_ordered", "_present", "_ready", "_ready_again", "_turns", "blocked", "is_void")

    def __init__(self, *, ordered: bool, budget: Budget) -> None:
        self.is_void = False
        """Whether their update ids may be of other updates by now: the journal lost commits."""
        self._ordered = ordered
        self._budget = budget
        self._lanes: dict[LaneKey, Lane] = {}
        self._present: set[int] = set()
        # Made at the first use: an empty deque takes 760 bytes, and most of many PushConfigs have nothing to send.
        self._ready: deque[Lane] | None = None
        self._ready_again: deque[Lane] | None = None
        """Those whose head was rejected before: retries of such must not hold up pushes that may be accepted."""
        self._turns = 0
        self.blocked = 0
        """Pushes in lanes whose head waits: they can't be sent now whatever else happens."""

    def __len__(self) -> int:
        """Pushes in memory."""
        return len(self._present)

    def __contains__(self, update_id: int) -> bool:
        """Whether the push of this update is in memory."""
        return update_id in self._present

    def __iter__(self) -> Iterator[Lane]:
        """All lanes."""
        return iter(self._lanes.values())

    @property
    def count(self) -> int:
        """Number of lanes."""
        return len(self._lanes)

    @property
    def ready_again(self) -> int:
        """Heads that are ready for a retry after a rejection, at most."""
        return len(self._ready_again or ())

    def next_lane(self) -> Lane | None:
        """The lane that `start_next` would take; None when there is none."""
        first = self._first_of(self._ready)
        if not self._ready_again or (first is not None and self._turns % _REJECTED_EVERY):
            return first
        return self._first_of(self._ready_again) or first

    def _first_of(self, ready: deque[Lane] | None) -> Lane | None:
        while ready:
            lane = ready[0]
            if lane.state is LaneState.READY and self._lanes.get(lane.key) is lane:
                return lane
            ready.popleft()
        return None

    def _queue_of(self, head: PendingPush) -> deque[Lane]:
        """The ready lanes among which a lane with this head belongs."""
        if head.was_rejected:
            self._ready_again = deque() if self._ready_again is None else self._ready_again
            return self._ready_again
        self._ready = deque() if self._ready is None else self._ready
        return self._ready

    def key_of(self, account: str, shipment: str, update_id: int) -> LaneKey:
        """The lane that a push belongs to."""
        return (account, shipment) if self._ordered else update_id

    def get(self, key: LaneKey) -> Lane | None:
        """The lane with this key, None when none of its pushes is in memory."""
        return self._lanes.get(key)

    def add(self, push: PendingPush) -> Lane | None:
        """Put a push into its lane, by update id; the lane when it had none and the push is its ready head, else None.

        Appended in order of id; a replayed push may go ahead of others, but never of an already attempted head.
        """
        key = self.key_of(push.account, push.shipment, push.update_id)
        self._present.add(push.update_id)
        self._budget.add(push.size)
        lane = self._lanes.get(key)
        if lane is not None:
            _line_up(lane, push)
            self.blocked += lane.state is LaneState.WAITING
            return None
        lane = self._lanes[key] = Lane(key)
        lane.pushes.append(push)
        self._queue_of(push).append(lane)
        return lane

    def start_next(self) -> Lane | None:
        """Take the next ready lane and mark it running; None when there is none."""
        lane = self.next_lane()
        if lane is not None:
            self.start(lane)
        return lane

    def start(self, lane: Lane) -> None:
        """Mark a lane running, the next one or another out of turn (a probe)."""
        self._unblock(lane)
        lane.state = LaneState.RUNNING
        self._turns += 1
        for ready in (self._ready, self._ready_again):
            if ready and ready[0] is lane:
                ready.popleft()
                return

    def wait(self, lane: Lane) -> None:
        """The head waits for its retry; the lane is blocked until `resume`."""
        if lane.state is not LaneState.WAITING:
            lane.state = LaneState.WAITING
            self.blocked += len(lane.pushes)

    def resume(self, lane: Lane, *, first: bool = False) -> None:
        """The head may be sent (again); ``first`` puts it before the other ready ones.

        Does nothing for a lane that was let go meanwhile.
        """
        if self._lanes.get(lane.key) is not lane:
            return
        self._unblock(lane)
        lane.state = LaneState.READY
        ready = self._queue_of(lane.head)
        if first:
            ready.appendleft(lane)
        else:
            ready.append(lane)

    def end_head(self, lane: Lane) -> bool:
        """The head has ended: drop it. True when another push is behind it (the lane stays running)."""
        self._unblock(lane)
        lane.state = LaneState.RUNNING
        self._forget(lane.pushes.popleft())
        if lane.pushes:
            return True
        del self._lanes[lane.key]
        return False

    def let_go(self, lane: Lane) -> None:
        """Remove a whole lane that isn't running: its pushes are then only on disk."""
        self._unblock(lane)
        lane.state = LaneState.READY
        while lane.pushes:
            self._forget(lane.pushes.pop())
        del self._lanes[lane.key]

    def trim(self, keep: int) -> int | None:
        """Remove all but the ``keep`` oldest pushes, except running heads.

        Returns:
            The highest update id below which everything is still in memory, None when nothing was let go.
        """
        removable = sorted(
            (push.update_id, lane.key)
            for lane in self._lanes.values()
            for index, push in enumerate(lane.pushes)
            if index > 0 or lane.state is not LaneState.RUNNING
        )[keep:]
        if not removable:
            return None
        cut = removable[0][0]
        for key in {key for _, key in removable}:
            self._cut_lane(self._lanes[key], cut)
        return cut - 1

    def drop_account(self, account: str) -> bool:
        """Remove an account's pushes, except running heads; returns whether there were any."""
        dropped = False
        for lane in [lane for lane in self._lanes.values() if lane.head.account == account]:
            before = len(lane.pushes)
            self._cut_lane(lane, 0)
            dropped |= before != len(lane.pushes) or lane.state is not LaneState.RUNNING
        return dropped

    def remove(self, update_ids: frozenset[int]) -> None:
        """Remove erased pushes; running ones are marked."""
        for lane in list(self._lanes.values()):
            if any(push.update_id in update_ids for push in lane.pushes):
                self._remove_from(lane, update_ids)

    def _remove_from(self, lane: Lane, update_ids: frozenset[int]) -> None:
        head = lane.head
        for push in [push for push in lane.pushes if push.update_id in update_ids]:
            if push is head and lane.state is LaneState.RUNNING:
                push.erased = True
                continue
            lane.pushes.remove(push)
            self._forget(push)
            self.blocked -= lane.state is LaneState.WAITING
        if not lane.pushes:
            del self._lanes[lane.key]
        elif lane.head is not head and lane.state is LaneState.WAITING:
            self.resume(lane)

    def unload(self, push: PendingPush) -> None:
        """Release a push's payload; it must be loaded again before the next attempt."""
        self._budget.resize(-push.size)
        push.body = push.notification = None

    def load(self, push: PendingPush, notification: bytes, body: bytes) -> None:
        """Put back a push's payload."""
        push.notification, push.body = notification, body
        self._budget.resize(push.size)

    def _forget(self, push: PendingPush) -> None:
        self._present.discard(push.update_id)
        self._budget.remove(push.size)

    def _cut_lane(self, lane: Lane, first_removed: int) -> None:
        keep_head = lane.state is LaneState.RUNNING
        while lane.pushes and lane.pushes[-1].update_id >= first_removed and not (keep_head and len(lane.pushes) == 1):
            self._forget(lane.pushes.pop())
            self.blocked -= lane.state is LaneState.WAITING
        if not lane.pushes:
            del self._lanes[lane.key]

    def _unblock(self, lane: Lane) -> None:
        if lane.state is LaneState.WAITING:
            self.blocked -= len(lane.pushes)


def _line_up(lane: Lane, push: PendingPush) -> None:
    pushes = lane.pushes
    first = 0 if lane.state is LaneState.READY and not lane.head.tries else 1
    at = len(pushes)
    while at > first and pushes[at - 1].update_id > push.update_id:
        at -= 1
    pushes.insert(at, push)
