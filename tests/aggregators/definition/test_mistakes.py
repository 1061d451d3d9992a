"""Mistakes in a definition: each is named with its field and what to do."""

from typing import Any

import pytest

from aggregators.definition_helpers import faults, spec
from trackpush_aggregators.definition import examine

STEPS = [{"as": "shipment", "in": "body.shipments"}, {"as": "scan", "in": "shipment.scans"}]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"updates": STEPS, "fields": {"awb": "shipmnt.awb"}}, "spec.fields.awb", "did you mean shipment?"),
        ({"updates": STEPS, "fields": {"awb": "awb"}}, "spec.fields.awb", "write one of body, shipment, scan"),
        ({"updates": [{"as": "a", "in": "b.c"}]}, "spec.updates[0].in", "unknown variable 'b'"),
        ({"updates": [STEPS[0], {"as": "x", "in": "body.y"}]}, "spec.updates[1].in", "must begin with shipment"),
        ({"updates": [STEPS[0], {"as": "shipment", "in": "shipment.x"}]}, "spec.updates[1].as", "is used already"),
        ({"updates": [{"as": "body", "in": "body.y"}]}, "spec.updates[0].as", "is used already"),
        ({"timezone": "Asia/Kolkatta"}, "spec.timezone", "did you mean Asia/Kolkata?"),
        ({"timezone": "../etc/passwd"}, "spec.timezone", "write a name of the IANA database"),
        (
            {"fields": {"occurredAt": {"path": "at", "formats": ["%Y-%m-%d", "%Q"]}}},
            "spec.fields.occurredAt.formats[1]",
            "not a format of strptime",
        ),
        (
            {"fields": {"occurredAt": {"path": "at", "formats": ["%d %B %H:%M"]}}},
            "spec.fields.occurredAt.formats[0]",
            "does not contain day, month and year",
        ),
        ({"fields": {"remark": {"path": "x", "formats": ["%Y"]}}}, "spec.fields.remark.formats", "is not a time"),
        (
            {"updates": STEPS, "fields": {"remark": {"join": ["scan.x", "scn.y"]}}},
            "spec.fields.remark.join[1]",
            "did you mean scan?",
        ),
        ({"fields": {"remark": {"cel": "body.x = 1"}}}, "spec.fields.remark.cel", "write == to compare"),
        ({"fields": {"remark": {"cel": "bdy.x"}}}, "spec.fields.remark.cel", "did you mean body?"),
        ({"fields": {"test": {"cel": "body.all(x, body.all(y, x == y))"}}}, "spec.fields.test.cel", "may take"),
        ({"fields": {"awb": None}}, "spec.fields", "nothing names the shipment"),
        (
            {"status": {"code": ["a", "b"]}},
            "spec.status.table[0].when",
            "has 1 value, but spec.status.code has 2",
        ),
        (
            {"status": {"table": [{"when": "A*B", "status": "LOST"}]}},
            "spec.status.table[0].when",
            "as the last character only",
        ),
        ({"identity": ["awb", "statuss"], "updates": STEPS}, "spec.identity[1]", "did you mean status?"),
        ({"identity": ["status", "direction", "occurredAt"]}, "spec.identity", "add awb"),
        ({"redact": ["x", "body"]}, "spec.redact[1]", "contains the updates"),
        ({"redact": ["body.shipments"], "updates": STEPS}, "spec.redact[0]", "contains the updates"),
        ({"redact": ["shipment"], "updates": STEPS}, "spec.redact[0]", "contains the updates"),
    ],
)
def test_a_mistake_is_named_with_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    found = faults(**changes)
    assert words in found.get(field, ""), found


def test_all_mistakes_are_found_at_once() -> None:
    assert faults(timezone="Mars", redact=["body"], fields={"remark": {"cel": "("}}).keys() == {
        "spec.timezone",
        "spec.redact[0]",
        "spec.fields.remark.cel",
    }


def test_all_expressions_together_are_bounded() -> None:
    costly = {"cel": "body.exists(x, x == 'a') ? 'yes' : 'no'"}
    assert not faults(fields={"remark": costly})
    many = dict.fromkeys(("remark", "courier", "location", "orderId", "returnAwb", "forwardAwb", "test"), costly)
    assert any("all expressions together" in message for message in faults(fields=many).values())


SAMPLE = {"name": "delivered", "body": {"awb": "1", "code": "DL", "at": "2026-06-01T10:00:00Z"}}


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"awb": "1", "status": "DELIVERED", "direction": "forward", "code": "DL", "label": None},
        {"awb": 1, "status": "delivered", "direction": "FORWARD", "remark": ""},
        {"occurredAt": "2026-06-01T15:30:00+05:30", "test": False, "attempt": None},
    ],
)
def test_a_sample_passes_if_each_named_value_is_found(expected: dict[str, Any]) -> None:
    assert examine("parcelkit", spec(samples=[SAMPLE | {"expect": [expected]}])).usable


