"""Lanes that wait: for the retry of their head, or for their endpoint.

A push never waits in memory in another's way: beyond an allowance, lanes that wait are parked, so that the window has
room for pushes that could be sent.
"""

import asyncio

from trackpush_server.pusher import capacity
from trackpush_server.pusher.candidates import refused_lane
from trackpush_server.pusher.contents import WindowContents, WindowOwner
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane, LaneState, PendingPush
from trackpush_server.pusher.revisit_schedule import RevisitSchedule
from trackpush_server.pusher.state import HELD, State


class WaitingLanes:
    """Of one PushConfig. Lives on one event loop."""

    __slots__ = ("_contents", "_hub", "_loop", "_owner", "_schedule")

    def __init__(self, owner: WindowOwner, hub: Hub, contents: WindowContents, schedule: RevisitSchedule) -> None:
        self._owner = owner
        self._hub = hub
        self._contents = contents
        self._schedule = schedule
        self._loop = asyncio.get_running_loop()

    def wait(self, lane: Lane, delay: float | None) -> None:
        """Block a lane; with a delay it resumes by itself, without one when its endpoint does."""
        lanes = self._contents.lanes
        lanes.wait(lane)
        if self.park_if_crowded(lane):
            return
        push = lane.head
        if self._hub.budget.is_tight and push.body is not None:
            lanes.unload(push)
        if delay is not None:
            self._loop.call_later(delay, self._due, lane, push)

    def _due(self, lane: Lane, push: PendingPush) -> None:
        is_its_wait = lane.state is LaneState.WAITING and lane.pushes and lane.head is push
        if is_its_wait and self._owner.state not in HELD:
            self._contents.lanes.resume(lane, first=push.is_last_try)
            self._owner.start_ready()

    # ---- parking

    @property
    def are_too_many(self) -> bool:
        """Whether more pushes wait in memory than may."""
        return self._contents.lanes.blocked > capacity.most_waiting(self._owner.state, self._hub.budget)

    def park_if_crowded(self, lane: Lane | None) -> bool:
        """Park a waiting lane if too many pushes wait in memory, for probes rather one that was rejected."""
        if lane is None or lane.state is not LaneState.WAITING or not self.are_too_many:
            return False
        is_open = self._owner.state is State.OPEN
        if is_open and not lane.head.was_rejected and (other := refused_lane(self._contents.lanes)) is not None:
            self._park(other)
            return False
        self._park(lane)
        return True

    def _park(self, lane: Lane) -> None:
        head, contents = lane.head, self._contents
        due_at = None if head.due_at == 0 else self._loop.time() + head.due_at / 1000 - self._hub.wall()
        for push in lane.pushes:
            contents.parked.ended(push.update_id)  # a page that is being read may show it as it was
        contents.parked.park(lane.key, due_at, is_refused=head.was_rejected or head.unreadable)
        contents.lanes.let_go(lane)
        self._schedule.plan()

    # ---- the endpoint's state changed

    def resume_waiting(self) -> None:
        """The endpoint is back: heads that waited for it are ready again, oldest first."""
        now = self._hub.wall() * 1000
        waiting = [
            lane
            for lane in self._contents.lanes
            if lane.state is LaneState.WAITING
            and not lane.head.unreadable
            and not (lane.head.is_proven and lane.head.due_at > now)
        ]
        for lane in sorted(waiting, key=lambda lane: lane.head.update_id):
            self._contents.lanes.resume(lane)
        self._schedule.look_soon()

    def resume_untold(self) -> None:
        """The endpoint rejects, so it is up again: try what it hasn't rejected, and what is bad by its own schedule."""
        now = self._hub.wall() * 1000
        for lane in self._contents.lanes:
            head = lane.head
            is_waiting = lane.state is LaneState.WAITING and not head.unreadable and head.due_at <= now
            if is_waiting and (head.is_proven or not head.was_rejected):
                self._contents.lanes.resume(lane)
        self._schedule.look_soon()

    def read_again(self) -> None:
        """Payloads that couldn't be opened may be read now."""
        for lane in self._contents.lanes:
            if lane.state is LaneState.WAITING and lane.head.unreadable:
                lane.head.unreadable = False
                self._contents.lanes.resume(lane)
        self._schedule.look_soon()
