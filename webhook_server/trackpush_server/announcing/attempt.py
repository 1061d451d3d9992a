"""Decides what becomes of a message after an attempt. Pure. Times are milliseconds, delays are seconds."""

from typing import Final, NamedTuple

import msgspec

from trackpush_runtime.backoff import delay_after
from trackpush_server.journal.announcements import TargetState
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import policy
from trackpush_server.pusher.policy import Verdict

DELAYS: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Seconds before each further attempt, ±20 %; the last one repeats."""
MAX_AGE: Final = 86_400_000
"""A message that was not accepted for so long is given up."""
CLAIM: Final = 15_000
"""Time after the start of an attempt in which no other process makes one. Longer than the attempt's time limit."""

_FARTHEST: Final = 4_500_000
"""No attempt is due later than this: the longest delay and Retry-After are an hour."""


class Settled(NamedTuple):
    """The state of the target after an attempt."""

    state: TargetState
    result: str
    """``sent``, ``failed`` (it will be tried again) or ``given_up``."""


def claimed(state: TargetState, now: int) -> TargetState:
    """The state during an attempt. If the process dies, the message is due again when the claim ends."""
    return msgspec.structs.replace(state, version=state.version + 1, tries=state.tries + 1, due_at=now + CLAIM)


def settle(state: TargetState, answer: Answer, now: int, chance: float) -> Settled:
    """The state after an attempt of the claimed ``state``; ``chance`` is uniform in [0, 1)."""
    following = msgspec.structs.replace(state, version=state.version + 1)
    without = msgspec.structs.replace(following, message_id=None, created_at=0, due_at=0, tries=0, error=None)
    if policy.judge(answer) is Verdict.DELIVERED:
        return Settled(without, "sent")
    delay = delay_after(DELAYS, state.tries) * (0.8 + 0.4 * chance)
    due_at = now + int(max(delay, policy.quiet_time(answer)) * 1000)
    if due_at - state.created_at >= MAX_AGE:
        return Settled(without, "given_up")
    if answer.failure is Failure.FENCED:  # nothing was sent
        return Settled(msgspec.structs.replace(following, tries=state.tries - 1, due_at=due_at), "failed")
    error = policy.cause(answer)
    return Settled(msgspec.structs.replace(following, due_at=due_at, error=error), "failed")


def is_due(state: TargetState, now: int) -> bool:
    """Whether a message waits and its next attempt is due. A time too far ahead is of a clock that was wrong."""
    return state.message_id is not None and not 0 < state.due_at - now <= _FARTHEST
