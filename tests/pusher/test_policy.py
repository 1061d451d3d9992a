"""The delivery policy, as tables."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.rows import every_row
from trackpush_api.routing import RateLimit, Retry
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import policy
from trackpush_server.pusher.breaker import FAILURES_TO_OPEN, PROBE_DELAYS, Blame, Breaker
from trackpush_server.pusher.policy import Verdict
from trackpush_server.pusher.rate import TokenBucket


@every_row(
    ("status", "verdict"),
    [
        *((status, Verdict.DELIVERED) for status in (200, 201, 202, 204, 299)),
        *((status, Verdict.FAILED) for status in (301, 302, 304, 307, 308)),
        *((status, Verdict.REJECTED) for status in (400, 401, 403, 404, 409, 413, 422, 499)),
        *((status, Verdict.FAILED) for status in (408, 425, 429)),
        (410, Verdict.GONE),
        *((status, Verdict.FAILED) for status in (500, 502, 503, 504, 599, 600, 199)),
    ],
)
def test_each_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    assert policy.judge(Answer(status=status)) is verdict


@every_row("failure", list(Failure))
def test_every_failure_is_the_endpoints(failure: Failure) -> None:
    assert policy.judge(Answer(failure=failure)) is Verdict.FAILED


def test_the_default_schedule_is_that_of_the_design() -> None:
    delays = [policy.backoff(Retry(), tries, 0.5) for tries in range(1, 10)]
    assert delays == [5, 30, 120, 600, 1800, 7200, 21600, 21600, 21600]


def test_six_tries_take_about_45_minutes() -> None:
    assert sum(policy.backoff(Retry(), tries, 0.5) for tries in range(1, 6)) == pytest.approx(42.6 * 60, rel=0.01)


@given(tries=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth(tries: int, chance: float) -> None:
    base = policy.backoff(Retry(), tries, 0.5)
    assert 0.8 * base <= policy.backoff(Retry(), tries, chance) <= 1.2 * base


@every_row(
    ("tries", "stored", "waits"),
    [
        (1, 4.0, 4.0),
        (1, 3600.0, 3600.0),  # a Retry-After
        (1, 7150.0, 5.0),  # a clock that was two hours ahead
        (6, 7150.0, 7150.0),  # the schedule's own
        (6, 9000.0, 7200.0),
        (8, 90_000.0, 21_600.0),
        (0, 7150.0, 5.0),
        (1, -10.0, 0.0),
    ],
)
def test_a_stored_wait_is_never_longer_than_its_step_or_a_retry_after(tries: int, stored: float, waits: float) -> None:
    now = 1_760_000_000_000
    assert policy.stored_wait(Retry(), tries, now + int(stored * 1000), now) == pytest.approx(waits)


@every_row(
    ("answer", "seconds"),
    [
        (Answer(status=429, retry_after=30), 30),
        (Answer(status=503, retry_after=86_400), 3600),
        (Answer(status=503), 0),
        (Answer(status=200, retry_after=30), 0),
        (Answer(status=503, retry_after=-5), 0),
    ],
)
def test_retry_after_is_honoured_up_to_an_hour(answer: Answer, seconds: float) -> None:
    assert policy.quiet_time(answer) == seconds


@every_row(
    ("answer", "label", "reason"),
    [
        (Answer(status=503, detail="busy"), "5xx", "HTTP 503: busy"),
        (Answer(status=404), "4xx", "HTTP 404"),
        (Answer(failure=Failure.TIMEOUT, detail="no answer in 10 s"), "timeout", "timeout: no answer in 10 s"),
    ],
)
def test_labels_are_bounded_and_reasons_readable(answer: Answer, label: str, reason: str) -> None:
    assert policy.result_label(answer) == label
    assert policy.reason(answer) == reason


@every_row(
    ("cause", "detail", "logged"),
    [
        ("HTTP 503", "HTTP 503: what it said", "token: HTTP 503"),
        ("tls", "tls: its certificate is refused: expired", "token: tls: its certificate is refused: expired"),
    ],
)
def test_a_log_says_why_there_is_no_token_but_not_what_its_endpoint_said(cause: str, detail: str, logged: str) -> None:
    answer = Answer(failure=Failure.TOKEN, cause=cause, detail=detail)
    assert policy.judge(answer) is policy.Verdict.FAILED
    assert policy.result_label(answer) == "token"
    assert policy.cause(answer) == f"token: {cause}"
    assert policy.reason(answer) == f"token: {detail}"
    assert policy.loggable(answer) == logged


def test_five_failures_in_a_row_open_the_breaker() -> None:
    breaker = Breaker()
    assert [breaker.failed(1, rejection=False) for _ in range(FAILURES_TO_OPEN)] == [False] * 4 + [True]
    assert breaker.is_open


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker()
    for number in range(20):
        breaker.failed(number, rejection=False)
        if number % 4 == 3:
            breaker.succeeded(float(number))
    assert not breaker.is_open


def test_one_rejected_push_alone_never_opens_it() -> None:
    breaker = Breaker()
    assert not any(breaker.failed(7, rejection=True) for _ in range(50))


def test_401_for_everything_opens_it() -> None:
    breaker = Breaker()
    assert [breaker.failed(number, rejection=True) for number in range(5)] == [False] * 4 + [True]


def test_a_rejection_blames_the_push_only_when_others_succeed() -> None:
    def blame(previous: float, status: int = 422, *, proven: bool = False) -> Blame:
        return msgspec.json.decode(msgspec.json.encode(breaker), type=Breaker).blame(
            1, status, previous_attempt=previous, proven=proven
        )

    breaker = Breaker()
    breaker.failed(1, rejection=True)
    assert blame(0.0) is Blame.ENDPOINT, "nothing was ever delivered: it may be the endpoint"
    breaker.succeeded(10.0)
    breaker.failed(1, rejection=True)
    assert blame(5.0) is Blame.PUSH, "another was delivered since"
    assert blame(15.0) is Blame.PROBABLY_PUSH, "no other is known to fail"
    assert blame(15.0, 401) is Blame.ENDPOINT, "our credentials may have been changed since"
    assert blame(5.0, 401) is Blame.PUSH
    breaker.failed(2, rejection=True)
    assert blame(15.0) is Blame.ENDPOINT, "another fails too, and none was delivered since"
    assert blame(15.0, proven=True) is Blame.PUSH
    assert blame(15.0, 401, proven=True) is Blame.ENDPOINT


def test_a_status_that_was_proven_to_concern_single_pushes_counts_against_others_too() -> None:
    breaker = Breaker()
    breaker.succeeded(10.0)
    breaker.failed(2, rejection=True)
    assert breaker.blame(1, 422, previous_attempt=0.0, proven=False) is Blame.ENDPOINT
    assert breaker.blame(3, 422, previous_attempt=5.0, proven=False) is Blame.PUSH
    assert breaker.blame(1, 422, previous_attempt=0.0, proven=False) is Blame.PROBABLY_PUSH
    assert breaker.blame(1, 400, previous_attempt=0.0, proven=False) is Blame.ENDPOINT


def test_pushes_that_are_proven_to_be_bad_never_open_it() -> None:
    breaker = Breaker()
    breaker.succeeded(10.0)
    assert not any(breaker.failed(number, rejection=True, proven=True) for number in range(100))
    assert breaker.failures == 100


def test_probes_come_further_apart_up_to_a_minute() -> None:
    breaker = Breaker()
    for number in range(FAILURES_TO_OPEN):
        breaker.failed(number, rejection=False)
    delays = []
    for _ in range(7):
        delays.append(breaker.probe_delay(0.5))
        breaker.failed(1, rejection=False)
    assert delays == [*PROBE_DELAYS, 60.0, 60.0]
    assert breaker.succeeded(1.0)


@given(
    requests=st.integers(1, 500),
    per=st.sampled_from([0.5, 1.0, 60.0]),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_no_window_sees_more_than_the_rate_and_its_burst(requests: int, per: float, gaps: list[float]) -> None:
    now, taken = 0.0, 0
    bucket = TokenBucket(RateLimit(requests=requests, per=per), now)
    for gap in gaps:
        now += gap
        taken += bucket.take(now) == 0.0
    assert taken <= max(1.0, requests / 10) + now * requests / per + 1e-6


def test_the_wait_is_until_the_next_token() -> None:
    bucket = TokenBucket(RateLimit(requests=10, per=1.0), 0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.1) == 0.0
