"""Lanes: the ordered queues of one PushConfig's pushes in memory. A pure data structure, without time and I/O.

A lane has the pushes of one (account, shipment). Its head is ready, running or waiting for its retry; the others wait
for the head. Lanes never wait for each other. Memory has only a window of the journal's pending pushes.
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum

from trackpush_server.pusher.budget import Budget

LaneKey = tuple[str, str] | int

_REJECTED_EVERY = 5
"""While other pushes are ready, at most one of this many starts is a retry of a rejected push."""
_PROVEN = 2
"""A push read from the journal with at least this many rejections is treated as proven to be bad."""


class PendingPush:
    """One pending push in memory. Mutable: attempts change it. Times are ms since the epoch; 0 means never."""

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
        """None if the payload was unloaded to save memory; it is read again before the next attempt."""
        self.tries = tries
        self.rejections = rejections
        self.due_at = due_at
        self.replays = replays
        self.replayed_at = replayed_at
        self.tries_before = tries_before
        """Attempts before the last replay."""
        self.trace = trace
        """W3C ``traceparent`` of the span that received its update."""
        self.last_attempt_at = 0
        self.previous_attempt_at = 0
        self.unreadable = False
        """Its payload could not be decrypted at the last read, and this was reported."""
        self.erased = False
        """It was erased during its attempt, so there is no further attempt."""
        self.is_last_try = False
        """Whether its next attempt is the last one, at the end of maxAge."""
        self.is_refused = rejections > 0
        """Whether its last attempt was rejected (4xx)."""
        self.is_proven = rejections >= _PROVEN
        """Whether its rejections are proven to be its own fault: see `breaker`."""

    @property
    def was_rejected(self) -> bool:
        """Whether the endpoint ever rejected it. If so, another attempt says little about the endpoint's health."""
        return self.rejections > 0

    @property
    def begun_at(self) -> int:
        """The time at which its maxAge starts to run."""
        return self.replayed_at or self.received_at

    @property
    def size(self) -> int:
        """Bytes of its payload in memory."""
        return len(self.body or b"") + len(self.notification or b"")


class LaneState(Enum):
    """The state of a lane's head."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"


class Lane:
    """One queue of pushes; never empty while it is in `Lanes`."""

    __slots__ = ("key", "pushes", "state", "waits")

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.pushes: deque[PendingPush] = deque()
        self.state = LaneState.READY
        self.waits = 0
        """Number of its waits so far, so that the timer of an earlier wait doesn't end a later one."""

    @property
    def head(self) -> PendingPush:
        """The next push to send, or the one being sent."""
        return self.pushes[0]


class Lanes:
    """The lanes of one PushConfig in memory, and its ready lanes in the order in which they became ready."""

    __slots__ = ("_budget", "_lanes", "_ordered", "_present", "_ready", "_ready_again", "_turns", "blocked", "is_void")

    def __init__(self, *, ordered: bool, budget: Budget) -> None:
        self.is_void = False
        """Whether the update ids in these lanes may belong to other updates, because the journal lost commits."""
        self._ordered = ordered
        self._budget = budget
        self._lanes: dict[LaneKey, Lane] = {}
        self._present: set[int] = set()
        # Created at the first use: an empty deque takes 760 bytes, and most PushConfigs have nothing to send.
        self._ready: deque[Lane] | None = None
        self._ready_again: deque[Lane] | None = None
        """Ready lanes whose head was rejected before. Separate, so that their retries don't delay other pushes."""
        self._turns = 0
        self.blocked = 0
        """Number of pushes in waiting lanes, which can't be sent now."""

    def __len__(self) -> int:
        """Number of pushes in memory."""
        return len(self._present)

    def __contains__(self, update_id: int) -> bool:
        """Whether the push of this update is in memory."""
        return update_id in self._present

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    @property
    def count(self) -> int:
        """Number of lanes."""
        return len(self._lanes)

    @property
    def ready_again(self) -> int:
        """Upper bound of the number of heads that are ready for a retry after a rejection."""
        return len(self._ready_again or ())

    def next_lane(self) -> Lane | None:
        """The lane that `start_next` would start; None if none is ready."""
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
        """The queue for a ready lane with this head."""
        if head.was_rejected:
            self._ready_again = deque() if self._ready_again is None else self._ready_again
            return self._ready_again
        self._ready = deque() if self._ready is None else self._ready
        return self._ready

    def key_of(self, account: str, shipment: str, update_id: int) -> LaneKey:
        """The key of a push's lane. Without ordering, each push has its own lane."""
        return (account, shipment) if self._ordered else update_id

    def get(self, key: LaneKey) -> Lane | None:
        """The lane with this key; None if memory has none of its pushes."""
        return self._lanes.get(key)

    def add(self, push: PendingPush) -> Lane | None:
        """Add a push to its lane; returns the lane if it is new (the push is its ready head), otherwise None.

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
        """Mark the next ready lane running and return it; None if none is ready."""
        lane = self.next_lane()
        if lane is not None:
            self.start(lane)
        return lane

    def start(self, lane: Lane) -> None:
        """Mark a lane running: the next one, or any other (for a probe)."""
        self._unblock(lane)
        lane.state = LaneState.RUNNING
        self._turns += 1
        for ready in (self._ready, self._ready_again):
            if ready and ready[0] is lane:
                ready.popleft()
                return

    def wait(self, lane: Lane) -> None:
        """Block a lane until `resume`, because its head waits for a retry."""
        lane.waits += 1
        if lane.state is not LaneState.WAITING:
            lane.state = LaneState.WAITING
            self.blocked += len(lane.pushes)

    def resume(self, lane: Lane, *, first: bool = False) -> None:
        """Make a lane ready; ``first`` puts it before the other ready lanes.

        Does nothing if the lane was removed meanwhile.
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
        """Remove a head that has ended. Returns True if the lane has another push; then it stays marked running."""
        self._unblock(lane)
        lane.state = LaneState.RUNNING
        self._forget(lane.pushes.popleft())
        if lane.pushes:
            return True
        del self._lanes[lane.key]
        return False

    def let_go(self, lane: Lane) -> None:
        """Remove a lane that is not running; its pushes remain on disk."""
        self._unblock(lane)
        lane.state = LaneState.READY
        while lane.pushes:
            self._forget(lane.pushes.pop())
        del self._lanes[lane.key]

    def trim(self, keep: int) -> int | None:
        """Remove all but the ``keep`` oldest pushes, except running heads.

        Returns:
            The highest update id up to which no push was removed; None if none was removed.
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
        """Remove erased pushes; only mark running ones."""
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
        """Restore a push's payload."""
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
