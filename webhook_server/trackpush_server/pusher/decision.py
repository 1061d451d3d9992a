"""Decides the fate of a push: whether its turn means an attempt, and what follows an attempt that failed. Pure.

What an answer means for the endpoint (breaker, Retry-After, probes) is decided in `endpoint`, for every answer: a push
that ends here must not take the news of its endpoint with it.
"""

from enum import Enum

import msgspec

from trackpush_api.routing import Retry
from trackpush_server.journal.model import PushState
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher import policy
from trackpush_server.pusher.lanes import PendingPush

_LAST_TRY_BEFORE = 1.0
"""Seconds before the end of maxAge at which a last attempt is due; a twentieth of a short maxAge."""


class Turn(Enum):
    """The action for a head whose turn has come."""

    SEND = "send"
    LOAD = "load"
    """Its payload is on disk only: read it first."""
    EXPIRE = "expire"
    """Older than maxAge: it ends without an attempt."""
    HOLD = "hold"
    """Its account is suspended: it waits on disk."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The next state of a push after an attempt that was not accepted."""

    state: PushState
    retry_in: float | None = None
    """Seconds until the next attempt of a pending push; None: when its endpoint is back."""
    is_last_try: bool = False
    """Whether the next attempt is the last, at the end of maxAge, because the client asked for quiet until then."""
    quotes_answer: bool = True
    """False where the error could repeat what was erased."""


def turn_of(push: PendingPush, retry: Retry, now: float, suspended: frozenset[str]) -> Turn:
    """Decide before the attempt takes anything: only a push that is sent takes a rate token."""
    if not push.is_last_try and now * 1000 >= policy.expires_at(retry, push.begun_at):
        return Turn.EXPIRE
    if push.account in suspended:
        return Turn.HOLD
    return Turn.LOAD if push.body is None else Turn.SEND


def decide(
    push: PendingPush, answer: Answer, *, retry: Retry, now: float, chance: float, waits_for_endpoint: bool
) -> Decision:
    """The checks in order; the first that applies decides. ``now`` in seconds since the epoch."""
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
