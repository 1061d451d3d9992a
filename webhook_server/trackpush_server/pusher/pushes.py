"""Pushes as the journal has them, pushes in memory, and what an attempt came to, each made of the other. Pure."""

from trackpush_server.journal.model import Committed, Outcome, PushState, StoredPush
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher.lanes import Push


def committed(one: Committed, push_config: str) -> Push:
    """The push of a new update to one of its PushConfigs."""
    update = one.update
    return Push(
        update_id=one.update_id,
        key=update.key,
        account=update.account,
        shipment=update.shipment,
        received_at=update.received_at,
        late=push_config in one.late,
        notification=update.notification,
        body=update.body,
        trace=update.trace,
    )


def stored(one: StoredPush) -> Push:
    """A push that was read back; without its payload where that can't be opened."""
    return Push(
        update_id=one.update_id,
        key=one.key,
        account=one.account,
        shipment=one.shipment,
        received_at=one.received_at,
        late=one.late,
        notification=None if one.unreadable else one.notification,
        body=None if one.unreadable else one.body,
        tries=one.tries,
        rejections=one.rejections,
        due_at=one.due_at,
        replays=one.replays,
        replayed_at=one.replayed_at,
        tries_before=one.tries_before,
        trace=one.trace,
    )


def outcome(push: Push, push_config: str, state: PushState, answer: Answer | None, error: str | None) -> Outcome:
    """What the journal keeps of the last attempt; without an answer there was none."""
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
