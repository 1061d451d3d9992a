"""Retry delays: one step for each failure in a row; the last step repeats."""

import random
from collections.abc import Callable, Sequence


def delay_after(delays: Sequence[float], failures: int) -> float:
    """The delay after this many failures in a row (1 or more). Pure."""
    return delays[min(failures, len(delays)) - 1]


class RetryDelays:
    """Counts the failures of one operation: call `fail` after each failure and `reset` after a success."""

    def __init__(self, *delays: float, jitter: float = 0.0, chance: Callable[[], float] = random.random) -> None:
        """``jitter``: the fraction of a delay that is added or subtracted at random; ``chance`` is in [0, 1)."""
        self._delays = delays
        self._jitter = jitter
        self._chance = chance
        self.failures = 0
        """Number of failures in a row."""

    @property
    def is_exhausted(self) -> bool:
        """Whether each delay was used, so that the caller should give up."""
        return self.failures >= len(self._delays)

    @property
    def delay(self) -> float:
        """Seconds until the next try; 0 before the first failure."""
        if not self.failures:
            return 0.0
        return delay_after(self._delays, self.failures) * (1.0 + self._jitter * (2.0 * self._chance() - 1.0))

    def fail(self) -> float:
        """Count a failure; returns the seconds until the next try."""
        self.failures += 1
        return self.delay

    def reset(self) -> None:
        """Call after a success."""
        self.failures = 0
