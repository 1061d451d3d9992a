"""Waiting lanes: they wait for the retry of their head, or for their endpoint.

If more pushes wait in memory than allowed, waiting lanes are parked (kept only on disk). So they don't take the room
of pushes that can be sent.
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
    """Blocks, resumes and parks the lanes of one PushConfig, on one event loop."""

    __slots__ = ("_contents", "_hub", "_loop", "_owner", "_schedule")

    def __init__(self, owner: WindowOwner, hub: Hub, contents: WindowContents, schedule: RevisitSchedule) -> None:
        self._owner = owner
        self._hub = hub
        self._contents = contents
        self._schedule = schedule
        self._loop = asyncio.get_running_loop()

    def wait(self, lane: Lane, delay: float | None) -> None:
        """Block a lane: for ``delay`` seconds, or, if None, until the endpoint recovers."""
        lanes = self._contents.lanes
        lanes.wait(lane)
        if self.park_if_crowded(lane):
            return
        push = lane.head
        if self._hub.budget.is_tight and push.body is not None:
            lanes.unload(push)
        if delay is not None:
            self._loop.call_later(delay, self._due, lane, push, lane.waits)

    def _due(self, lane: Lane, push: PendingPush, wait: int) -> None:
        is_its_wait = lane.state is LaneState.WAITING and lane.pushes and lane.head is push and lane.waits == wait
        if is_its_wait and self._owner.state not in HELD:
            self._contents.lanes.resume(lane, first=push.is_last_try)
            self._owner.start_ready()

    # ---- parking

    @property
    def are_too_many(self) -> bool:
        """Whether more pushes wait in memory than allowed."""
        return self._contents.lanes.blocked > capacity.most_waiting(self._owner.state, self._hub.budget)

    def park_if_crowded(self, lane: Lane | None) -> bool:
        """If too many pushes wait in memory, park a lane; returns whether it was this lane.

        While the breaker is open, prefer to park a lane with a rejected head, because others are better probes.
        """
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
            contents.parked.ended(push.update_id)  # a running read may still return it
        contents.parked.park(lane.key, due_at, is_refused=head.was_rejected or head.unreadable)
        contents.lanes.let_go(lane)
        self._schedule.plan()

    # ---- the endpoint's state changed

    def resume_waiting(self) -> None:
        """Resume the heads that waited for the endpoint, oldest first, because it has recovered."""
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
        """Resume due heads after an open endpoint rejected a push: the rejection shows that it responds again.

        Only heads without a rejection, and heads whose rejections are proven to be their own fault.
        """
        now = self._hub.wall() * 1000
        for lane in self._contents.lanes:
            head = lane.head
            is_waiting = lane.state is LaneState.WAITING and not head.unreadable and head.due_at <= now
            if is_waiting and (head.is_proven or not head.was_rejected):
                self._contents.lanes.resume(lane)
        self._schedule.look_soon()

    def read_again(self) -> None:
        """Resume heads with unreadable payloads, after the encryption keys have changed."""
        for lane in self._contents.lanes:
            if lane.state is LaneState.WAITING and lane.head.unreadable:
                lane.head.unreadable = False
                self._contents.lanes.resume(lane)
        self._schedule.look_soon()
