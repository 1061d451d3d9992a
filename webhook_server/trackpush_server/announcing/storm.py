"""Limits the messages to one target: the first event is sent at once, and those that follow are collected. Pure.

After a message, a window of a minute is open, in which events are collected. If there are any at its end, they become
one message, and the next window is twice as long, up to 15 minutes. If there are none, the next event is sent at once.
Times are milliseconds.
"""

from typing import Final

import msgspec

from trackpush_server.journal.announcements import TargetState

SHORTEST: Final = 60_000
LONGEST: Final = 900_000


class Widths(msgspec.Struct, frozen=True):
    """Length of the first and the longest window."""

    shortest: int = SHORTEST
    longest: int = LONGEST


def is_collecting(state: TargetState, now: int) -> bool:
    """Whether a window is open. One that ends later than it is long is of a clock that was wrong."""
    return 0 < state.until - now <= state.width


def opened(state: TargetState, now: int, widths: Widths) -> TargetState:
    """The state with the window that follows a message."""
    width = min(max(2 * state.width, widths.shortest), widths.longest)
    return msgspec.structs.replace(state, width=width, until=now + width)


def closed(state: TargetState) -> TargetState:
    """The state without a window."""
    return msgspec.structs.replace(state, width=0, until=0)
