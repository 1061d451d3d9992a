"""When to revisit the pushes that are parked on disk."""

import asyncio
from collections.abc import Callable

from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.parked import Parked
from trackpush_server.pusher.wake_up import WakeUp


class RevisitSchedule:
    """Of one PushConfig. Lives on one event loop."""

    __slots__ = ("_hub", "_loop", "_parked", "_wake_up")

    def __init__(self, hub: Hub, parked: Parked, begin: Callable[[], None]) -> None:
        """``begin`` is called when a revisit may be due."""
        self._hub = hub
        self._parked = parked
        self._loop = asyncio.get_running_loop()
        self._wake_up = WakeUp(begin)

    def look_soon(self) -> None:
        """Parked pushes may be due: the endpoint's state changed."""
        self._parked.look_soon(self._loop.time())
        self.plan()

    def plan(self) -> None:
        """Set the timer for the revisit that is due next, if there is one."""
        delay = self._parked.wait(self._loop.time())
        if delay is not None and not self._hub.stopping:
            self._wake_up.plan(max(delay, 0.0))

    def cancel(self) -> None:
        """Plan none."""
        self._wake_up.cancel()
