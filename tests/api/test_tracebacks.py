"""What an exception looks like in a log: all that a developer needs, and no value."""

import pytest

from support.rows import every_row
from trackpush_api.tracebacks import described, with_traceback, without_values

MARK = "MARKED-9876543210"


def fail(text: object) -> None:
    password = MARK  # noqa: F841  a local variable that must not be logged
    raise ValueError(text)


def caught(text: object) -> BaseException:
    try:
        try:
            fail(text)
        except ValueError as error:
            raise RuntimeError("the round failed") from error
    except RuntimeError as error:
        return error


def test_it_names_each_exception_and_each_place_the_innermost_first() -> None:
    lines = described(caught("no such thing")).splitlines()
    assert lines[0] == "RuntimeError: the round failed"
    assert lines[1].startswith("  test_tracebacks.py:")
    assert lines[1].endswith(" in caught")
    assert lines[2] == "caused by: ValueError: no such thing"
    assert [line.rpartition(" ")[2] for line in lines[3:]] == ["fail", "caught"]


def test_members_of_a_group_and_what_was_being_handled_are_named() -> None:
    group = ExceptionGroup("two", [ValueError("the first"), TypeError("the second")])
    group.__context__ = KeyError(MARK)
    text = described(group)
    assert "in the group: ValueError: the first" in text
    assert "in the group: TypeError: the second" in text
    assert "while handling: KeyError" in text
    assert MARK not in text


def test_an_exception_that_causes_itself_ends() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert described(one) == "ValueError: one\ncaused by: ValueError: other"


@every_row(
    ("text", "kept"),
    [
        ("connection was closed in the middle of operation", "connection was closed in the middle of operation"),
        ("it can't connect; nobody's there", "it can't connect; nobody's there"),
        ("could not connect: error 111", "could not connect: error 111"),
        (f"invalid literal for int() with base 10: '{MARK}'", "invalid literal for int […] with base 10: […]"),
        (f"cannot open postgresql://user:{MARK}@db.internal/journal", "cannot open […]"),
        (f"password={MARK}", "password […]"),
        (f"wrong token {MARK}", "wrong token […]"),
        ("the secret swordfish is too short", "the secret […]"),
        (f"{MARK}", "[…]"),
        ('{"customer": "Asha Rao", "phone": 9876543210}', "[…]"),
        ("delivery for customer Asha Rao failed", "delivery for customer […]"),
        ("mail asha@example.com bounced", "mail […] bounced"),
        ("no shipment 9876543210 here", "no shipment […] here"),
        ("duplicate key value violates unique constraint", "duplicate key […]"),
        (f"first line\nDETAIL: Key (awb)=({MARK})", "first line"),
        ("", ""),
    ],
)
def test_what_may_be_a_value_is_cut_out_of_its_text(text: str, kept: str) -> None:
    assert without_values(ValueError(text)) == kept


def test_a_key_is_a_value_and_a_missing_attribute_is_not() -> None:
    assert without_values(KeyError(MARK)) == "[…]"
    with pytest.raises(AttributeError) as failed:
        _ = object().missing  # type: ignore[attr-defined]
    assert without_values(failed.value) == "no missing"
    assert without_values(FileNotFoundError(2, "No such file or directory", MARK)) == "No such file or directory"


def test_an_exception_whose_text_cannot_be_made_still_has_its_frames() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise ValueError(MARK)

    assert described(OddError()) == "OddError: […]"


def test_whatever_form_exc_info_has_it_becomes_a_text() -> None:
    error = ValueError("wrong")
    for given in (error, (ValueError, error, None)):
        assert with_traceback(None, "", {"exc_info": given}) == {"exception": "ValueError: wrong"}
    try:
        raise error
    except ValueError:
        found = with_traceback(None, "", {"exc_info": True})
    assert found["exception"].startswith("ValueError: wrong\n  test_tracebacks.py:")
    assert with_traceback(None, "", {"exc_info": True}) == {}
    assert with_traceback(None, "", {"event": "x"}) == {"event": "x"}
