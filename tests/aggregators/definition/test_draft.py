"""Drafting a definition from one body: what is guessed, and that the draft passes its own test."""

from typing import Any

import msgspec
import pytest

from aggregators.bodies import SAMPLES
from trackpush_aggregators.definition import examine
from trackpush_aggregators.definition.draft import draft
from trackpush_aggregators.definition.draft_guess import UndraftableError
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, ValueSource
from trackpush_api.vocabulary import Status
from trackpush_api.yaml_reader import read_documents


def drafted(body: Any) -> AggregatorDefinitionSpec:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    (document,) = read_documents(draft("swiftline", content))
    spec = AggregatorDefinitionSpec.model_validate(document.value["spec"])
    examined = examine("swiftline", spec)
    assert examined.usable, (examined.faults, examined.failures)
    return spec


def paths(source: ValueSource | None) -> list[str]:
    """The paths of a source."""
    assert source is not None
    return source.join or list(source.candidates)


def test_a_draft_finds_lists_numbers_status_and_a_time_in_two_members() -> None:
    scans = [
        {"code": "OFD", "text": "Out for delivery", "scanDate": "01-06-2026", "scanTime": "0910", "hub": "Pune"},
        {"code": "D1", "text": "Delivered", "scanDate": "01-06-2026", "scanTime": "1004", "hub": "Pune"},
    ]
    shipments = [{"docketNo": "7001", "orderId": "SO-1", "rider": {"phone": "99"}, "scans": scans}]
    spec = drafted({"data": {"shipments": shipments}})
    assert [(step.as_, step.in_) for step in spec.updates] == [
        ("shipment", ["body.data.shipments"]),
        ("scan", ["shipment.scans"]),
    ]
    fields = spec.fields
    assert (paths(fields.awb), paths(fields.order_id)) == (["shipment.docketNo"], ["shipment.orderId"])
    assert paths(fields.location) == ["scan.hub"]
    assert paths(fields.occurred_at) == ["scan.scanDate", "scan.scanTime"]
    assert [(row.when, row.status) for row in spec.status.table] == [
        (["OFD"], "OUT_FOR_DELIVERY"),
        (["D1"], "DELIVERED"),
    ]
    assert spec.redact == ["shipment.rider.phone"]
    assert spec.samples[0].expect[1]["occurredAt"] == "2026-06-01T04:34:00Z"


def test_a_time_that_is_not_read_without_a_format_gets_one() -> None:
    spec = drafted({"awb": "1", "status": "Delivered", "date": "01062026", "time": "100459"})
    source = spec.fields.occurred_at
    assert source is not None
    assert source.formats == ["%d%m%Y %H%M%S"]


@pytest.mark.parametrize(
    "body",
    [
        {"awb": "1", "status": None},
        [{"awb": "1", "a b": {"c.d": "x"}, "status": "x"}, {"awb": "2"}],
        {"awb": "1", "status": 'quote " # : {x}', "text": "line\nbreak \u2028 \x7f \U0001f600"},
        {"awb": "1", "status": "yes", "time": 1780288440, "in": [{"status": "no"}]},
        {"number": "4455667788", "state": True},
        {"awb": "1", "status": "S", "pod_image": "A" * 2_000_000},
        b'{"awb": 19041424751540.0, "status": 1.10, "big": 123456789012345678901234567890}',
        b'{"awb": "caf\xe9 1", "status": "x"}',
    ],
)
def test_a_draft_of_an_odd_body_passes_its_own_test(body: Any) -> None:
    drafted(body)


@pytest.mark.parametrize("aggregator", ["clickpost", "shiprocket", "shipway"])
def test_a_draft_of_a_real_body_passes_its_own_test(aggregator: str) -> None:
    samples = sorted((SAMPLES / aggregator).iterdir(), key=lambda file: file.name)
    assert drafted(samples[0].read_bytes()).fields.awb is not None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"5", b"{", b'{"hello": "world"}', b'[["awb"]]', b"[" * 200])
def test_a_body_without_a_shipment_gives_no_draft(body: bytes) -> None:
    with pytest.raises(UndraftableError):
        draft("swiftline", body)


def test_a_wrong_name_gives_no_draft() -> None:
    for name in ("Swift Line", "", "a" * 64, "st", "clickpost"):
        with pytest.raises(UndraftableError):
            draft(name, b'{"awb": "1", "status": "x"}')


