"""Records the outcome of each attempt of one PushConfig in the journal, and reports it to the observer."""

from trackpush_server.ids import push_id
from trackpush_server.journal.model import PushState
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher import conversions, policy
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane


class OutcomeRecorder:
    """Records the outcomes of one PushConfig."""

    __slots__ = ("_hub", "_push_config")

    def __init__(self, hub: Hub, push_config: str) -> None:
        self._hub = hub
        self._push_config = push_config

    def record(self, lane: Lane, state: PushState, answer: Answer | None, error: str | None = None) -> None:
        """Record the outcome of the head's last attempt. Without a response, ``error`` says why."""
        push, name, observer = lane.head, self._push_config, self._hub.observer
        outcome = conversions.outcome(push, name, state, answer, error)
        self._hub.journal.record(outcome)
        observer.recorded(push.key, push.shipment, outcome)
        if error is not None:
            next_in = max(push.due_at / 1000 - self._hub.wall(), 0.0) if state is PushState.PENDING else None
            reason = error if answer is None else policy.loggable(answer)
            observer.failed(name, push_id(push.key, name), tries=push.tries, reason=reason, next_in=next_in)

    def record_unreadable(self, lane: Lane, reason: str) -> None:
        """Record why the payload of a head can't be decrypted; only once."""
        if not lane.head.unreadable:
            lane.head.unreadable = True
            self.record(lane, PushState.PENDING, None, reason)
