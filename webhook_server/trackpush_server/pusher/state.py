"""The state of a channel's endpoint, with its reason and its start."""

from enum import Enum

from trackpush_api.routing import Destination
from trackpush_server.pusher.hub import Hub


class State(Enum):
    """The state of a channel's endpoint."""

    CLOSED = "closed"
    """Healthy: all pushes are sent."""
    OPEN = "open"
    """Failing: one push probes the endpoint, the others wait."""
    GONE = "gone"
    """It responded with 410: all pushes wait until its configuration changes."""
    SUSPENDED = "suspended"
    UNCONFIGURED = "unconfigured"
    """The routing table no longer contains its PushConfig: pushes wait on disk."""
    ELSEWHERE = "elsewhere"
    """Another replica sends its pushes, or soon will."""


HELD = frozenset({State.GONE, State.SUSPENDED, State.UNCONFIGURED, State.ELSEWHERE})
"""States in which no push is sent or kept in memory."""
RETRYING = frozenset({State.CLOSED, State.ELSEWHERE})
"""States in which a failed push is due by its own schedule, not when its endpoint recovers."""

ELSEWHERE_REASON = "another replica sends its pushes"


def resting(destination: Destination, *, is_owned: bool) -> tuple[State, str]:
    """The initial state, and its reason; ``is_owned``: this replica sends its pushes."""
    if not is_owned:
        return State.ELSEWHERE, ELSEWHERE_REASON
    if destination.suspended:
        return State.SUSPENDED, "suspended in its PushConfig"
    return State.CLOSED, ""


class ChannelStatus:
    """The state of one channel."""

    __slots__ = ("_hub", "_push_config", "reason", "since", "state")

    def __init__(self, hub: Hub, push_config: str, state: State, reason: str) -> None:
        self._hub = hub
        self._push_config = push_config
        self.state = state
        self.reason = reason
        """Reason of the state; empty while it is closed."""
        self.since = 0.0
        """When the state was entered, in seconds since the epoch; 0 if it is the initial state."""

    def enter(self, state: State, reason: str) -> None:
        """Change to this state, and report it."""
        if state is self.state:
            return
        is_reported_elsewhere = State.ELSEWHERE in {state, self.state}  # once for all slots that are handed over
        self.state, self.reason = state, "" if state is State.CLOSED else reason
        self.since = self._hub.wall()
        if not is_reported_elsewhere:
            self._hub.observer.changed(self._push_config, state.value, reason)
