"""Why the pending pushes of a PushConfig are not being sent now. Pure."""

from typing import Final

from trackpush_server.pusher.observer import ChannelSnapshot
from trackpush_server.pusher.state import State

_SENTENCES: Final = {
    State.OPEN: "its endpoint is failing; they are sent when it recovers",
    State.GONE: "its endpoint answered 410 (gone); they are sent after the PushConfig changes",
    State.SUSPENDED: "it is suspended; they are sent when it is resumed",
    State.UNCONFIGURED: "this PushConfig does not exist now; they are sent when it is applied again",
    State.ELSEWHERE: "another replica sends them, as soon as their endpoint accepts pushes",
}
NO_CHANNEL: Final = _SENTENCES[State.UNCONFIGURED]


def held_back(snapshot: ChannelSnapshot | None) -> str | None:
    """Why pending pushes wait; None if they are being sent. If ``snapshot`` is None, the PushConfig does not exist."""
    if snapshot is None:
        return NO_CHANNEL
    state = State(snapshot.breaker)
    if state is State.CLOSED and snapshot.failing_since is not None:
        return _SENTENCES[State.OPEN]
    return _SENTENCES.get(state)
