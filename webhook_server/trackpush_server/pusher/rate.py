"""The rate limit of one PushConfig: a token bucket. Pure: time comes in, in seconds of any steady clock."""

from trackpush_api.routing import RateLimit


class TokenBucket:
    """At most ``limit.requests`` starts in ``limit.per`` seconds, evenly refilled, bursts up to a tenth of a period.

    The burst is small on purpose: "50 per second" shall not mean 50 at once and then silence.
    """

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._rate = limit.requests / limit.per
        self._burst = max(1.0, limit.requests / 10)
        self._tokens = self._burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        self._tokens = min(self._burst, self._tokens + max(now - self._at, 0.0) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate

    def give_back(self) -> None:
        """Nothing was started with the last token."""
        self._tokens = min(self._burst, self._tokens + 1.0)
