"""Corrects this machine's clock by the database's clock, which all replicas follow.

One replica stores times that another one uses: when a push is due, how old it is, what retention deletes. If clocks
differed by hours, pushes would be delayed for hours or expire too early. So times of receipt, the dispatcher, replays
and retention use `SharedClock`, which follows the database. A difference of a few seconds is normal and not corrected.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

TOLERATED: Final = 3.0
"""Tolerated difference in seconds. A larger one is logged and corrected."""

_log = structlog.get_logger("trackpush.journal")


def local() -> float:
    """This machine's clock, in seconds since the epoch."""
    return time.time()


class SharedClock:
    """Returns seconds since the epoch by the database's clock; by this machine's clock until it was measured."""

    def __init__(self, wall: Callable[[], float] = local) -> None:
        self._wall = wall
        self.ahead = 0.0
        """Seconds that this machine is ahead of the database, as last measured; 0 within `TOLERATED`."""

    def __call__(self) -> float:
        return self._wall() - self.ahead

    def measured(self, database: float, *, before: float) -> None:
        """Compare the clocks: ``database`` is the database's time, ``before`` this machine's time before the query."""
        now = self._wall()
        ahead = (before + now) / 2 - database
        if abs(ahead) - (now - before) / 2 <= TOLERATED:
            ahead = 0.0
        if abs(ahead - self.ahead) > TOLERATED:
            _log.warning("journal_clock_differs", seconds=round(ahead, 1), what=self._sentence(ahead))
        self.ahead = ahead

    @property
    def problem(self) -> str | None:
        """Message about a difference of the clocks, with the fix; None if they agree."""
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
