"""How far this machine's clock is from the database's, by which all replicas go.

What one replica stores, another one acts on: when a push is due, how old it is, what retention deletes. With clocks
that differ by hours, pushes would wait for hours or be given up too early. So times of receipt, the dispatcher, replays
and retention use `SharedClock`, which follows the database. A difference of a few seconds is normal and left alone.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

TOLERATED: Final = 3.0
"""Seconds that clocks may differ before anybody is warned and the time is corrected."""

_log = structlog.get_logger("trackpush.journal")


def local() -> float:
    """This machine's clock, in seconds since the epoch."""
    return time.time()


class SharedClock:
    """Seconds since the epoch, by the database's clock as far as it is known."""

    def __init__(self, wall: Callable[[], float] = local) -> None:
        self._wall = wall
        self.ahead = 0.0
        """Seconds that this machine is ahead of the database, as of the last look; 0 within `TOLERATED`."""

    def __call__(self) -> float:
        """The time."""
        return self._wall() - self.ahead

    def measured(self, database: float, *, before: float) -> None:
        """The database said its time; this machine's clock said ``before`` when it was asked."""
        now = self._wall()
        ahead = (before + now) / 2 - database
        if abs(ahead) - (now - before) / 2 <= TOLERATED:
            ahead = 0.0
        if abs(ahead - self.ahead) > TOLERATED:
            _log.warning("journal_clock_differs", seconds=round(ahead, 1), what=self._sentence(ahead))
        self.ahead = ahead

    @property
    def problem(self) -> str | None:
        """What is wrong, and what to do."""
        return self._sentence(self.ahead) if self.ahead else None

    @staticmethod
    def _sentence(ahead: float) -> str:
        if not ahead:
            return "the clocks of this machine and of the database agree again"
        how = "ahead of" if ahead > 0 else "behind"
        return (
            f"this machine's clock is {abs(ahead):.0f} s {how} the database's; synchronise both (NTP)."
            " Retries, maxAge and retention follow the database's clock; receivedAt in pushes follows this machine's"
        )
