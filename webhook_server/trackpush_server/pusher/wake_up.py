"""One timer for many requests: it fires at the earliest requested time."""

import asyncio
from collections.abc import Callable


class WakeUp:
    """Calls back once, at the earliest time planned since it last fired. For one event loop."""

    __slots__ = ("_callback", "_loop", "timer")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self.timer: asyncio.TimerHandle | None = None
        """None if nothing is planned."""

    def plan(self, seconds: float) -> None:
        """Fire after this many seconds, or earlier if an earlier time is planned."""
        at = self._loop.time() + seconds
        if self.timer is not None:
            if self.timer.when() <= at:
                return
            self.timer.cancel()
        self.timer = self._loop.call_at(at, self._fire)

    def cancel(self) -> None:
        """Cancel the timer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _fire(self) -> None:
        self.timer = None
        self._callback()
