"""Schedules the revisits of parked pushes."""

import asyncio
from collections.abc import Callable

from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.parked import Parked
from trackpush_server.pusher.wake_up import WakeUp


class RevisitSchedule:
    """The timer for the revisits of one PushConfig, on one event loop."""

    __slots__ = ("_hub", "_loop", "_parked", "_wake_up")

    def __init__(self, hub: Hub, parked: Parked, begin: Callable[[], None]) -> None:
        """``begin`` is called when a revisit may be due."""
        self._hub = hub
        self._parked = parked
        self._loop = asyncio.get_running_loop()
        self._wake_up = WakeUp(begin)

    def look_soon(self) -> None:
        """Plan a revisit soon, because a change of the endpoint's state may have made parked pushes due."""
        self._parked.look_soon(self._loop.time())
        self.plan()

    def plan(self) -> None:
        """Set the timer for the next revisit, if one is due."""
        delay = self._parked.wait(self._loop.time())
        if delay is not None and not self._hub.stopping:
            self._wake_up.plan(max(delay, 0.0))

    def cancel(self) -> None:
        """Cancel the timer."""
        self._wake_up.cancel()
