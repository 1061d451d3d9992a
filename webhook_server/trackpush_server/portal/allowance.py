"""Limits the requests of each link and of each address. Pure: time comes in, in seconds of any monotonic clock."""

from collections import OrderedDict
from typing import Final

_MOST_NAMES: Final = 10_000
"""Maximum number of names with an allowance of their own; the name that was unused for longest is forgotten."""


class Allowance:
    """Allows each name ``rate`` requests per second, and ``burst`` at once."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Requests left at a time, by name."""

    def take(self, name: str, now: float) -> float:
        """Take a request of this name and return 0; if none is left, return the seconds until the next one."""
        left, at = self._left.get(name, (self._burst, now))
        left = min(self._burst, left + max(now - at, 0.0) * self._rate)
        wait = 0.0 if left >= 1.0 else (1.0 - left) / self._rate
        self._left[name] = (left if wait else left - 1.0, now)
        self._left.move_to_end(name)
        if len(self._left) > _MOST_NAMES:
            self._left.popitem(last=False)
        return wait
