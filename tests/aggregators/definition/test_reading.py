"""Reading bodies by a definition: paths, steps, status, direction, times, identity."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from aggregators.bodies import NOW
from aggregators.definition_helpers import one, read, reader, spec
from trackpush_aggregators.definition import InvalidDefinitionError, compile_definition, examine, reader_of_definition
from trackpush_aggregators.updates import notification, rfc3339, update_key
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.routing import Definition
from trackpush_api.vocabulary import Direction, NdrReason, QcResult, Status

PARCELKIT = AggregatorDefinitionSpec.model_validate(
    yaml.safe_load((Path(__file__).parent / "parcelkit.yaml").read_text())["spec"]
)
JOINED = {"join": ["d", "t"], "formats": ["%d-%m-%Y %H%M", "%d-%m-%Y"]}
SHIPMENT = {
    "waybill": 7001,
    "reference": "",
    "order": {"id": "SO-9"},
    "carrier": "Swift",
    "mode": "R",
    "promised": "05-06-2026",
    "rider": {"phone": "99999", "name": "R"},
    "scans": [
        {"group": "dl", "code": "X", "text": "Delivered", "date": "01-06-2026", "time": "1004", "place": "Pune"},
        {"group": "RT", "code": "D", "date": "02-06-2026", "time": 1004, "note": "Back"},
        {"group": "ZZ", "code": None, "text": "Odd", "date": "02-06-2026", "time": "1105"},
    ],
}


def test_the_example_of_the_design_passes_its_samples() -> None:
    assert examine("parcelkit", PARCELKIT).usable


def test_the_example_of_the_design_reads_each_scan_of_each_shipment() -> None:
    parsed = read(compile_definition("parcelkit", PARCELKIT), {"shipments": [SHIPMENT, {"waybill": "7002"}]})
    first, second, third = parsed.updates
    assert (first.awb, first.order_id, first.courier, first.location) == ("7001", "SO-9", "Swift", "Pune")
    assert (first.status, first.direction) == (Status.DELIVERED, Direction.FORWARD)
    assert (first.aggregator_code, first.aggregator_label) == ("dl/X", "Delivered")
    assert first.estimated_delivery == "2026-06-05"
    assert rfc3339(first.occurred_at or 0) == "2026-06-01T04:34:00Z"
    assert (second.status, second.direction, second.remark) == (Status.RTO_DELIVERED, Direction.RTO, "Back")
    assert rfc3339(second.occurred_at or 0) == "2026-06-02T04:34:00Z"
    assert (third.status, third.direction, third.aggregator_code) == (Status.UNKNOWN, Direction.REVERSE, "ZZ/")
    assert msgspec.json.decode(first.body) == SHIPMENT | {"rider": {"phone": "[redacted]", "name": "R"}}
    (leftover,) = parsed.leftovers
    assert leftover.body == b'{"shipments":[{"waybill":"7002"}]}'


def test_a_shipment_that_comes_alone_counts_as_a_list_of_one() -> None:
    scan = SHIPMENT["scans"][0]  # type: ignore[index]
    body = {"shipments": SHIPMENT | {"scans": scan}}
    assert one(compile_definition("parcelkit", PARCELKIT), body).awb == "7001"


@pytest.mark.parametrize("body", [{}, {"shipments": []}, [], None, {"shipments": None}, [{}], {"shipments": [{}]}])
def test_an_empty_body_is_a_probe(body: Any) -> None:
    parsed = read(compile_definition("parcelkit", PARCELKIT), body)
    assert (parsed.updates, parsed.leftovers) == ((), ())


def test_a_list_of_bodies_is_a_batch_with_steps_and_without() -> None:
    scan = {"group": "DL", "code": "", "date": "01-06-2026", "time": "1004"}
    body = [{"shipments": {"waybill": number, "scans": scan}} for number in ("1", "2")]
    assert [update.awb for update in read(compile_definition("parcelkit", PARCELKIT), body).updates] == ["1", "2"]
    assert [update.awb for update in read(reader(), [{"awb": "1"}, {"awb": "2"}]).updates] == ["1", "2"]


def test_a_step_may_walk_through_the_body_itself() -> None:
    defined = reader(updates=[{"as": "event", "in": "body"}], fields={"awb": "event.awb", "occurredAt": "event.at"},
                     status={"code": "event.code"})  # fmt: skip
    assert [update.awb for update in read(defined, [{"awb": "1"}, {"awb": "2"}]).updates] == ["1", "2"]


def test_the_first_list_that_is_not_empty_is_walked() -> None:
    defined = reader(
        updates=[{"as": "item", "in": "body.items"}, {"as": "scan", "in": ["item.scans.detail", "item"]}],
        fields={"awb": "item.awb", "occurredAt": "scan.at"},
        status={"code": "scan.code"},
    )
    body = {"items": [{"awb": "1", "code": "DL"}, {"awb": "2", "scans": {"detail": [{"code": "A"}, {"code": "B"}]}}]}
    assert [(update.awb, update.aggregator_code) for update in read(defined, body).updates] == [
        ("1", "DL"),
        ("2", "A"),
        ("2", "B"),
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("body.a", "1"),
        ("a", "1"),
        ("list[0].x", "first"),
        ("list[-1].x", "last"),
        ("list[5].x", None),
        ("alone[0].x", "alone"),
        ('body["dotted.name"].y', "dotted"),
        ('body.nested["b.c"][1]', "two"),
        ("missing.at.all", None),
        ("a.b.c", None),
        ("na", None),
        ("flag", "true"),
        ("price", "1.10"),
        ("whole", "19041424751540"),
        ("list", None),
    ],
)
def test_paths(path: str, expected: str | None) -> None:
    body = b"""{"awb": "9", "a": 1, "list": [{"x": "first"}, {"x": "last"}], "alone": {"x": "alone"}, "na": "N/A",
        "dotted.name": {"y": "dotted"}, "nested": {"b.c": ["one", "two"]}, "flag": true, "price": 1.10,
        "whole": 19041424751540.0}"""
    assert one(reader(fields={"remark": path}), body).remark == expected


@pytest.mark.parametrize(
    ("values", "status", "direction"),
    [
        (["DL", "1"], Status.DELIVERED, Direction.FORWARD),
        ([" d l ", "1"], Status.DELIVERED, Direction.FORWARD),
        (["RT", "13"], Status.RTO_IN_TRANSIT, Direction.RTO),
        (["RT", "1"], Status.RTO_INITIATED, Direction.RTO),
        (["RT", None], Status.ON_HOLD, Direction.REVERSE),
        (["RT", "NA"], Status.ON_HOLD, Direction.REVERSE),
        (["RV", 7], Status.RETURN_PICKED_UP, Direction.REVERSE),
        (["UD", "7"], Status.DELIVERY_FAILED, Direction.FORWARD),
        (["UD", "8"], Status.IN_TRANSIT, Direction.RTO),
        (["??", "8"], Status.UNKNOWN, Direction.FORWARD),
    ],
)
def test_the_first_row_that_matches_wins(values: list[Any], status: Status, direction: Direction) -> None:
    defined = reader(
        status={
            "code": ["a", "b"],
            "table": [
                {"when": ["DL", "*"], "status": "DELIVERED", "direction": "Forward"},
                {"when": ["RT", "13*"], "status": "RTO_IN_TRANSIT"},
                {"when": ["RT", ""], "status": "ON_HOLD", "direction": "Reverse"},
                {"when": ["RT", "*"], "status": "RTO_INITIATED"},
                {"when": ["RT", "13"], "status": "LOST"},
                {"when": ["RV", 7], "status": "RETURN_PICKED_UP"},
                {"when": ["UD", "7"], "status": "DELIVERY_FAILED"},
                {"when": ["UD", "7"], "status": "LOST"},
                {"when": ["UD", "*"], "status": "IN_TRANSIT", "direction": "RTO"},
                {"when": ["DL", "1"], "status": "LOST"},
            ],
        }
    )
    update = one(defined, {"awb": "1", "a": values[0], "b": values[1]})
    assert (update.status, update.direction) == (status, direction)


def test_a_direction_table_decides_where_row_and_status_do_not() -> None:
    defined = reader(direction={"of": "mode", "table": {"F": "Forward", True: "Reverse", "*": "RTO"}})
    assert one(defined, {"awb": "1", "mode": " f"}).direction is Direction.FORWARD
    assert one(defined, {"awb": "1", "mode": True}).direction is Direction.REVERSE
    assert one(defined, {"awb": "1", "mode": "x"}).direction is Direction.RTO


def test_a_flag_that_yaml_made_of_an_unquoted_y_or_no_matches_the_text() -> None:
    table = [{"when": True, "status": "DELIVERED"}, {"when": False, "status": "DELIVERY_FAILED"}]
    defined = reader(status={"table": table}, direction={"of": "back", "table": {True: "Reverse"}})
    update = one(defined, {"awb": "1", "code": "Y", "back": "yes"})
    assert (update.status, update.direction) == (Status.DELIVERED, Direction.REVERSE)
    assert one(defined, {"awb": "1", "code": "no"}).status is Status.DELIVERY_FAILED
    assert one(defined, {"awb": "1", "code": True}).status is Status.DELIVERED


def test_a_status_without_a_row_is_unknown_with_the_original_text() -> None:
    update = one(reader(status={"label": "text"}), {"awb": "1", "code": "Q9", "text": "Strange"})
    told = notification(update, NOW).status
    assert (told.code, told.aggregator_code, told.aggregator_label) == (Status.UNKNOWN, "Q9", "Strange")


@pytest.mark.parametrize(
    ("zone", "source", "body", "expected"),
    [
        ("Asia/Kolkata", "at", {"at": "2026-06-01 10:04:00"}, "2026-06-01T04:34:00Z"),
        ("Asia/Kolkata", "at", {"at": "2026-06-01T10:04:00Z"}, "2026-06-01T10:04:00Z"),
        ("Asia/Kolkata", "at", {"at": 1780288440}, "2026-06-01T04:34:00Z"),
        ("Asia/Kolkata", "at", {"at": 1780288440000}, "2026-06-01T04:34:00Z"),
        ("UTC", "at", {"at": "2026-06-01T10:04:00+05:30"}, "2026-06-01T04:34:00Z"),
        ("Europe/Berlin", "at", {"at": "2026-06-01 10:04"}, "2026-06-01T08:04:00Z"),
        ("Europe/Berlin", "at", {"at": "2026-01-01 10:04"}, "2026-01-01T09:04:00Z"),
        ("America/New_York", "at", {"at": "2026-07-04T00:00:00"}, "2026-07-04T04:00:00Z"),
        ("UTC", JOINED, {"d": "01-06-2026", "t": 1004}, "2026-06-01T10:04:00Z"),
        ("UTC", JOINED, {"d": "01-06-2026"}, "2026-06-01T00:00:00Z"),
        ("UTC", {"path": "at", "formats": ["%m/%d/%Y %I%p"]}, {"at": "06/01/2026 04PM"}, "2026-06-01T16:00:00Z"),
        ("Asia/Kolkata", {"path": "at", "formats": ["%Y%m%d%H%z"]}, {"at": "2026060110+0000"}, "2026-06-01T10:00:00Z"),
        ("UTC", {"path": "at", "formats": ["%d-%m-%Y"]}, {"at": "2026-06-01"}, None),
        ("UTC", "at", {"at": "soon"}, None),
        ("UTC", "at", {"at": "2036-06-01"}, None),
    ],
)  # fmt: skip
def test_times(zone: str, source: Any, body: dict[str, Any], expected: str | None) -> None:
    update = one(reader(timezone=zone, fields={"occurredAt": source}), {"awb": "1", "code": "DL"} | body)
    assert (None if update.occurred_at is None else rfc3339(update.occurred_at)) == expected
    if expected is None:
        assert update.occurred_at_text == body["at"]


def test_a_day_is_the_written_one_and_of_a_number_the_day_in_the_zone() -> None:
    defined = reader(timezone="America/New_York", fields={"estimatedDelivery": "eta"})
    assert one(defined, {"awb": "1", "eta": "2026-06-01T23:00:00Z"}).estimated_delivery == "2026-06-01"
    assert one(defined, {"awb": "1", "eta": 1780279200}).estimated_delivery == "2026-05-31"
    assert one(defined, {"awb": "1", "eta": "30-12-0000"}).estimated_delivery is None


def test_a_shipment_without_an_awb_is_named_by_its_references() -> None:
    defined = reader(fields={"orderId": "order", "returnReference": "ret"})
    assert one(defined, {"order": "O-1", "ret": "R-1"}).shipment == "return:R-1"
    assert one(defined, {"order": "O-1"}).shipment == "order:O-1"
    first, second = (one(defined, {"order": order, "code": "DL"}) for order in ("O-1", "O-2"))
    assert update_key("acme/x", first) != update_key("acme/x", second)


def test_two_reports_with_equal_identity_are_the_same_update() -> None:
    def key(defined: Any, **body: Any) -> bytes:
        return update_key("acme/x", one(defined, {"awb": "1", "code": "DL", "at": "2026-06-01", "id": 1} | body))

    default, by_id = reader(), reader(identity=["body.id"])
    assert key(default) == key(default, id=2)
    assert len({key(default), key(default, code="X"), key(default, awb="2"), key(default, at="2026-06-02")}) == 4
    assert key(by_id) == key(by_id, at="2026-06-02", code="X")
    assert key(by_id) != key(by_id, id=2)


@pytest.mark.parametrize("identity", [["body.id"], ["abw", "status"], ["orderId", "occurredAt"], ["body.id", "body.n"]])
def test_reports_without_the_values_of_their_identity_are_not_the_same_update(identity: list[str]) -> None:
    def key(**body: Any) -> bytes:
        defined = reader(identity=identity)
        return update_key("acme/x", one(defined, {"awb": "1", "code": "DL", "at": "2026-06-01"} | body))

    assert key() == key()
    assert len({key(), key(awb="2"), key(code="X"), key(at="2026-06-02")}) == 4


def test_further_fields_are_converted() -> None:
    fields = {"attempt": "n", "qcResult": "qc", "qcReasons": "why", "proofOfDelivery": "pod", "otpVerified": "otp",
              "ndrReason": "ndr", "test": "test", "revisedDelivery": "new"}  # fmt: skip
    body = {"awb": "1", "n": "2", "qc": "F", "why": ["101", "103"], "pod": "https://x.example/1", "otp": "Y",
            "ndr": "customer unavailable", "test": 1, "new": "2026-06-09"}  # fmt: skip
    update = one(reader(fields=fields), body)
    assert (update.attempt, update.qc_result, update.qc_reasons) == (2, QcResult.FAILED, ("101", "103"))
    assert (update.proof_of_delivery, update.otp_verified, update.test) == ("https://x.example/1", True, True)
    assert (update.ndr_reason, update.revised_delivery) == (NdrReason.CUSTOMER_UNAVAILABLE, "2026-06-09")


def test_expressions_compute_values_and_give_nothing_where_they_have_no_result() -> None:
    fields = {"remark": {"cel": "'code ' + body.code"}, "test": {"cel": "body.awb.startsWith('T')"}}
    assert one(reader(fields=fields), {"awb": "T1", "code": "DL"}).remark == "code DL"
    assert one(reader(fields=fields), {"awb": "T1"}).test
    assert one(reader(fields=fields), {"awb": "T1"}).remark is None
    assert one(reader(fields=fields), {"awb": "T1", "code": "DL", "n": 10**30, "f": 1.5}).remark == "code DL"
    huge = {"awb": "T1", "code": "DL", "picture": "x" * 5_000_000}
    assert one(reader(fields=fields), huge).remark == "code DL"
    assert one(reader(fields=fields), {"awb": "T1", "code": "DL", "many": [0] * 2_000}).remark is None


def test_a_definition_of_a_routing_table_is_compiled_and_one_that_cannot_be_read_is_refused() -> None:
    content = spec().model_dump_json(by_alias=True, exclude_unset=True)
    defined = reader_of_definition(Definition(name="parcelkit", path="parcelkit", spec=content))
    assert one(defined, {"awb": "1"}).aggregator == "parcelkit"
    for broken in ("{", "{}", content.replace("awb", "abw")):
        with pytest.raises(InvalidDefinitionError, match="spec"):
            reader_of_definition(Definition(name="parcelkit", path="parcelkit", spec=broken))


@pytest.mark.parametrize(
    ("mode", "code", "status", "direction"),
    [
        ("r", "DL/Reverse", Status.RETURN_DELIVERED, Direction.REVERSE),
        ("F", "DL/Forward", Status.DELIVERED, Direction.FORWARD),
        (None, "DL/Forward", Status.DELIVERED, Direction.FORWARD),
        ("X", "DL/Forward", Status.DELIVERED, Direction.FORWARD),
    ],
)
def test_the_direction_may_be_a_part_of_the_status(
    mode: str | None, code: str, status: Status, direction: Direction
) -> None:
    table = [
        {"when": ["DL", "Reverse"], "status": "RETURN_DELIVERED"},
        {"when": ["DL", "Forward"], "status": "DELIVERED"},
    ]
    defined = reader(
        status={"code": ["code", "direction"], "table": table}, direction={"of": "mode", "table": {"R": "Reverse"}}
    )

    update = one(defined, {"awb": "1", "code": "DL", "mode": mode})

    assert (update.aggregator_code, update.status, update.direction) == (code, status, direction)


def test_without_directions_the_word_is_a_member_like_any_other() -> None:
    defined = reader(status={"code": ["code", "direction"], "table": [{"when": ["DL", "up"], "status": "DELIVERED"}]})

    assert one(defined, {"awb": "1", "code": "DL", "direction": "Up"}).status is Status.DELIVERED


@pytest.mark.parametrize(
    ("given", "found"), [("DELIVERED     |", "DELIVERED"), ("| a|b |", "a|b"), (" | ", None), (7, "7")]
)
def test_a_text_may_be_trimmed(given: object, found: str | None) -> None:
    defined = reader(fields={"remark": {"path": "note", "trim": "|"}})

    assert one(defined, {"awb": "1", "note": given}).remark == found
