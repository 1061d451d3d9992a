"""What becomes of a push, as tables."""

from support.rows import every_row
from trackpush_api.routing import Retry
from trackpush_server.journal.model import PushState
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher.decision import Decision, Turn, decide, turn_of
from trackpush_server.pusher.lanes import PendingPush
from trackpush_server.pusher.policy import MAX_REJECTIONS

RETRY = Retry(schedule=(5.0, 30.0), max_age=3600.0, jitter=0.0)
RECEIVED = 1_000_000.0
SOON = RECEIVED + 10
LATE = RECEIVED + 3598.0
BUSY = Answer(status=503)
REFUSED = Answer(status=422)
ASKS_FOR_AN_HOUR = Answer(status=429, retry_after=999_999_999)


def push(**changes: object) -> PendingPush:
    made = PendingPush(
        update_id=1,
        key=b"",
        account="acme/clickpost",
        shipment="s",
        received_at=int(RECEIVED * 1000),
        late=False,
        notification=b"{}",
        body=b"{}",
        tries=1,
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def pending(retry_in: float | None, *, is_last_try: bool = False) -> Decision:
    return Decision(state=PushState.PENDING, retry_in=retry_in, is_last_try=is_last_try)


DEAD = Decision(state=PushState.DEAD)
DROPPED = Decision(state=PushState.DROPPED, quotes_answer=False)


@every_row(
    ("what", "answer", "now", "waits", "expected"),
    [
        ({}, BUSY, SOON, False, pending(5.0)),
        ({"tries": 2}, BUSY, SOON, False, pending(30.0)),
        ({"tries": 9}, BUSY, SOON, False, pending(30.0)),
        ({"tries": 9, "tries_before": 8}, BUSY, SOON, False, pending(5.0)),
        ({}, Answer(failure=Failure.TIMEOUT), SOON, False, pending(5.0)),
        ({}, Answer(status=429, retry_after=60), SOON, False, pending(60.0)),
        ({}, Answer(status=429, retry_after=1), SOON, False, pending(5.0)),
        ({}, BUSY, SOON, True, pending(None)),
        ({}, BUSY, LATE, True, pending(None)),
        ({}, BUSY, LATE, False, DEAD),
        ({"rejections": 1}, REFUSED, SOON, False, pending(5.0)),
        ({"rejections": MAX_REJECTIONS}, REFUSED, SOON, False, DEAD),
        ({"rejections": MAX_REJECTIONS}, REFUSED, SOON, True, DEAD),
        ({"erased": True}, BUSY, SOON, False, DROPPED),
        ({"erased": True}, BUSY, SOON, True, DROPPED),
        ({"erased": True, "rejections": MAX_REJECTIONS}, REFUSED, SOON, False, DROPPED),
        ({"erased": True}, ASKS_FOR_AN_HOUR, SOON, False, DROPPED),
        ({}, ASKS_FOR_AN_HOUR, SOON, False, pending(3589.0, is_last_try=True)),
        ({}, ASKS_FOR_AN_HOUR, SOON, True, pending(3589.0, is_last_try=True)),
        ({"is_last_try": True}, ASKS_FOR_AN_HOUR, LATE, False, DEAD),
        ({"is_last_try": True}, BUSY, LATE, True, DEAD),
        ({}, ASKS_FOR_AN_HOUR, RECEIVED + 3599.5, False, DEAD),
        ({"replayed_at": int(LATE * 1000)}, BUSY, LATE, False, pending(5.0)),
    ],
)
def test_each_case_has_its_decision(
    what: dict[str, object],
    answer: Answer,
    now: float,
    waits: bool,  # noqa: FBT001 - a parameter
    expected: Decision,
) -> None:
    found = decide(push(**what), answer, retry=RETRY, now=now, chance=0.5, waits_for_endpoint=waits)
    assert found == expected


@every_row(
    ("what", "now", "suspended", "expected"),
    [
        ({}, SOON, "", Turn.SEND),
        ({"body": None}, SOON, "", Turn.LOAD),
        ({}, SOON, "acme/clickpost", Turn.HOLD),
        ({"body": None}, SOON, "acme/clickpost", Turn.HOLD),
        ({}, RECEIVED + 3600, "", Turn.EXPIRE),
        ({}, RECEIVED + 3600, "acme/clickpost", Turn.EXPIRE),
        ({"is_last_try": True}, RECEIVED + 3600, "", Turn.SEND),
        ({"replayed_at": int(LATE * 1000)}, RECEIVED + 3600, "", Turn.SEND),
    ],
)
def test_each_head_has_its_turn(what: dict[str, object], now: float, suspended: str, expected: Turn) -> None:
    assert turn_of(push(**what), RETRY, now, frozenset({suspended})) is expected
