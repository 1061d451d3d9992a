"""Converts between pushes in the journal, pushes in memory, and outcomes of attempts. Pure."""

from trackpush_server.journal.model import Committed, Outcome, PushState, StoredPush
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher.lanes import PendingPush


def committed(new: Committed, push_config: str) -> PendingPush:
    """The push of a new update to one of its PushConfigs."""
    update = new.update
    return PendingPush(
        update_id=new.update_id,
        key=update.key,
        account=update.account,
        shipment=update.shipment,
        received_at=update.received_at,
        late=push_config in new.late,
        notification=update.notification,
        body=update.body,
        trace=update.trace,
    )


def stored(found: StoredPush) -> PendingPush:
    """A push that was read from the journal; its payload is None if it could not be decrypted."""
    return PendingPush(
        update_id=found.update_id,
        key=found.key,
        account=found.account,
        shipment=found.shipment,
        received_at=found.received_at,
        late=found.late,
        notification=None if found.unreadable else found.notification,
        body=None if found.unreadable else found.body,
        tries=found.tries,
        rejections=found.rejections,
        due_at=found.due_at,
        replays=found.replays,
        replayed_at=found.replayed_at,
        tries_before=found.tries_before,
        trace=found.trace,
    )


def outcome(push: PendingPush, push_config: str, state: PushState, answer: Answer | None, error: str | None) -> Outcome:
    """The outcome of the last attempt, as the journal stores it; ``answer`` is None if there was no attempt."""
    return Outcome(
        update_id=push.update_id,
        push_config=push_config,
        state=state,
        tries=push.tries,
        rejections=push.rejections,
        due_at=push.due_at if state is PushState.PENDING else 0,
        started_at=push.last_attempt_at,
        duration_ms=answer.duration * 1000 if answer is not None else 0.0,
        http_status=answer.status if answer is not None else None,
        error=error,
        attempted=answer is not None,
    )
