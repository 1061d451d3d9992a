"""CEL expressions of filters: what they see, what is refused and how it is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.rows import every_row
from trackpush_api.expressions import EvaluationError, Expression, InvalidExpressionError, compile_expression
from trackpush_api.expressions.tree import UnreadableTreeError, read_tree
from trackpush_api.expressions.variables import VARIABLES, ValueKind, qualified

NOW = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
USUAL: dict[ValueKind, Any] = {
    ValueKind.TEXT: "",
    ValueKind.BOOL: False,
    ValueKind.TIMESTAMP: NOW,
    ValueKind.INTEGER: 0,
    ValueKind.TEXTS: [],
    ValueKind.DYNAMIC: {},
}


def seen(**values: Any) -> dict[str, Any]:
    """Variables; ``__`` in a name stands for the dot."""
    usual = {qualified(name): USUAL[variable.kind] for name, variable in VARIABLES.items()}
    return usual | {qualified(name.replace("__", ".")): value for name, value in values.items()}


@every_row(
    ("text", "values", "expected"),
    [
        ("status.code == 'DELIVERED'", {"status__code": "DELIVERED"}, True),
        ("status.code in ['LOST', 'DAMAGED']", {"status__code": "LOST"}, True),
        ("shipment.courier.startsWith('D') && !status.terminal", {"shipment__courier": "Delhivery"}, True),
        ("shipment.courier.startsWith('D')", {}, False),
        ("shipment.courier == ''", {}, True),
        ("type == 'shipment.lost' && type(test) == bool", {"type": "shipment.lost"}, True),
        ("notification.type == 'shipment.lost'", {"type": "shipment.lost"}, True),
        ("receivedAt - occurredAt < duration('1h')", {"occurredAt": NOW}, True),
        ("receivedAt.getHours('+05:30') == 8", {}, True),
        ("shipment.awb.matches('^[0-9]+$')", {"shipment__awb": "123"}, True),
        ("has(raw.cod) && raw.cod", {"raw": {"cod": True}}, True),
        ("has(raw.cod) && raw.cod", {}, False),
        ("raw.scans.exists(s, s.place == 'Pune' && s.note.contains('x'))",
         {"raw": {"scans": [{"place": "Agra", "note": ""}, {"place": "Pune", "note": "xy"}]}}, True),
        ("status.attempt >= 2 && status.qcResult == 'failed' && status.otpVerified",
         {"status__attempt": 2, "status__qcResult": "failed", "status__otpVerified": True}, True),
        ("status.qcReasons.exists(r, r.contains('DAMAGE'))", {"status__qcReasons": ["ITEM_DAMAGED"]}, True),
        ("status.qcReasons.size() == 0 && status.attempt == 0 && shipment.returnAwb == ''", {}, True),
        ("raw.amount > 99.5", {"raw": {"amount": 100.25}}, True),
        ("raw.deep[1].x == null", {"raw": {"deep": [0, {"x": None}]}}, True),
        ("int(status.aggregatorCode) >= 8", {"status__aggregatorCode": "10"}, True),
    ],
)  # fmt: skip
def test_an_expression_sees_the_notification(text: str, values: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert compile_expression(text).holds(seen(**values)) is expected


@every_row(
    ("text", "told"),
    [
        ("1 +", "line 1, column 4: Syntax error: mismatched input '<EOF>'"),
        ("test &&\n tst", "line 2, column 2: undeclared reference to 'tst'; did you mean test?"),
        ("colour == 'red'", "line 1, column 1: undeclared reference to 'colour'; the variables are type, aggregator,"),
        ("status.code == 8", "line 1, column 13: found no matching overload for '_==_' applied to '(string, int)'"),
        ("shipment.courier == null", "column 18: found no matching overload for '_==_' applied to '(string, null"),
        ("shipment.awb", "has the type string, but must have the type bool; add a comparison, such as =="),
        ("1", "has the type int, but must have the type bool"),
        ("(" * 100 + "test" + ")" * 100, "is nested more than 32 deep"),
        ("raw" + ".a" * 500 + " == 1", "is nested more than 32 deep"),
        ("raw.a.map(x, x)[0] == 1", "uses map() or filter(), which copy; use exists(), exists_one() or all()"),
        ("raw.a.filter(x, x == 1).size() == 1", "uses map() or filter()"),
        ("raw.a.all(x, raw.b.all(y, x == y))", "ms for one update, more than 1 ms; use fewer or smaller macros"),
        ("raw.a.exists(x, status.remark + status.remark == x)", "ms for one update, more than 1 ms"),
        ("shipment.awb.matches(status.remark)", "the pattern of matches() comes from a variable; write it"),
        (f"shipment.awb.matches('{'a' * 101}')", "has 101 characters; use at most 100"),
        ("shipment.awb.matches('(a{100}){10}')", "the pattern of matches() has {100}, which makes it slow"),
        (r"shipment.awb.matches('\\pL+')", r"the pattern of matches() has \p, which makes it slow"),
        ("receivedAt.getHours('Asia/Kolkata') > 9", "needs a zone written as an offset; write '+05:30' or 'UTC'"),
        ("receivedAt.getHours(raw.zone) > 9", "getHours() needs a zone written as an offset"),
        ("google.protobuf.StringValue{value: 'a'} == 'a'", "makes a google.protobuf.StringValue; use plain values"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_reported_with_its_place_and_what_to_do(text: str, told: str) -> None:
    with pytest.raises(InvalidExpressionError) as caught:
        compile_expression(text)

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@every_row(
    ("text", "raw", "told"),
    [
        ("raw.secret_name == 1", {}, "a key is missing; check with has() first"),
        ("raw.secret_name", {"secret_name": 7}, "the result is int, not bool"),
        ("raw.secret_name > 1", {"secret_name": "secret value"}, "or has another type"),
        ("int(raw.secret_name) > 1", {"secret_name": "secret value"}, "a value has another type or form"),
        ("raw.secret_name > 1", {"secret_name": 10**30}, "a value"),
    ],
)
def test_an_error_at_run_time_shows_nothing_of_the_update(text: str, raw: Any, told: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_expression(text).holds(seen(raw=raw))

    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_time_that_is_not_known_gives_no_answer_unless_it_is_asked_for() -> None:
    unknown = seen(occurredAtKnown=False)
    del unknown[qualified("occurredAt")]

    with pytest.raises(EvaluationError, match="a value is missing"):
        compile_expression("receivedAt - occurredAt < duration('1h')").holds(unknown)
    assert not compile_expression("occurredAtKnown && receivedAt > occurredAt").holds(unknown)


def test_an_expression_is_compiled_once_and_knows_whether_it_reads_the_body() -> None:
    assert compile_expression("test") is compile_expression("test")
    assert not compile_expression("test").reads_raw
    assert not compile_expression("status.code == 'raw'").reads_raw
    assert compile_expression("test || (has(raw.a) ? [raw.b][0] : false)").reads_raw
    assert compile_expression("{'a': [1, 2]}.a.exists(i, raw.x == i)").reads_raw


@every_row("form", [b"", b"\x12", b"\x12\x02\x22\x00", b"\xff" * 40, b"hello"])
def test_a_form_that_the_runtime_never_wrote_is_refused(form: bytes) -> None:
    with pytest.raises(UnreadableTreeError):
        read_tree(form)


_ATOMS = st.sampled_from(
    ["test", "status.terminal", "true", "status.code", "'a'", "1", "-2", "1.5", "null", "raw", "raw.a", "raw.b[0]",
     "occurredAt", "receivedAt", "[1, 'a']", "{'a': 1}", "status.remark", "unknown"]
)  # fmt: skip
_FORMS = st.sampled_from(
    ["({0} && {1})", "({0} || {1})", "!{0}", "({0} == {1})", "({0} < {1})", "({0} + {1})", "({0} in {1})", "size({0})",
     "{0}.contains({1})", "{0}.all(x, x == {1})", "{0}.exists(x, {1})", "({0} ? {1} : {1})", "has({0}.k)", "[{0}, {1}]",
     "{0}.matches('a+$')", "string({0})", "{0}.map(x, {1})", "{0} {1}"]
)  # fmt: skip
_TEXTS = st.recursive(_ATOMS, lambda inner: st.builds(str.format, _FORMS, inner, inner), max_leaves=12)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None, max_examples=examples(300))
@given(text=_TEXTS | st.text(max_size=60), raw=_JSON)
def test_any_text_and_any_body_give_an_answer_or_one_of_the_two_errors(text: str, raw: Any) -> None:
    try:
        expression = Expression(text)
    except InvalidExpressionError as error:
        assert "\n" not in str(error)  # noqa: PT017  it need not be raised
        return
    try:
        assert expression.holds(seen(raw=raw)) in {True, False}
    except EvaluationError as error:
        assert str(error)  # noqa: PT017  same
