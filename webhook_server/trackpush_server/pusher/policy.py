"""The delivery policy: what an answer means, when to try again, when to give up. Pure functions."""

from enum import Enum

from trackpush_api.routing import Retry
from trackpush_runtime.backoff import delay_after
from trackpush_server.outbound.port import Answer, Failure

MAX_RETRY_AFTER = 3600.0
"""A client may ask for at most this many seconds of quiet."""
MAX_REJECTIONS = 6
"""A push that the client rejects this often, while others succeed, is dead."""
SLOW_DOWN = frozenset({429, 502, 503, 504})
"""Answers of an endpoint that has too much to do."""

_NOT_REJECTIONS = frozenset({408, 425, 429})
_GONE = 410


class Verdict(Enum):
    """The meaning of one attempt's answer."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    """The client refuses this very push (4xx)."""
    FAILED = "failed"
    """The endpoint can't take any push now: no answer, 3xx, 5xx, 408, 425, 429."""
    GONE = "gone"
    """The endpoint is gone (410)."""


def judge(answer: Answer) -> Verdict:
    """The verdict on an answer. A redirect is a failure: it is never followed."""
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
    """Seconds until the next try after ``tries`` tries (1 or more); ``chance`` is uniform in [0, 1)."""
    base = delay_after(retry.schedule, tries) if retry.schedule else retry.max_age
    return base * (1.0 + retry.jitter * (2.0 * chance - 1.0))


def stored_wait(retry: Retry, tries: int, due_at: int, now: int) -> float:
    """Seconds until a push that was read back is due; ``due_at`` and ``now`` in ms since the epoch.

    After so many tries, only a clock that was wrong, or another schedule, makes it wait longer than this step of the
    schedule and longer than any Retry-After. Then it waits for the step.
    """
    wait = max(due_at - now, 0) / 1000
    step = backoff(retry, max(tries, 1), 0.5)
    return wait if wait <= max(step * (1.0 + retry.jitter), MAX_RETRY_AFTER) else step


def quiet_time(answer: Answer) -> float:
    """Seconds of quiet that the client asks for with Retry-After, bounded; 0 when it doesn't."""
    if answer.retry_after is None or judge(answer) is Verdict.DELIVERED:
        return 0.0
    return min(max(answer.retry_after, 0.0), MAX_RETRY_AFTER)


def expires_at(retry: Retry, received_at: int) -> int:
    """The end of maxAge for an update received at ``received_at`` (both ms since the epoch)."""
    return received_at + int(retry.max_age * 1000)


def result_label(answer: Answer) -> str:
    """A bounded label for metrics: ``2xx``…``5xx`` or the failure's name."""
    if answer.failure is not None:
        return str(answer.failure.value)
    return f"{answer.status // 100}xx" if answer.status else "none"


def cause(answer: Answer) -> str:
    """The class of a failure: ``HTTP 503``, ``timeout`` or ``token: HTTP 503``; nothing of what the endpoint said.

    A refusal by the egress guard is shown in full: which address, why, and which field permits it.
    """
    if answer.failure is Failure.DENIED or (answer.failure is Failure.TOKEN and answer.cause == Failure.DENIED.value):
        return reason(answer)
    head = _head(answer)
    return f"{head}: {answer.cause}" if answer.cause else head


def loggable(answer: Answer) -> str:
    """Why an attempt failed, for logs: what the endpoint said is left out, it may repeat what it was sent."""
    told_by_endpoint = answer.status is not None or (answer.cause or "").startswith("HTTP ")
    return cause(answer) if told_by_endpoint else reason(answer)


def reason(answer: Answer) -> str:
    """One short line for people: why an attempt failed, with the beginning of what the endpoint said."""
    head = _head(answer)
    return f"{head}: {answer.detail}" if answer.detail else head


def _head(answer: Answer) -> str:
    return f"HTTP {answer.status}" if answer.status is not None else str(answer.failure and answer.failure.value)
