"""The rate limit of one PushConfig: a token bucket. Pure: time comes in, in seconds of any monotonic clock."""

from trackpush_api.routing import RateLimit


class TokenBucket:
    """Allows ``limit.requests`` starts per ``limit.per`` seconds, with bursts of a tenth of ``limit.requests``.

    The burst is small so that "50 per second" does not mean 50 at once and then a pause.
    """

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._rate = limit.requests / limit.per
        self._burst = max(1.0, limit.requests / 10)
        self._tokens = self._burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0; without a token, return the seconds until the next one."""
        self._tokens = min(self._burst, self._tokens + max(now - self._at, 0.0) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate

    def wait(self, now: float) -> float:
        """Seconds until a token is available; takes none."""
        tokens = min(self._burst, self._tokens + max(now - self._at, 0.0) * self._rate)
        return max(1.0 - tokens, 0.0) / self._rate

    def give_back(self) -> None:
        """Return the last token, which was not used."""
        self._tokens = min(self._burst, self._tokens + 1.0)
