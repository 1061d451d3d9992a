"""A timer queue: one timer of the event loop for the deadlines of all connections.

With a timer for each, every push of a client that has few would create one, and with ten thousand clients each finds
its place among ten thousand others. Here alarms share steps of time, so setting, moving and taking one back are a few
look-ups, however many there are.
"""

import asyncio
import heapq
from typing import Protocol

STEP = 1 / 16
"""Seconds that an alarm may be late; it is never early."""


class Sleeper(Protocol):
    """Who is woken."""

    def wake(self) -> None:
        """The alarm has fired and is removed."""
        ...


class Alarms:
    """The alarms of one event loop; all times are its times. A woken object may set alarms again."""

    def __init__(self) -> None:
        self._sleepers: dict[int, set[Sleeper]] = {}
        """By number of the step at whose end they are woken."""
        self._steps: list[int] = []
        """A heap of the keys."""
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