@pytest.mark.parametrize(
    ("expect", "failure"),
    [
        ([{"awb": "2"}], "sample delivered update 1: awb is 1, expected 2"),
        ([{"status": "LOST"}], "sample delivered update 1: status is DELIVERED, expected LOST"),
        ([{"direction": "RTO"}], "sample delivered update 1: direction is Forward, expected RTO"),
        ([{"remark": "x"}], "sample delivered update 1: remark is nothing, expected x"),
        (
            [{"occurredAt": "2026-06-01T10:00:01Z"}],
            "sample delivered update 1: occurredAt is 2026-06-01T10:00:00Z, expected 2026-06-01T10:00:01Z",
        ),
        ([{"occurredAt": None}], "sample delivered update 1: occurredAt is 2026-06-01T10:00:00Z, expected nothing"),
        ([{"test": True}], "sample delivered update 1: test is false, expected true"),
        ([], "sample delivered: updates is 1 update, expected 0 updates"),
        ([{}, {}], "sample delivered: updates is 1 update, expected 2 updates"),
    ],
)
def test_a_sample_that_fails_names_what_was_found_and_expected(expect: list[Any], failure: str) -> None:
    examined = examine("parcelkit", spec(samples=[SAMPLE | {"expect": expect}]))
    assert [str(failure) for failure in examined.failures] == [failure]
    assert not examined.usable


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"occuredAt": "2026-06-01"}, "unknown field 'occuredAt'; did you mean occurredAt?"),
        ({"occurredAt": "soon"}, "'soon' is not a time"),
    ],
)
def test_a_sample_that_cannot_be_compared_is_a_mistake(expected: dict[str, Any], words: str) -> None:
    (fault,) = examine("parcelkit", spec(samples=[SAMPLE | {"expect": [expected]}])).faults
    assert fault.field == f"spec.samples[0].expect[0].{next(iter(expected))}"
    assert words in fault.message


def test_the_body_of_a_sample_may_be_the_text_that_was_sent() -> None:
    sample = SAMPLE | {"body": '{"awb": "1", "code": "DL"', "expect": [{}]}
    (failure,) = examine("parcelkit", spec(samples=[sample])).failures
    assert "not JSON" in failure.found
    sample = SAMPLE | {"body": '{"awb": "1"}', "expect": [{"awb": "1"}]}
    assert examine("parcelkit", spec(samples=[sample])).usable


@pytest.mark.parametrize(
    ("changes", "body", "why"),
    [
        ({"fields": {"awb": "parcel.awbb"}}, {"parcel": {"awb": "1"}}, "parcel.awbb is empty; did you mean awb?"),
        ({"fields": {"awb": ["a", "b"]}}, {"c": 1}, "a, b are empty"),
        ({"fields": {"awb": "a", "orderId": "b"}}, {"a": "NA", "b": ""}, "a, b are empty"),
        ({"fields": {"awb": "awb"}}, [{"AWB": "1"}, {"AWB": "2"}], "awb is empty; did you mean AWB?"),
        ({"fields": {"awb": {"cel": "body.a"}}}, {"b": "1"}, "the expressions that name a shipment give nothing"),
        ({"updates": STEPS}, {"shipment": []}, "body.shipments is empty; did you mean shipment?"),
        ({"updates": STEPS}, {"shipments": [{"scan": [1]}]}, "shipment.scans is empty; did you mean scan?"),
        (
            {"updates": STEPS, "fields": {"awb": "scan.no"}},
            {"shipments": [{"scans": [{"n": 1}, {"n": 2}]}]},
            "scan.no is empty in all 2 elements",
        ),
        ({"updates": STEPS}, "[]", "body.shipments is empty"),
        ({"updates": [{"as": "x", "in": "body"}], "fields": {"awb": "x.a"}}, [{"b": 1}, {"b": 2}], "in all 2 elements"),
    ],
)
def test_a_sample_without_updates_says_what_is_empty(changes: dict[str, Any], body: Any, why: str) -> None:
    given = {"fields": {"awb": "scan.awb" if "updates" in changes else "awb"}} | changes
    given["fields"] |= {"occurredAt": "body.at"}
    sample = {"name": "first", "body": body, "expect": [{}]}
    examined = examine("parcelkit", spec(**given, status={"code": "body.code"}, samples=[sample]))
    assert examined.faults == ()
    (failure,) = examined.failures
    assert failure.found.startswith("0 updates (")
    assert why in failure.found


@pytest.mark.parametrize("pair", [("F", " f"), ("N", "false"), ("Yes", "true")])
def test_entries_for_the_same_value_with_different_directions_are_a_mistake(pair: tuple[str, str]) -> None:
    table = {pair[0]: "Forward", pair[1]: "Reverse", "X": "RTO"}
    (fault,) = examine("parcelkit", spec(direction={"of": "mode", "table": table})).faults
    assert fault.field == f"spec.direction.table.{pair[1]}"
    assert f"{pair[1]!r} and {pair[0]!r} are the same value" in fault.message
    same = dict.fromkeys(table, "Reverse")
    assert examine("parcelkit", spec(direction={"of": "mode", "table": same})).faults == ()
