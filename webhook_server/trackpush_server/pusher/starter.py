"""The starter: starts the heads of ready lanes, in order, up to the endpoint's current concurrency."""

import asyncio
from typing import Protocol

from trackpush_api.routing import Retry
from trackpush_server.journal.model import PushState
from trackpush_server.pusher.attempts import Attempts
from trackpush_server.pusher.decision import Turn, turn_of
from trackpush_server.pusher.endpoint import Endpoint
from trackpush_server.pusher.hub import PAUSE, Hub
from trackpush_server.pusher.lanes import Lane
from trackpush_server.pusher.state import State
from trackpush_server.pusher.wake_up import WakeUp
from trackpush_server.pusher.window import Window


class StarterOwner(Protocol):
    """The part of the channel that the starter uses."""

    endpoint: Endpoint

    @property
    def state(self) -> State:
        """The state of the endpoint."""
        ...

    @property
    def retry(self) -> Retry:
        """The retry policy."""
        ...


class Starter:
    """Starts the pushes of one PushConfig, on one event loop."""

    __slots__ = ("_attempts", "_hub", "_loop", "_owner", "_window", "wake_up")

    def __init__(self, owner: StarterOwner, hub: Hub, window: Window, attempts: Attempts) -> None:
        self._owner = owner
        self._hub = hub
        self._window = window
        self._attempts = attempts
        self._loop = asyncio.get_running_loop()
        self.wake_up = WakeUp(self.start_ready)
        """Timer for pushes that can't start now."""

    def start_ready(self, *, refill: bool = True) -> None:
        """Start all pushes that can start now; with ``refill``, then read more from disk if there is room."""
        window, attempts = self._window, self._attempts
        while attempts.in_flight + window.loading < self._most_at_once():
            lane = window.lanes.next_lane()
            if lane is None:
                break
            if not self._hub.may_start:
                self.wake_in(PAUSE)
                break
            turn = self._turn(lane)
            # Take the rate limit's token last, so that only a push that is sent uses one.
            if turn is Turn.SEND and not self._may_send(lane):
                break
            window.lanes.start(lane)
            self._do(turn, lane)
        if refill:
            window.refill()

    def start(self, lane: Lane) -> None:
        """Start a lane that is marked running, out of order and without limits: for a probe."""
        self._do(self._turn(lane), lane)

    def wake_in(self, seconds: float) -> None:
        """Call `start_ready` after this many seconds, or earlier."""
        if not self._hub.stopping:
            self.wake_up.plan(seconds)

    def _most_at_once(self) -> int:
        """Maximum number of attempts in flight.

        While an open endpoint responds with rejections, every push that was not tried yet is still tried: rejections of
        some pushes must not block others.
        """
        state, endpoint = self._owner.state, self._owner.endpoint
        if self._window.needs_rebuild:
            return 0
        if state is State.CLOSED:
            return endpoint.limit
        if state is not State.OPEN:
            return 0
        if endpoint.refuses:
            return endpoint.most_untried
        lane = self._window.lanes.next_lane()
        return int(lane is not None and lane.head.is_last_try)

    def _turn(self, lane: Lane) -> Turn:
        return turn_of(lane.head, self._owner.retry, self._hub.wall(), self._hub.suspended_accounts)

    def _may_send(self, lane: Lane) -> bool:
        """Acquire the permission to send now, including a rate token; if it is too early, plan a wake-up."""
        wait = self._owner.endpoint.acquire(self._loop.time(), is_last_try=lane.head.is_last_try)
        if wait:
            self.wake_in(wait)
        return not wait

    def _do(self, turn: Turn, lane: Lane) -> None:
        match turn:
            case Turn.EXPIRE:
                self._attempts.end(lane, PushState.DEAD, None, "older than its maxAge when its turn came")
            case Turn.HOLD:
                self._window.lanes.wait(lane)
                self._window.lanes.drop_account(lane.head.account)
            case Turn.LOAD:
                self._window.load(lane)
            case Turn.SEND:
                self._attempts.send(lane)
