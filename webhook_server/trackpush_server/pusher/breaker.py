"""The circuit breaker of one PushConfig: distinguishes a bad push from a failing endpoint.

Pure: the caller passes the time.

After five failures in a row, the breaker opens: one push probes the endpoint, and the other pushes wait without using
up tries. A rejection (4xx) counts once per push. So one bad push never stops a healthy endpoint, and an endpoint that
answers 401 to everything is stopped after five pushes.

A rejection is *proven* to be the fault of the push if the endpoint accepted another push after it had rejected this
one. Further rejections of this push say nothing new about the endpoint: they never open the breaker, and they count as
tries of the push even while the breaker is open. Without such a proof, a bad push looks the same as a broken endpoint,
so the push keeps its tries while the endpoint rejects everything.
"""

from enum import Enum

import msgspec

from trackpush_runtime.backoff import delay_after

FAILURES_TO_OPEN = 5
PROBE_DELAYS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before each probe; the last value repeats, so a recovered endpoint gets a probe within about a minute."""
CREDENTIALS = frozenset({401, 403, 407})
"""Status codes about the sender's credentials. They count against the push only if the endpoint accepted others in
between.
"""


class Blame(Enum):
    """Whose fault a rejection is."""

    PUSH = "push"
    """Proven: the endpoint accepted another push in between."""
    PROBABLY_PUSH = "probably push"
    """Not proven. Counts against the push, and towards opening the breaker."""
    ENDPOINT = "endpoint"
    """The endpoint is at fault, or the cause is unknown."""


class Breaker(msgspec.Struct):
    """The state of the endpoint, derived from the outcomes of attempts."""

    failures: int = 0
    """Failures of any kind in a row."""
    score: int = 0
    """Failures in a row that count towards opening."""
    rejected: set[int] = msgspec.field(default_factory=set)
    """Update ids of the pushes whose rejection was already counted in this row of failures."""
    failed_others: set[int] = msgspec.field(default_factory=set)
    """A few distinct update ids that failed in this row of failures, without those that are proven to be bad."""
    push_statuses: set[int] = msgspec.field(default_factory=set)
    """Status codes with which the endpoint rejected single pushes while it accepted others."""
    is_open: bool = False
    probes: int = 0
    last_success: float | None = None
    """Time of the last delivery in seconds, by any clock, but always the same one."""

    def succeeded(self, now: float) -> bool:
        """Record a delivery; returns True if this closes an open breaker."""
        closes = self.is_open
        self.failures = self.score = self.probes = 0
        if self.rejected:
            self.rejected.clear()
        if self.failed_others:
            self.failed_others.clear()
        self.is_open = False
        self.last_success = now
        return closes

    def failed(self, update_id: int, *, rejection: bool, proven: bool = False) -> bool:
        """Record a failure; returns True if this opens the breaker."""
        self.failures += 1
        if proven:
            return False
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

    def blame(self, update_id: int, status: int, *, previous_attempt: float, proven: bool) -> Blame:
        """Whose fault a rejection is.

        Args:
            update_id: Id of the push's update.
            status: Status code of the response.
            previous_attempt: Time of the push's previous rejection, by the clock of `succeeded`; 0 if there was none.
            proven: Whether an earlier rejection of this push was proven to be its own fault.
        """
        accepted_between = self.last_success is not None and 0 < previous_attempt < self.last_success
        if accepted_between or (proven and status not in CREDENTIALS):
            self.push_statuses.add(status)
            return Blame.PUSH
        if self.is_open or self.last_success is None or status in CREDENTIALS:
            return Blame.ENDPOINT
        is_alone = self.failed_others <= {update_id}
        return Blame.PROBABLY_PUSH if is_alone or status in self.push_statuses else Blame.ENDPOINT

    def probe_delay(self, chance: float) -> float:
        """Seconds until the next probe, ±20 %; ``chance`` is uniform in [0, 1)."""
        base = delay_after(PROBE_DELAYS, self.probes + 1)
        return base * (0.8 + 0.4 * chance)
