"""The state of one endpoint, and whether pushes may be sent to it. Every response is reported here.

The caller passes the time: ``now`` is monotonic (the event loop's clock), ``wall`` is seconds since the epoch.
"""

from typing import NamedTuple

from trackpush_api.routing import Destination, Retry
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import policy
from trackpush_server.pusher.breaker import CREDENTIALS, Blame, Breaker
from trackpush_server.pusher.lanes import PendingPush
from trackpush_server.pusher.policy import Verdict
from trackpush_server.pusher.rate import TokenBucket

REPORT_AFTER = 30.0
"""Seconds without a delivery since the first failure, after which the endpoint is reported as failing."""
_CREDENTIALS_PAUSE = 0.2
"""Seconds between two pushes to an open endpoint that rejects our credentials: some endpoints lock out frequent
senders.
"""


class News(NamedTuple):
    """What one response says about the endpoint."""

    delivered: bool = False
    closed: bool = False
    """The breaker closed: the endpoint has recovered."""
    opened: bool = False
    """The breaker opened."""
    gone: bool = False
    """The endpoint responded with 410."""
    proven: bool = False
    """The push is proven to be at fault, not the endpoint."""
    answers_again: bool = False
    """This response is a rejection and the one before was not: the endpoint responds again."""


class Endpoint:
    """The endpoint of one version of a destination: breaker, limit on attempts, rate limit, quiet time and health."""

    __slots__ = (
        "_closed_at",
        "_paced_until",
        "_refuses_credentials",
        "breaker",
        "cause",
        "failing_since",
        "is_hopeless",
        "limit",
        "most",
        "quiet_until",
        "rate",
        "refuses",
    )

    def __init__(self, destination: Destination, now: float) -> None:
        limit = destination.rate_limit
        self.breaker = Breaker()
        self.most = destination.max_concurrency
        self.limit = destination.max_concurrency
        """Maximum number of concurrent attempts; below ``most`` while the endpoint recovers."""
        self.rate = None if limit is None else TokenBucket(limit, now)
        self.quiet_until = 0.0
        self.refuses = False
        """Whether its last response was a rejection. Then it is up, so a push that it hasn't seen may be tried at once.
        """
        self.cause = ""
        """The cause of the last failed attempt, see `policy.cause`."""
        self.failing_since: float | None = None
        """Time of the first failed attempt since the last delivery (wall clock); None without failures."""
        self.is_hopeless = False
        """Whether no retry can succeed after the last failure."""
        self._closed_at = 0.0
        self._refuses_credentials = False
        self._paced_until = 0.0

    def acquire(self, now: float, *, is_last_try: bool = False) -> float:
        """Get permission to send one push now and return 0, or return the seconds to wait.

        A last attempt before the end of maxAge ignores the quiet time, which ends after maxAge.
        """
        if self.quiet_until or self._paced_until:
            wait = max(0.0 if is_last_try else self.quiet_until - now, self._paced_until - now)
            if wait > 0:
                return wait
        return 0.0 if self.rate is None else self.rate.take(now)

    @property
    def most_untried(self) -> int:
        """Maximum number of concurrent attempts with untried pushes, while the endpoint rejects everything.

        It is 1 if the endpoint rejects our credentials, because more would look like an attack.
        """
        return 1 if self._refuses_credentials else self.limit

    def is_quiet(self, now: float) -> bool:
        """Whether the client asked for a pause (Retry-After)."""
        return now < self.quiet_until

    def delivered(self, wall: float) -> News:
        """Record a delivery."""
        self.failing_since = None
        self.refuses = self.is_hopeless = False
        self._paced_until = 0.0
        self.limit = min(self.limit + 1, self.most)
        closes = self.breaker.succeeded(wall)
        if closes:
            self._closed_at = wall
            self.limit = 1  # the endpoint was down: do not send everything at once
        return News(delivered=True, closed=closes)

    def failed(self, push: PendingPush, answer: Answer, *, now: float, wall: float, current: bool) -> News:
        """Record a failed attempt and whose fault it is; ``current``: it went to this version of the destination."""
        verdict = policy.judge(answer)
        blame = self._blame(push, answer, verdict)
        if not current:
            return News(proven=blame is Blame.PUSH)
        self._slow_down(answer, now)
        self.cause = policy.cause(answer)
        answers_again = verdict is Verdict.REJECTED and not self.refuses
        self.refuses = verdict is Verdict.REJECTED
        self._refuses_credentials = answer.status in CREDENTIALS
        if blame is Blame.PUSH:
            self.breaker.failed(push.update_id, rejection=True, proven=True)
            return News(proven=True, answers_again=answers_again)
        self.is_hopeless = answer.is_permanent or answer.failure is Failure.DENIED
        self.failing_since = wall if self.failing_since is None else self.failing_since
        if self._refuses_credentials and self.breaker.is_open:
            self._paced_until = now + _CREDENTIALS_PAUSE
        if verdict is Verdict.GONE:
            return News(gone=True)
        opened = self.breaker.failed(push.update_id, rejection=self.refuses)
        return News(opened=opened, answers_again=answers_again)

    def read_back(self, push: PendingPush, retry: Retry, wall: float) -> None:
        """Take over the results of earlier attempts of a push that was read from disk."""
        if push.tries == push.tries_before:
            return
        if push.due_at:  # the response arrived at least one backoff before `due_at`
            ended = push.due_at / 1000 - policy.backoff(retry, push.tries - push.tries_before, 0.0)
        elif self._closed_at:
            ended = self._closed_at - 0.001  # it waited for its endpoint, so it was tried before the breaker closed
        else:
            ended = wall
        push.last_attempt_at = int(min(ended, wall) * 1000)
        if self.breaker.last_success is None and not push.is_proven:
            begun = push.begun_at / 1000
            self.failing_since = begun if self.failing_since is None else min(self.failing_since, begun)
            self.cause = self.cause or "not delivered before the server started"

    def is_failing(self, wall: float) -> bool:
        """Whether to report the endpoint: it accepted nothing for a while, or no retry can succeed."""
        return self.failing_since is not None and (self.is_hopeless or wall - self.failing_since >= REPORT_AFTER)

    def probe_delay(self, answer: Answer, chance: float) -> float:
        """Seconds until the next probe after this response."""
        return max(self.breaker.probe_delay(chance), policy.quiet_time(answer))

    def _blame(self, push: PendingPush, answer: Answer, verdict: Verdict) -> Blame:
        """Find whose fault a rejection is. If the push's, count it, and also an earlier one that this one proves."""
        if verdict is not Verdict.REJECTED or answer.status is None:
            push.is_refused = False
            return Blame.ENDPOINT
        previous = push.previous_attempt_at / 1000 if push.is_refused else 0.0
        blame = self.breaker.blame(push.update_id, answer.status, previous_attempt=previous, proven=push.is_proven)
        push.is_refused = True
        push.rejections = max(push.rejections, 1)  # its earlier rejection was not counted before this proof
        if blame is Blame.PUSH:
            push.rejections += 1
            push.is_proven = True
        elif blame is Blame.PROBABLY_PUSH and previous:
            push.rejections += 1
        return blame

    def _slow_down(self, answer: Answer, now: float) -> None:
        quiet = policy.quiet_time(answer)
        if quiet:
            self.quiet_until = max(self.quiet_until, now + quiet)
        if answer.status in policy.SLOW_DOWN:
            self.limit = max(1, self.limit // 2)
