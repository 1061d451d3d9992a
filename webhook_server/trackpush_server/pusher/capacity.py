"""Limits the pushes of one PushConfig in memory, by the budget and the state of its endpoint. Pure."""

from trackpush_server.pusher import budget as bounds
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.candidates import has_candidate
from trackpush_server.pusher.contents import WindowContents
from trackpush_server.pusher.lanes import Lanes
from trackpush_server.pusher.state import HELD, State

PAGE = 256
"""Maximum pushes in one page of the journal."""


def sendable(lanes: Lanes) -> int:
    """Number of pushes in memory whose lane is not waiting and whose head was not rejected."""
    return len(lanes) - lanes.blocked - lanes.ready_again


def most_waiting(state: State, budget: Budget) -> int:
    """Maximum number of waiting pushes in memory."""
    if state is State.OPEN:
        return bounds.WINDOW_WHILE_OPEN
    return bounds.LEAST if budget.is_full else bounds.WAITING


def has_room(lanes: Lanes, state: State, budget: Budget) -> bool:
    """Whether a just committed push may stay in memory."""
    if state in HELD:
        return False
    if len(lanes) < bounds.LEAST:
        return True
    ready = sendable(lanes)
    if state is State.OPEN:
        return ready < bounds.WINDOW_WHILE_OPEN
    if ready >= bounds.WINDOW or len(lanes) >= bounds.MOST:
        return False
    return ready < bounds.LEAST or not budget.is_full


def page_size(contents: WindowContents, state: State, budget: Budget) -> int:
    """Number of pushes to read from the backlog; 0 means don't read."""
    lanes = contents.lanes
    if state in HELD or contents.needs_rebuild:
        return 0
    if state is State.OPEN:
        return 0 if has_candidate(lanes) else bounds.WINDOW_WHILE_OPEN
    ready = sendable(lanes)
    if budget.is_full and ready >= bounds.LEAST:
        return 0
    room = min(bounds.WINDOW - ready, bounds.MOST - len(lanes))
    return min(room, PAGE) if room >= PAGE // 2 else 0


def revisit_size(contents: WindowContents, state: State, budget: Budget) -> int:
    """Number of parked pushes to read; 0 means don't read."""
    if state in HELD or contents.needs_rebuild:
        return 0
    most, most_again = bounds.WINDOW, PAGE
    if state is State.OPEN:
        most = most_again = bounds.WINDOW_WHILE_OPEN
    elif budget.is_full:
        most = most_again = bounds.LEAST
    return PAGE if sendable(contents.lanes) < most and contents.lanes.ready_again < most_again else 0
