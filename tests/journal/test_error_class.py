"""Classes of errors: from the text that a push stores."""

import pytest

from support.rows import every_row
from trackpush_server.journal.error_class import FAILURES, classes_of, parse_error_classes
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import policy

CLASSES = {
    None: set(),
    "": set(),
    "HTTP 422: unknown order": {"422", "4xx"},
    "HTTP 503": {"503", "5xx"},
    "HTTP 302: moved": {"302", "3xx"},
    "HTTP 4220": {"other"},
    "timeout: no response within 10 s": {"timeout"},
    "token: HTTP 503": {"token"},
    "older than its maxAge when its turn came": {"too-old"},
    "dropped by hand: its PushConfig did not exist": {"other"},
    "denial: this is not the guard's word": {"other"},
}


@every_row("error", CLASSES)
def test_an_error_belongs_to_its_classes(error: str | None) -> None:
    assert classes_of(error) == CLASSES[error]


def test_every_failure_of_an_attempt_has_its_own_class() -> None:
    for failure in Failure:
        assert classes_of(policy.reason(Answer(failure=failure, detail="why"))) == {failure.value}
    assert set(FAILURES) == {failure.value for failure in Failure}


def test_a_list_of_classes_is_read_and_an_unknown_one_is_an_error() -> None:
    assert parse_error_classes("5xx, timeout 422,5XX") == ("5xx", "timeout", "422")
    with pytest.raises(ValueError, match="unknown error class '6xx'; use 3xx, 4xx"):
        parse_error_classes("6xx")
