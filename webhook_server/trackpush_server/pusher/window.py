"""The window: which of a PushConfig's pending pushes are in memory, as lanes, and which are on disk only.

Pushes come as commits (`offer`) and as pages of the journal. Two cursors read pages: `Backlog` brings what was never in
memory, in order; `Parked` revisits what was put back on disk to wait there. A push never waits in memory in another's
way: beyond an allowance, lanes that wait are parked, so the window is always free for pushes that could be sent.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from trackpush_api.routing import Retry
from trackpush_server.journal.model import Committed, StoredPush
from trackpush_server.pusher import budget as bounds
from trackpush_server.pusher import policy, pushes
from trackpush_server.pusher.backlog import Backlog
from trackpush_server.pusher.endpoint import Endpoint
from trackpush_server.pusher.hub import PAUSE, RELOAD_AFTER_FAULT, Hub
from trackpush_server.pusher.lanes import Lane, Lanes, LaneState, Push
from trackpush_server.pusher.pages import Pages
from trackpush_server.pusher.parked import Parked
from trackpush_server.pusher.payloads import Payloads
from trackpush_server.pusher.state import HELD, State

_PAGE = 256


class WindowOwner(Protocol):
    """What the window needs of its channel."""

    name: str

    @property
    def state(self) -> State:
        """What the endpoint is taken to be."""

    @property
    def endpoint(self) -> Endpoint:
        """What is known of the endpoint."""

    @property
    def retry(self) -> Retry:
        """How its pushes are tried again."""
        ...

    def start_ready(self, *, refill: bool = True) -> None:
        """Start what may start."""

    def plan_probe(self, delay: float) -> None:
        """There may be another push to probe with."""

    def record_unreadable(self, lane: Lane, reason: str) -> None:
        """The payload of a head can't be opened."""

    def payload_loaded(self, lane: Lane) -> None:
        """The payload of a running head was read back."""

    def wake_in(self, seconds: float) -> None:
        """Look again after so many seconds, or earlier."""


