"""When a message is made, and what becomes of it after an attempt."""

import pytest
from msgspec.structs import replace

from trackpush_server.announcing.attempt import CLAIM, MAX_AGE, claimed, is_due, settle
from trackpush_server.announcing.storm import LONGEST, SHORTEST, Widths, closed, is_collecting, opened
from trackpush_server.journal.announcements import TargetState
from trackpush_server.outbound.port import Answer, Failure

NOW = 1_760_000_000_000
IDLE = TargetState(target="t", seen_at=NOW)
WAITING = replace(IDLE, message_id="ann_1", created_at=NOW, due_at=NOW, tries=1)


def test_the_windows_after_messages_double_from_a_minute_to_a_quarter_of_an_hour() -> None:
    state, widths = IDLE, []
    assert not is_collecting(state, NOW)
    for _ in range(6):
        state = opened(state, NOW, Widths())
        assert is_collecting(state, NOW)
        assert not is_collecting(state, state.until)
        widths.append(state.width)
    assert widths == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST, 8 * SHORTEST, LONGEST, LONGEST]
    assert closed(state) == replace(state, width=0, until=0)
    assert not is_collecting(closed(state), NOW)


def test_a_window_of_a_clock_that_was_ahead_is_not_open() -> None:
    assert not is_collecting(replace(IDLE, width=SHORTEST, until=NOW + SHORTEST + 1), NOW)


def test_an_accepted_message_is_done() -> None:
    settled = settle(WAITING, Answer(status=204), NOW, 0.5)
    assert settled.result == "sent"
    assert settled.state == replace(IDLE, version=2)


@pytest.mark.parametrize(
    ("answer", "seconds", "error"),
    [
        (Answer(status=503), 5.0, "HTTP 503"),
        (Answer(status=404, detail="no_team: secret text"), 5.0, "HTTP 404"),
        (Answer(status=302), 5.0, "HTTP 302"),
        (Answer(failure=Failure.CONNECT, detail="connection refused"), 5.0, "connect"),
        (Answer(status=429, retry_after=90.0), 90.0, "HTTP 429"),
        (Answer(status=429, retry_after=10**9), 3600.0, "HTTP 429"),
        (Answer(status=503, retry_after=0.0), 5.0, "HTTP 503"),
    ],
)
def test_a_refused_message_is_due_after_a_delay_or_its_retry_after(answer: Answer, seconds: float, error: str) -> None:
    settled = settle(WAITING, answer, NOW, 0.5)
    assert settled.result == "failed"
    assert settled.state == replace(WAITING, version=2, due_at=NOW + int(seconds * 1000), error=error)


def test_delays_grow_to_an_hour_and_vary_by_a_fifth() -> None:
    refused = Answer(status=500)
    delays = [settle(replace(WAITING, tries=tries), refused, NOW, 0.5).state.due_at - NOW for tries in range(1, 9)]
    assert delays == [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 3_600_000, 3_600_000]
    assert {settle(WAITING, refused, NOW, chance).state.due_at - NOW for chance in (0.0, 1.0)} == {4_000, 6_000}


def test_a_message_is_given_up_when_its_next_attempt_would_be_a_day_after_it_was_made() -> None:
    late = replace(WAITING, created_at=NOW - MAX_AGE + 4_000, tries=9)
    assert settle(late, Answer(status=500), NOW, 0.5).result == "given_up"
    assert settle(late, Answer(status=500), NOW, 0.5).state == replace(IDLE, version=2)
    assert settle(late, Answer(status=200), NOW, 0.5).result == "sent"


def test_an_attempt_that_was_not_made_because_another_replica_took_over_is_not_counted() -> None:
    settled = settle(replace(WAITING, error="HTTP 500"), Answer(failure=Failure.FENCED), NOW, 0.5)
    assert (settled.state.tries, settled.state.error) == (0, "HTTP 500")


def test_nobody_else_sends_a_claimed_message_until_the_claim_ends() -> None:
    state = claimed(WAITING, NOW)
    assert (state.version, state.tries) == (2, 2)
    assert not is_due(state, NOW + CLAIM - 1)
    assert is_due(state, NOW + CLAIM)
    assert not is_due(IDLE, NOW)
    assert is_due(replace(WAITING, due_at=NOW + 10**8), NOW)  # of a clock that was ahead
