"""What a channel takes its endpoint to be."""

from enum import Enum


class State(Enum):
    """What the endpoint is taken to be."""

    CLOSED = "closed"
    """Healthy: pushes flow."""
    OPEN = "open"
    """Failing: one push probes, the others wait."""
    GONE = "gone"
    """Answered 410: all pushes wait until its configuration changes."""
    SUSPENDED = "suspended"
    UNCONFIGURED = "unconfigured"
    """No routing table holds its PushConfig any more: pushes wait on disk."""
    ELSEWHERE = "elsewhere"
    """Another replica sends its pushes, or is about to."""


HELD = frozenset({State.GONE, State.SUSPENDED, State.UNCONFIGURED, State.ELSEWHERE})
"""States in which nothing is sent and nothing is kept in memory."""
RETRYING = frozenset({State.CLOSED, State.ELSEWHERE})
"""States in which a push that failed is due by its own schedule, not when its endpoint is well again."""