class Window:
    """Of one PushConfig. Lives on one event loop."""

    __slots__ = (
        "_backlog",
        "_hub",
        "_loop",
        "_owner",
        "_pages",
        "_parked",
        "_payloads",
        "_revisits",
        "_timer",
        "lanes",
        "loading",
        "needs_rebuild",
    )

    def __init__(self, owner: WindowOwner, hub: Hub, *, ordered: bool) -> None:
        self._owner = owner
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self.lanes = Lanes(ordered=ordered, budget=hub.budget)
        self.needs_rebuild = False
        """Whether the lanes are to be made again as soon as no attempt is under way."""
        self._backlog = Backlog(alone=hub.ownership.alone)
        self._parked = Parked()
        self.loading = 0
        """Heads whose payload is being read back; each is as good as an attempt under way."""
        self._payloads = Payloads(
            hub.journal, owner.name, came=self._payload_came, fault=self._payload_missing, after=owner.start_ready
        )
        self._timer: asyncio.TimerHandle | None = None
        self._pages = Pages(
            hub,
            owner.name,
            self._backlog,
            room=self._page_size,
            take=self._take_page,
            taken=self._page_taken,
            fault=self._wake_after_fault,
        )
        self._revisits = Pages(
            hub,
            owner.name,
            self._parked,
            room=self._revisit_size,
            take=self._take_revisited,
            taken=self._revisit_taken,
            fault=self._wake_after_fault,
        )

    # ---- how much

    @property
    def spilled(self) -> bool:
        """Whether there are pushes on disk that were never in memory."""
        return self._backlog.spilled

    @property
    def has_more(self) -> bool:
        """Whether pending pushes may be on disk only."""
        return self._backlog.spilled or not self._parked.is_empty

    @property
    def _sendable(self) -> int:
        """Pushes in memory whose lane doesn't wait, and that the endpoint hasn't rejected."""
        return len(self.lanes) - self.lanes.blocked - self.lanes.ready_again

    @property
    def _allowance(self) -> int:
        """How many pushes may wait in memory."""
        if self._owner.state is State.OPEN:
            return bounds.WINDOW_WHILE_OPEN
        return bounds.LEAST if self._hub.budget.is_full else bounds.WAITING

    def _no_room(self) -> bool:
        state = self._owner.state
        if state in HELD:
            return True
        if len(self.lanes) < bounds.LEAST:
            return False
        sendable = self._sendable
        if state is State.OPEN:
            return sendable >= bounds.WINDOW_WHILE_OPEN
        if sendable >= bounds.WINDOW or len(self.lanes) >= bounds.MOST:
            return True
        return sendable >= bounds.LEAST and self._hub.budget.is_full

    def _page_size(self) -> int:
        if self._owner.state in HELD or self.needs_rebuild:
            return 0
        if self._owner.state is State.OPEN:
            return 0 if self._has_candidate() else bounds.WINDOW_WHILE_OPEN
        if self._hub.budget.is_full and self._sendable >= bounds.LEAST:
            return 0
        room = min(bounds.WINDOW - self._sendable, bounds.MOST - len(self.lanes))
        return min(room, _PAGE) if room >= _PAGE // 2 else 0

    def _revisit_size(self) -> int:
        if self._owner.state in HELD or self.needs_rebuild:
            return 0
        most, most_again = bounds.WINDOW, _PAGE
        if self._owner.state is State.OPEN:
            most = most_again = bounds.WINDOW_WHILE_OPEN
        elif self._hub.budget.is_full:
            most = most_again = bounds.LEAST
        return _PAGE if self._sendable < most and self.lanes.ready_again < most_again else 0

    # ---- pushes come in

    def offer(self, committed: Committed) -> bool:
        """Take a committed push if there is room; True when it is in memory."""
        if committed.behind > self._backlog.loaded_to:
            self._backlog.stored_elsewhere(committed.behind)
        if not self._backlog.admits(committed.update_id):
            self._pages.read()
            return False
        if committed.update.account in self._hub.suspended_accounts:
            return False
        if self._skips(committed.update.account, committed.update.shipment, committed.update_id):
            return False
        if self._no_room():
            self._backlog.spill(committed.update_id)
            return False
        self._add(pushes.committed(committed, self._owner.name))
        return True

    def _add(self, push: Push) -> Lane | None:
        """Put a push into its lane; the lane if it is new."""
        lane = self.lanes.add(push)
        if lane is None and self.lanes.blocked > self._allowance:
            self._park_if_crowded(self.lanes.get(self.lanes.key_of(push.account, push.shipment, push.update_id)))
        return lane

    def _skips(self, account: str, shipment: str, update_id: int) -> bool:
        """Whether a push stays on disk, behind its lane."""
        if self._parked.is_empty:
            return False
        key = self.lanes.key_of(account, shipment, update_id)
        if not self._parked.holds(key):
            return False
        self._parked.skip(key, self._loop.time())
        self._plan_revisit()
        return True

    def stored_elsewhere(self, first_id: int) -> None:
        """Another replica stored pushes, this one the first of them."""
        self._backlog.stored_elsewhere(first_id)
        self._pages.read()

    def rescan(self, again: Iterable[int] = ()) -> None:
        """Read everything pending from disk again; ``again`` had ended and are pending once more."""
        self._backlog.rescan(again)
        self._parked.clear()

    def refill(self) -> None:
        """Read on from disk where there is room."""
        if self._backlog.spilled:
            self._pages.read()
        if self._parked.spilled:
            self._revisits.read()
        elif self._parked.unsure and self._owner.state is State.OPEN and not self._has_candidate():
            self.look_soon()

    def _take_page(self, page: Sequence[StoredPush]) -> None:
        for stored in page:
            if (
                stored.update_id in self.lanes
                or self._backlog.is_stale(stored.update_id)
                or stored.account in self._hub.suspended_accounts
                or self._skips(stored.account, stored.shipment, stored.update_id)
            ):
                continue
            self._take(msgspec.structs.replace(stored, due_at=self._due_at(stored)))

    def _due_at(self, stored: StoredPush) -> int:
        """When a push is due: not as late as a clock that was wrong may have said."""
        now, tries = int(self._hub.wall() * 1000), stored.tries - stored.tries_before
        wait = policy.stored_wait(self._owner.retry, tries, stored.due_at, now)
        return min(stored.due_at, now + int(wait * 1000))

    def _page_taken(self) -> None:
        self._owner.plan_probe(0.0)
        self._owner.start_ready(refill=False)

    def _take(self, stored: StoredPush) -> None:
        push = pushes.stored(stored)
        self._owner.endpoint.read_back(push, self._owner.retry, self._hub.wall())
        lane = self._add(push)
        if lane is None:
            return
        if stored.unreadable is not None:
            self._owner.record_unreadable(lane, stored.unreadable)
            self.wait(lane, None)
        elif (delay := self._delay(stored)) > 0:
            self.wait(lane, delay)
        elif self._waits_for_endpoint(stored):
            self.wait(lane, None)

    def _delay(self, stored: StoredPush) -> float:
        """Seconds until a push is due by its own schedule."""
        return stored.due_at / 1000 - self._hub.wall()

    def _waits_for_endpoint(self, stored: StoredPush) -> bool:
        """Whether a push waits for an open endpoint, because it was tried.

        Not while the endpoint answers: then those that it hasn't rejected are tried, and those whose rejections are
        proven to be their own fault keep to their schedule.
        """
        if self._owner.state is not State.OPEN or stored.tries == stored.tries_before:
            return False
        is_unproven = stored.rejections == 1
        return is_unproven or not self._owner.endpoint.refuses

    def _wake_after_fault(self) -> None:
        self._owner.wake_in(RELOAD_AFTER_FAULT)

    # ---- payloads that were let go

    def load(self, lane: Lane) -> None:
        """Read back the payload of the head of a lane that is marked running."""
        self.loading += 1
        self._payloads.fetch(self.lanes, lane)

    def _payload_came(self, lanes: Lanes, lane: Lane, stored: StoredPush | None) -> None:
        if lanes is not self.lanes:
            lanes.end_head(lane)
            return
        self.loading -= 1
        if stored is None:  # erased meanwhile
            if lanes.end_head(lane):
                lanes.resume(lane)
        elif stored.unreadable is not None:
            self._owner.record_unreadable(lane, stored.unreadable)
            self.wait(lane, None)
            self._owner.plan_probe(PAUSE)
        else:
            lanes.load(lane.head, stored.notification, stored.body)
            self._owner.payload_loaded(lane)

    def _payload_missing(self, lanes: Lanes, lane: Lane) -> None:
        if lanes is self.lanes:
            self.loading -= 1
            self.wait(lane, RELOAD_AFTER_FAULT)
        else:
            lanes.end_head(lane)

    # ---- waiting

    def wait(self, lane: Lane, delay: float | None) -> None:
        """Block a lane; with a delay it resumes by itself, without one when its endpoint does."""
        self.lanes.wait(lane)
        if self._park_if_crowded(lane):
            return
        push = lane.head
        if self._hub.budget.is_tight and push.body is not None:
            self.lanes.unload(push)
        if delay is not None:
            self._loop.call_later(delay, self._due, lane, push)

    def _due(self, lane: Lane, push: Push) -> None:
        is_its_wait = lane.state is LaneState.WAITING and lane.pushes and lane.head is push
        if is_its_wait and self._owner.state not in HELD:
            self.lanes.resume(lane, first=push.is_last_try)
            self._owner.start_ready()

    def _park_if_crowded(self, lane: Lane | None) -> bool:
        """Park a waiting lane if too many pushes wait in memory, for probes rather one that was rejected."""
        if lane is None or lane.state is not LaneState.WAITING or self.lanes.blocked <= self._allowance:
            return False
        if not lane.head.was_rejected and (other := self._refused_lane()) is not None:
            self._park(other)
            return False
        self._park(lane)
        return True

    def _refused_lane(self) -> Lane | None:
        if self._owner.state is not State.OPEN:
            return None
        lanes = (lane for lane in self.lanes if lane.state is LaneState.WAITING and lane.head.was_rejected)
        return next(lanes, None)

    def _park(self, lane: Lane) -> None:
        head = lane.head
        due_at = None if head.due_at == 0 else self._loop.time() + head.due_at / 1000 - self._hub.wall()
        for push in lane.pushes:
            self._parked.ended(push.update_id)  # a page that is being read may show it as it was
        self._parked.park(lane.key, due_at, is_refused=head.was_rejected or head.unreadable)
        self.lanes.let_go(lane)
        self._plan_revisit()

    def resume_waiting(self) -> None:
        """The endpoint is back: heads that waited for it are ready again, oldest first."""
        now = self._hub.wall() * 1000
        waiting = [
            lane
            for lane in self.lanes
            if lane.state is LaneState.WAITING
            and not lane.head.unreadable
            and not (lane.head.is_proven and lane.head.due_at > now)
        ]
        for lane in sorted(waiting, key=lambda lane: lane.head.update_id):
            self.lanes.resume(lane)
        self.look_soon()

    def resume_untold(self) -> None:
        """The endpoint rejects, so it is up again: try what it hasn't rejected, and what is bad by its own schedule."""
        now = self._hub.wall() * 1000
        for lane in self.lanes:
            head = lane.head
            is_waiting = lane.state is LaneState.WAITING and not head.unreadable and head.due_at <= now
            if is_waiting and (head.is_proven or not head.was_rejected):
                self.lanes.resume(lane)
        self.look_soon()

    def read_again(self) -> None:
        """Payloads that couldn't be opened may be read now."""
        for lane in self.lanes:
            if lane.state is LaneState.WAITING and lane.head.unreadable:
                lane.head.unreadable = False
                self.lanes.resume(lane)
        self.look_soon()

    # ---- revisits

    def look_soon(self) -> None:
        """Parked pushes may be due: the endpoint's state changed."""
        self._parked.look_soon(self._loop.time())
        self._plan_revisit()

    def _plan_revisit(self) -> None:
        delay = self._parked.wait(self._loop.time())
        if delay is None or self._hub.stopping:
            return
        if self._timer is not None:
            if self._timer.when() <= self._loop.time() + delay:
                return
            self._timer.cancel()
        self._timer = self._loop.call_later(max(delay, 0.0), self._revisit)

    def _revisit(self) -> None:
        self._timer = None
        delay = self._parked.wait(self._loop.time())
        if delay is None or self._owner.state in HELD:
            return
        if delay > 0:
            self._plan_revisit()
            return
        self._parked.begin()
        self._revisits.read()

    def _take_revisited(self, page: Sequence[StoredPush]) -> None:
        limit = self._backlog.loaded_to if self._backlog.spilled else None
        for stored in page:
            if limit is not None and stored.update_id > limit:
                self._parked.is_complete = True  # the other cursor brings what follows
                return
            if (
                stored.update_id not in self.lanes
                and not self._parked.is_stale(stored.update_id)
                and stored.account not in self._hub.suspended_accounts
            ):
                self._revisit_push(stored)

    def _revisit_push(self, stored: StoredPush) -> None:
        if self._due_at(stored) < stored.due_at:  # it has waited since it was parked
            stored = msgspec.structs.replace(stored, due_at=0)
        key = self.lanes.key_of(stored.account, stored.shipment, stored.update_id)
        is_refused = stored.rejections > 0 or stored.unreadable is not None
        if self.lanes.get(key) is not None:
            self._take(stored)
        elif self._parked.leave_behind(key):
            return
        elif (delay := self._delay(stored)) > 0:
            self._parked.leave(key, self._loop.time() + delay, is_refused=is_refused)
        elif stored.unreadable is not None or (self._waits_for_endpoint(stored) and not self._is_wanted(stored)):
            self._parked.leave(key, None, is_refused=is_refused)
        else:
            self._take(stored)

    def _is_wanted(self, stored: StoredPush) -> bool:
        """Whether an open endpoint needs this one for its probes."""
        if not len(self.lanes):
            return True
        return stored.rejections == 0 and self._sendable < bounds.WINDOW_WHILE_OPEN

    def _revisit_taken(self) -> None:
        if self._parked.is_complete:
            self._parked.end(self._loop.time())
            self._plan_revisit()
        self._page_taken()

    # ---- probes

    def _has_candidate(self) -> bool:
        """Whether memory holds a push that the endpoint hasn't rejected."""
        return any(lane.state is not LaneState.RUNNING and not _tells_nothing(lane.head) for lane in self.lanes)

    def next_probe(self) -> Lane | None:
        """The head to probe with: the one that was tried least recently, one that was rejected only if it must be.

        None where better ones may be on disk.
        """
        lanes = (lane for lane in self.lanes if lane.state is not LaneState.RUNNING and not lane.head.unreadable)
        lane = min(lanes, key=_probe_order, default=None)
        if lane is not None and lane.head.was_rejected and self._backlog.spilled:
            return None
        return lane

    # ---- letting go

    def ended(self, update_id: int) -> None:
        """A push has ended; its outcome may not be on disk yet."""
        self._backlog.ended(update_id)
        self._parked.ended(update_id)

    def shrink(self) -> None:
        """The endpoint fails: keep what its probes need."""
        self._trim(bounds.WINDOW_WHILE_OPEN)

    def let_go(self) -> None:
        """Keep nothing but what is under way."""
        self._trim(0)
        if not self._parked.is_empty:
            self.rescan()

    def rebuild(self, *, ordered: bool) -> None:
        """Start again from the disk; what is under way ends in the old lanes."""
        self.lanes.trim(0)
        self.lanes = Lanes(ordered=ordered, budget=self._hub.budget)
        self.needs_rebuild = False
        self.loading = 0
        self.rescan()

    def _trim(self, keep: int) -> None:
        on_disk = self.lanes.trim(keep)
        if on_disk is not None:
            self._backlog.spill(on_disk + 1)

    async def close(self) -> None:
        """Stop timers and reads."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(self._pages.close(), self._revisits.close(), self._payloads.close())


def _tells_nothing(push: Push) -> bool:
    return push.unreadable or push.was_rejected


def _probe_order(lane: Lane) -> tuple[bool, int, int]:
    return lane.head.was_rejected, lane.head.last_attempt_at, lane.head.update_id
