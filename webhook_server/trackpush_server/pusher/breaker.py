"""The breaker of one PushConfig: tells a bad push from a failing endpoint. Pure: time comes in.

After five failures in a row the endpoint is taken to be down: one push probes it, the others wait and use up no tries.
A rejection (4xx) counts once per push, so one bad push alone never stops a healthy endpoint, and an answer of 401 to
everything stops it after five pushes.

A rejection is *proven* to be the fault of the push when the endpoint accepted another push after it had rejected this
one. Such a push tells nothing new about the endpoint: its further rejections never open the breaker, and they count
against the push even while the breaker is open. Without that proof, nobody can tell a bad push from a broken endpoint,
so the push keeps its tries while everything is rejected.
"""

from enum import Enum

import msgspec

from trackpush_runtime.backoff import delay_after

FAILURES_TO_OPEN = 5
PROBE_DELAYS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before each probe; the last repeats: a recovered endpoint hears from us within about a minute."""
CREDENTIALS = frozenset({401, 403, 407})
"""Answers about the sender's credentials: they count against the push only if others were accepted in between."""


class Blame(Enum):
    """Whose fault a rejection is."""

    PUSH = "push"
    """Proven: the endpoint accepted another push in between."""
    PROBABLY_PUSH = "probably push"
    """It counts against the push, and towards opening."""
    ENDPOINT = "endpoint"
    """Or nobody can tell."""


class Breaker(msgspec.Struct):
    """State of the endpoint as seen from the outcomes of attempts."""

    failures: int = 0
    """Failures in a row, any kind."""
    score: int = 0
    """Failures in a row that count towards opening."""
    rejected: set[int] = msgspec.field(default_factory=set)
    """Update ids whose rejection was counted in this run."""
    failed_others: set[int] = msgspec.field(default_factory=set)
    """Up to a few distinct update ids that failed in this run, however; not those that are proven to be bad."""
    push_statuses: set[int] = msgspec.field(default_factory=set)
    """Statuses with which the endpoint rejected single pushes while it accepted others."""
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

    def failed(self, update_id: int, *, rejection: bool, proven: bool = False) -> bool:
        """Note a failure; True when this opens the breaker."""
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
            update_id: Of the push.
            status: What the endpoint answered.
            previous_attempt: When the push was rejected before, 0 for never; the clock of `succeeded`.
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
