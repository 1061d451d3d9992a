"""A timer queue: one timer of the event loop for the deadlines of all connections.

With one timer per connection, every push would create a timer, and with ten thousand clients the event loop would have
to sort ten thousand timers. Here alarms share steps of time, so setting, moving and removing an alarm takes a few
look-ups, no matter how many alarms there are.
"""

import asyncio
import heapq
from typing import Protocol

STEP = 1 / 16
"""Maximum delay of an alarm in seconds; alarms are never early."""


class Sleeper(Protocol):
    """An object that is woken by an alarm."""

    def wake(self) -> None:
        """Called when the alarm has fired. The alarm is already removed."""
        ...


class Alarms:
    """The alarms of one event loop, in its time. A woken object may set alarms again."""

    def __init__(self) -> None:
        self._sleepers: dict[int, set[Sleeper]] = {}
        """The objects to wake, by number of the step at whose end they are woken."""
        self._steps: list[int] = []
        """A heap of the keys of ``_sleepers``."""
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float, sleeper: Sleeper) -> int:
        """Set an alarm; returns the value that `take_back` needs."""
        step = int(when / STEP) + 1
        sleepers = self._sleepers.get(step)
        if sleepers is None:
            sleepers = self._sleepers[step] = set()
            heapq.heappush(self._steps, step)
            if self._steps[0] == step:
                self._plan()
        sleepers.add(sleeper)
        return step

    def take_back(self, step: int, sleeper: Sleeper) -> None:
        """Remove an alarm."""
        sleepers = self._sleepers.get(step)
        if sleepers is not None:
            sleepers.discard(sleeper)

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._steps[0] * STEP, self._ring) if self._steps else None

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        try:
            while self._steps and self._steps[0] * STEP <= now:
                sleepers = self._sleepers[self._steps[0]]
                while sleepers:
                    sleepers.pop().wake()
                del self._sleepers[heapq.heappop(self._steps)]
        finally:
            self._plan()
