"""Try now: one immediate attempt of a pending push, because somebody asked for it.

It goes past the retry schedule, the breaker, the rate limit and the limit on concurrent attempts, as a probe does. It
never goes past an earlier push of the same lane, and a lane never has two attempts at once.
"""

import asyncio
from typing import Protocol

from trackpush_api.routing import Retry
from trackpush_server.ids import push_id
from trackpush_server.journal.model import StoredPush
from trackpush_server.pusher import conversions
from trackpush_server.pusher.attempts import Attempts
from trackpush_server.pusher.endpoint import Endpoint
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane, LaneState
from trackpush_server.pusher.state import HELD, State
from trackpush_server.pusher.window import Window


class CannotTryError(Exception):
    """No attempt can be made now; the message says why."""


class TrialOwner(Protocol):
    """The part of the channel that a trial uses."""

    name: str
    endpoint: Endpoint

    @property
    def state(self) -> State:
        """The state of the endpoint."""
        ...

    @property
    def retry(self) -> Retry:
        """The retry policy."""
        ...

    def start(self, lane: Lane) -> None:
        """Send the head of a lane that is already marked running, out of order."""


class Trials:
    """The trials of one PushConfig, on one event loop."""

    __slots__ = ("_attempts", "_hub", "_owner", "_window")

    def __init__(self, owner: TrialOwner, hub: Hub, window: Window, attempts: Attempts) -> None:
        self._owner = owner
        self._hub = hub
        self._window = window
        self._attempts = attempts

    async def start(self, update_id: int) -> asyncio.Event:
        """Start an attempt; the event is set when it has ended.

        The caller has checked that the journal has no earlier pending push of the same lane.

        Raises:
            CannotTryError: no attempt can be made now.
            JournalUnavailableError: the journal can't be read.
        """
        self._check()
        stored = await self._read(update_id)
        self._check()  # it may have changed during the read
        if stored.account in self._hub.suspended_accounts:
            raise CannotTryError(f"AggregatorWebhook {stored.account} is suspended")
        if stored.unreadable is not None:
            raise CannotTryError(f"its body can't be read: {stored.unreadable}")
        lane = self._lane_of(stored)
        ended = self._attempts.watch(update_id)
        self._window.lanes.start(lane)
        self._owner.start(lane)
        return ended

    def _check(self) -> None:
        state = self._owner.state
        if state in HELD:
            raise CannotTryError(_HELD[state].format(name=self._owner.name))
        if not self._hub.may_start or self._window.needs_rebuild:
            raise CannotTryError("the server starts no attempts at the moment; try again in a few seconds")

    async def _read(self, update_id: int) -> StoredPush:
        """The push with its payload.

        An outcome that is not on disk yet could end the push: the flush stores it, and `Window.watch` shows whether
        the push ended during the reads.
        """
        with self._window.watching(update_id) as is_pending:
            await self._hub.journal.flush()
            stored = (await self._hub.journal.fetch(self._owner.name, [update_id])).get(update_id)
            if stored is None or not is_pending():
                raise CannotTryError("it is not pending any more")
        return stored

    def _lane_of(self, stored: StoredPush) -> Lane:
        """The lane whose head is this push; if memory has none, a new one."""
        lanes = self._window.lanes
        lane = lanes.get(lanes.key_of(stored.account, stored.shipment, stored.update_id))
        if lane is None:
            push = conversions.stored(stored)
            self._owner.endpoint.read_back(push, self._owner.retry, self._hub.wall())
            lane = lanes.add(push)
            assert lane is not None
            return lane
        if lane.head.update_id != stored.update_id:
            raise CannotTryError(
                f"another push of its shipment comes first; try that one: {push_id(lane.head.key, self._owner.name)}"
            )
        if lane.state is LaneState.RUNNING:
            raise CannotTryError("an attempt is in progress")
        if lane.head.body is None:
            lanes.load(lane.head, stored.notification, stored.body)
        return lane


_HELD = {
    State.GONE: "the endpoint of {name} answered HTTP 410; reopen it first",
    State.SUSPENDED: "PushConfig {name} is suspended; resume it first",
    State.UNCONFIGURED: "PushConfig {name} is not in the served configuration: it is missing or invalid",
    State.ELSEWHERE: "another replica sends the pushes of {name}; use the admin port of that one",
}
