"""Decides about one push: before an attempt, whether to make it; after a failed attempt, the push's next state. Pure.

`endpoint` decides what each response means for the endpoint (breaker, Retry-After, probes), also when the push ends.
"""

from enum import Enum

import msgspec

from trackpush_api.routing import Retry
from trackpush_server.journal.model import PushState
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher import policy
from trackpush_server.pusher.lanes import PendingPush

_LAST_TRY_BEFORE = 1.0
"""The last attempt is due this many seconds before the end of maxAge, or a twentieth of a short maxAge."""


class Turn(Enum):
    """The action for the head of a lane when it may be sent."""

    SEND = "send"
    LOAD = "load"
    """Its payload is only on disk: read it first."""
    EXPIRE = "expire"
    """Older than maxAge: it ends without an attempt."""
    HOLD = "hold"
    """Its account is suspended: keep the push on disk."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The next state of a push after an attempt that failed."""

    state: PushState
    retry_in: float | None = None
    """Seconds until the next attempt of a pending push; None: when its endpoint recovers."""
    is_last_try: bool = False
    """Whether the next attempt is the last: the Retry-After lasts until the end of maxAge."""
    quotes_answer: bool = True
    """Whether the error may quote the response; False if that could repeat erased data."""


def turn_of(push: PendingPush, retry: Retry, now: float, suspended: frozenset[str]) -> Turn:
    """Decide whether to send a push, before it takes a token from the rate limit."""
    if not push.is_last_try and now * 1000 >= policy.expires_at(retry, push.begun_at):
        return Turn.EXPIRE
    if push.account in suspended:
        return Turn.HOLD
    return Turn.LOAD if push.body is None else Turn.SEND


def decide(
    push: PendingPush, answer: Answer, *, retry: Retry, now: float, chance: float, waits_for_endpoint: bool
) -> Decision:
    """Apply the checks in order; the first that applies decides. ``now`` is in seconds since the epoch."""
    if push.erased:
        return Decision(state=PushState.DROPPED, quotes_answer=False)
    if push.rejections >= policy.MAX_REJECTIONS or push.is_last_try:
        return Decision(state=PushState.DEAD)
    rest = policy.expires_at(retry, push.begun_at) / 1000 - now
    quiet = policy.quiet_time(answer)
    last_try_in = rest - min(_LAST_TRY_BEFORE, retry.max_age / 20)
    if quiet >= rest and last_try_in > 0:
        return Decision(state=PushState.PENDING, retry_in=last_try_in, is_last_try=True)
    if waits_for_endpoint:
        return Decision(state=PushState.PENDING)
    retry_in = max(policy.backoff(retry, push.tries - push.tries_before, chance), quiet)
    if retry_in > rest:
        return Decision(state=PushState.DEAD)
    return Decision(state=PushState.PENDING, retry_in=retry_in)