def test_a_code_whose_labels_have_several_meanings_is_unknown_and_its_row_says_so() -> None:
    scans = [
        {"scan_code": "104", "scan_text": "Delivered", "scan_time": "2025-06-04T09:15:00Z"},
        {"scan_code": "104", "scan_text": "Out for delivery", "scan_time": "2025-06-04T08:15:00Z"},
        {"scan_code": "7", "scan_text": "Arrived at Pune", "scan_time": "2025-06-03T08:15:00Z"},
        {"scan_code": "7", "scan_text": "Arrived at Nagpur", "scan_time": "2025-06-02T08:15:00Z"},
    ]
    text = draft("swiftline", msgspec.json.encode({"awb": "7001", "scans": scans}))
    words = "several meanings, so add another member to status.code: Delivered; Out for delivery"
    assert f'{{when: "104", status: UNKNOWN}} # {words}\n' in text
    assert '{when: "7", status: AT_DESTINATION} # Arrived at Pune; Arrived at Nagpur\n' in text


@pytest.mark.parametrize("code", ["PK*1", "*", "x" * 200, "x" * 200 + "*y"])
def test_the_row_of_a_code_with_a_star_or_of_a_long_one_matches_it(code: str) -> None:
    spec = drafted({"awb": "190414", "status_code": code, "status": "Out for delivery"})

    assert [row.status for row in spec.status.table] == [Status.OUT_FOR_DELIVERY]
    assert [expected["status"] for expected in spec.samples[0].expect] == ["OUT_FOR_DELIVERY"]


def test_a_draft_reads_an_object_with_numbered_members_as_a_list() -> None:
    tracks = {"1": {"awb": "7002", "status": "RTO"}, "0": {"awb": "7001", "status": "Delivered"}}
    spec = drafted({"tracks": tracks})
    assert [(step.as_, step.in_) for step in spec.updates] == [("track", ["body.tracks"])]
    assert [expected["awb"] for expected in spec.samples[0].expect] == ["7001", "7002"]


@pytest.mark.parametrize(
    ("body", "awb", "code", "time"),
    [
        ({"lr": "QH70014455", "desc": "Handed over: delivered", "ts": 1748944200}, "lr", "desc", "ts"),
        (
            {"parcel_awb": "A-1", "delivery_status": "X1", "edd_date": "2025-06-07", "scanned": "2025-06-03 10:00"},
            "parcel_awb",
            "delivery_status",
            "scanned",
        ),
        (
            {"event": {"ref": {"id": "F-100"}, "step": "RVP_PICKED", "step_epoch": "1748944200"}},
            "event.ref.id",
            "event.step",
            "event.step_epoch",
        ),
    ],
)
def test_members_with_unknown_names_are_guessed_by_the_ends_of_their_names_and_by_their_texts(
    body: Any, awb: str, code: str, time: str
) -> None:
    spec = drafted(body)
    assert paths(spec.fields.awb) == [f"body.{awb}"]
    assert paths(spec.status.code) == [f"body.{code}"]
    assert paths(spec.fields.occurred_at) == [f"body.{time}"]


def test_of_members_with_the_same_name_the_one_beside_the_number_is_guessed() -> None:
    latest = {"status": "Out for delivery", "time": "2025-06-04 10:00:00"}
    parcel = {"awb": "7001", "status": "Delivered", "time": "2025-06-04 12:00:00"}
    spec = drafted({"before": latest, "parcel": parcel})
    assert paths(spec.status.code) == ["body.parcel.status"]
    assert paths(spec.fields.occurred_at) == ["body.parcel.time"]
    assert spec.status.label is None


def test_a_draft_of_a_body_without_a_status_has_no_rows_and_says_so() -> None:
    body = {"awb": "7001", "hub": "Pune"}
    assert drafted(body).status.table == []
    assert "# no member looks like a status: write its path" in draft("swiftline", msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"awb=1&status=DL", "it looks like a form, so set the sender to JSON"),
        (b"<Shipment><AWB>1</AWB></Shipment>", "it looks like XML, so set the sender to JSON"),
        (b'[{"data": "{\\"awb\\": \\"1\\"}"}]', "the text of 'data' looks like JSON, which a definition can't read"),
    ],
)
def test_a_body_of_another_form_is_named(body: bytes, words: str) -> None:
    with pytest.raises(UndraftableError, match=words):
        draft("swiftline", body)
