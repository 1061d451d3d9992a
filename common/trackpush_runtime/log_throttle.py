"""Limits log lines and counts the suppressed ones, so that a flood of requests does not fill the log."""

import time
from collections.abc import Callable

_MOST_KINDS = 1024


class LogThrottle:
    """Allows ``most`` lines per kind in ``per`` seconds. Kinds beyond a maximum number share one allowance."""

    def __init__(self, *, most: int = 5, per: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._per = per
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}
        self._next_end = 0.0
        """Before that, no window can be forgotten: a flood of new kinds must not look at all windows for each line."""

    def allow(self, kind: str) -> int | None:
        """Number of lines of this kind suppressed since the last allowed one; None if this line is suppressed, too."""
        now = self._clock()
        if kind not in self._windows and len(self._windows) >= _MOST_KINDS:
            if now >= self._next_end:
                self._forget_ended(now)
            kind = kind if len(self._windows) < _MOST_KINDS else ""
        start, count = self._windows.get(kind, (now, 0))
        if now - start < self._per:
            self._windows[kind] = (start, count + 1)
            return 0 if count < self._most else None
        self._windows[kind] = (now, 1)
        return max(0, count - self._most)

    def _forget_ended(self, now: float) -> None:
        """Forget time windows that have ended and in which nothing was suppressed."""
        self._windows = {
            kind: (start, count)
            for kind, (start, count) in self._windows.items()
            if now - start < self._per or count > self._most
        }
        starts = (start for start, _ in self._windows.values() if now - start < self._per)
        self._next_end = min(starts, default=now) + self._per
