"""The breaker of one PushConfig: tells a push's own trouble from its endpoint's. Pure: time comes in.

After five failures in a row the endpoint is taken to be down: one push probes, the others wait and burn nothing. A
rejection (4xx) counts once per push, so that one bad push alone never stops a healthy endpoint; an answer of 401
for everything stops it after five pushes.
"""

import msgspec

FAILURES_TO_OPEN = 5
PROBE_DELAYS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before each probe; the last repeats: a recovered endpoint hears from us within about a minute."""


class Breaker(msgspec.Struct):
    """State of the endpoint as seen from the outcomes of attempts."""

    failures: int = 0
    """Failures in a row, any kind."""
    score: int = 0
    """Failures in a row that count towards opening."""
    rejected: set[int] = msgspec.field(default_factory=set)
    """Update ids whose rejection was counted in this run."""
    failed_others: set[int] = msgspec.field(default_factory=set)
    """Up to a few distinct update ids that failed in this run, however."""
    is_open: bool = False
    probes: int = 0
    last_success: float | None = None
    """When the last push was delivered, seconds; any clock, always the same."""

    def succeeded(self, now: float) -> bool:
        """Note a delivery; True when this closes an open breaker."""
        closes = self.is_open
        self.failures = self.score = self.probes = 0
        if self.rejected:
            self.rejected.clear()
        if self.failed_others:
            self.failed_others.clear()
        self.is_open = False
        self.last_success = now
        return closes

    def failed(self, update_id: int, *, rejection: bool) -> bool:
        """Note a failure; True when this opens the breaker."""
        self.failures += 1
        if len(self.failed_others) <= FAILURES_TO_OPEN:
            self.failed_others.add(update_id)
        if not rejection:
            self.score += 1
        elif update_id not in self.rejected and len(self.rejected) < FAILURES_TO_OPEN:
            self.rejected.add(update_id)
            self.score += 1
        if self.is_open:
            self.probes += 1
            return False
        self.is_open = self.score >= FAILURES_TO_OPEN
        return self.is_open

    def blames_push(self, update_id: int, previous_attempt: float) -> bool:
        """Whether a rejection is this push's own fault: the endpoint takes others meanwhile.

        True when another push was delivered since this one's previous attempt (0 when there was none), or when all
        that is known of the others is that they are delivered. Times as in `succeeded`.
        """
        if self.is_open or self.last_success is None:
            return False
        return self.last_success > previous_attempt or self.failed_others <= {update_id}

    def probe_delay(self, chance: float) -> float:
        """Seconds until the next probe, ±20 %; ``chance`` is uniform in [0, 1)."""
        base = PROBE_DELAYS[min(self.probes, len(PROBE_DELAYS) - 1)]
        return base * (0.8 + 0.4 * chance)
