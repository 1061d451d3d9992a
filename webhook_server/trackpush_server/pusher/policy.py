"""The delivery policy: classifies responses, and computes retries and expiry. Pure functions."""

from enum import Enum

from trackpush_api.routing import Retry
from trackpush_runtime.backoff import delay_after
from trackpush_server.outbound.port import Answer, Failure

MAX_RETRY_AFTER = 3600.0
"""Upper bound of a client's Retry-After, in seconds."""
MAX_REJECTIONS = 6
"""A push becomes dead after so many rejections while other pushes succeed."""
SLOW_DOWN = frozenset({429, 502, 503, 504})
"""Status codes of an overloaded endpoint."""

_NOT_REJECTIONS = frozenset({408, 425, 429})
_GONE = 410


class Verdict(Enum):
    """The classification of one attempt's response."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    """The client rejects this push (4xx)."""
    FAILED = "failed"
    """The endpoint accepts no push now: no response, 3xx, 5xx, 408, 425, 429."""
    GONE = "gone"
    """The endpoint does not exist any more (410)."""


def judge(answer: Answer) -> Verdict:
    """Classify a response. A redirect is a failure, because redirects are never followed."""
    status = answer.status
    if status is None:
        return Verdict.FAILED
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110 status classes
        return Verdict.DELIVERED
    if status == _GONE:
        return Verdict.GONE
    if 400 <= status < 500 and status not in _NOT_REJECTIONS:  # noqa: PLR2004
        return Verdict.REJECTED
    return Verdict.FAILED


def backoff(retry: Retry, tries: int, chance: float) -> float:
    """Seconds until the next attempt after ``tries`` attempts (1 or more); ``chance`` is random, uniform in [0, 1)."""
    base = delay_after(retry.schedule, tries) if retry.schedule else retry.max_age
    return base * (1.0 + retry.jitter * (2.0 * chance - 1.0))


def stored_wait(retry: Retry, tries: int, due_at: int, now: int) -> float:
    """Seconds until a push read from the journal is due; ``due_at`` and ``now`` are ms since the epoch.

    If the wait is longer than both the schedule's step for ``tries`` and the maximum Retry-After, then the clock was
    wrong or the schedule has changed since ``due_at`` was stored. Then the wait is that step.
    """
    wait = max(due_at - now, 0) / 1000
    step = backoff(retry, max(tries, 1), 0.5)
    return wait if wait <= max(step * (1.0 + retry.jitter), MAX_RETRY_AFTER) else step


def quiet_time(answer: Answer) -> float:
    """Seconds of the response's Retry-After, at most `MAX_RETRY_AFTER`; 0 without one, and if it was delivered."""
    if answer.retry_after is None or judge(answer) is Verdict.DELIVERED:
        return 0.0
    return min(max(answer.retry_after, 0.0), MAX_RETRY_AFTER)


def expires_at(retry: Retry, received_at: int) -> int:
    """When an update received at ``received_at`` reaches maxAge (both ms since the epoch)."""
    return received_at + int(retry.max_age * 1000)


def result_label(answer: Answer) -> str:
    """Metric label with few values: ``2xx``…``5xx`` or the failure's name."""
    if answer.failure is not None:
        return str(answer.failure.value)
    return f"{answer.status // 100}xx" if answer.status else "none"


def cause(answer: Answer) -> str:
    """The class of a failure: ``HTTP 503``, ``timeout`` or ``token: HTTP 503``. Contains no text from the endpoint.

    A denial by the egress guard is given in full: the address, the reason, and the field that permits it.
    """
    if answer.failure is Failure.DENIED or (answer.failure is Failure.TOKEN and answer.cause == Failure.DENIED.value):
        return reason(answer)
    head = _head(answer)
    return f"{head}: {answer.cause}" if answer.cause else head


def loggable(answer: Answer) -> str:
    """Why an attempt failed, for logs. Leaves out the endpoint's text, which may repeat data of the push."""
    told_by_endpoint = answer.status is not None or (answer.cause or "").startswith("HTTP ")
    return cause(answer) if told_by_endpoint else reason(answer)


def reason(answer: Answer) -> str:
    """Why an attempt failed, in one short line with the beginning of the endpoint's text. For users, not for logs."""
    head = _head(answer)
    return f"{head}: {answer.detail}" if answer.detail else head


def _head(answer: Answer) -> str:
    return f"HTTP {answer.status}" if answer.status is not None else str(answer.failure and answer.failure.value)
