"""Attempts, quality checks, proofs of delivery and the way back: what few aggregators report, and when it is absent."""

import json
from typing import Any

import msgspec
import pytest

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, clickpost, one, sample, shiprocket, shipway
from trackpush_aggregators import details
from trackpush_aggregators.parsed import Meaning, tracking_update
from trackpush_aggregators.updates import TrackingUpdate, notification
from trackpush_api.vocabulary import Aggregator, Direction, QcResult, Status

NEW_MEMBERS = {
    "revisedDelivery",
    "returnAwb",
    "attempt",
    "qcResult",
    "qcReasons",
    "proofOfDelivery",
    "otpVerified",
}


def told(update: TrackingUpdate) -> dict[str, Any]:
    """The optional members of the notification, of shipment and status together."""
    content = json.loads(msgspec.json.encode(notification(update, 0)))
    both = content["shipment"] | content["status"]
    return {name: value for name, value in both.items() if name in NEW_MEMBERS}


def made(status: Status, **fields: Any) -> TrackingUpdate:
    meaning = Meaning(status=status, direction=Direction.FORWARD, code="1", label=None, codes=("1",))
    return tracking_update(
        Aggregator.CLICKPOST,
        meaning,
        identity=("1",),
        shipment="1",
        awb="1",
        body=b"{}",
        occurred_at=None,
        occurred_at_text=None,
        **fields,
    )


def test_an_update_without_them_has_none_of_the_members() -> None:
    assert told(made(Status.IN_TRANSIT)) == {}


def test_an_update_with_them_has_each_under_its_name() -> None:
    update = made(
        Status.RETURN_PICKED_UP,
        estimated_delivery="2026-06-01",
        revised_delivery="2026-06-03",
        return_awb="2",
        attempt=2,
        qc_result=QcResult.PASSED,
        qc_reasons=["101", "103"],
        proof_of_delivery="https://files.example.test/1.jpg",
        otp_verified=False,
    )

    assert told(update) == {
        "revisedDelivery": "2026-06-03",
        "returnAwb": "2",
        "attempt": 2,
        "qcResult": "passed",
        "qcReasons": ["101", "103"],
        "proofOfDelivery": "https://files.example.test/1.jpg",
        "otpVerified": False,
    }


def test_a_delivery_date_that_did_not_change_and_a_way_back_of_the_same_awb_are_left_out() -> None:
    update = made(Status.IN_TRANSIT, estimated_delivery="2026-06-01", revised_delivery="2026-06-01", return_awb="1")

    assert told(update) == {}


def test_a_failed_quality_check_that_only_the_status_reports_is_reported_as_such() -> None:
    assert told(made(Status.RETURN_QC_FAILED)) == {"qcResult": "failed"}


def test_reasons_are_bounded_in_number_and_length() -> None:
    reasons = made(Status.RETURN_QC_FAILED, qc_reasons=["x" * 1000, *map(str, range(100))]).qc_reasons

    assert len(reasons) == 16
    assert max(map(len, reasons)) == 256


@pytest.mark.parametrize(
    ("given", "number"), [("1", 1), (3, 3), ("0", None), ("-1", None), ("many", None), (None, None), (10**8, None)]
)
def test_an_attempt_is_a_small_positive_number(given: object, number: int | None) -> None:
    assert details.attempt(given) == number


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ("P", QcResult.PASSED),
        ("passed", QcResult.PASSED),
        (1, QcResult.PASSED),
        (True, QcResult.PASSED),
        ("F", QcResult.FAILED),
        ("0", QcResult.FAILED),
        (False, QcResult.FAILED),
        ("", None),
        ("maybe", None),
        ({}, None),
    ],
)
def test_a_quality_check_passed_failed_or_is_not_known(given: object, result: QcResult | None) -> None:
    assert details.qc_result(given) is result


@pytest.mark.parametrize(("given", "verified"), [("Y", True), ("N", False), (1, True), ("", None), (None, None)])
def test_a_verification_is_true_false_or_not_known(given: object, verified: bool | None) -> None:  # noqa: FBT001
    assert details.verified(given) is verified


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("101, 103,101", ["101", "103"]),
        (["a", "", None, "b", 7], ["a", "b", "7"]),
        ("", []),
        (None, []),
        ({"a": 1}, []),
    ],
)
def test_reasons_come_in_a_list_or_a_text(given: object, found: list[str]) -> None:
    assert details.reasons(given) == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://files.example.test/a.jpg", True),
        ("HTTP://files.example.test/a.jpg", True),
        ("Not Available", False),
        ("dummy_pod", False),
        ("javascript:alert(1)", False),
        ("https://files.example.test/a b", False),
        ("https://files.example.test/" + "a" * 2048, False),
        ("iVBORw0KGgoAAAANSUhEUg==", False),
        (None, False),
    ],
)
def test_a_proof_of_delivery_is_a_link(given: str | None, found: bool) -> None:  # noqa: FBT001
    assert details.link(given) == (given if found else None)


@pytest.mark.parametrize(("given", "awb"), [("1901", "1901"), ("", None), (None, None), ("1900", None)])
def test_clickpost_reports_the_awb_of_the_return(given: str | None, awb: str | None) -> None:
    assert one(CLICKPOST, clickpost(rto_awb=given)).return_awb == awb


@pytest.mark.parametrize(
    ("label", "attempt"),
    [
        ("UNDELIVERED-1ST ATTEMPT", 1),
        ("Undelivered 2nd Attempt", 2),
        ("UNDELIVERED-3RD ATTEMPT", 3),
        ("UNDELIVERED", None),
    ],
)
def test_shiprocket_reports_the_attempt_in_its_label(label: str, attempt: int | None) -> None:
    assert one(SHIPROCKET, shiprocket(current_status=label)).attempt == attempt


def test_shiprocket_reports_reasons_of_a_quality_check_and_the_proof_of_delivery() -> None:
    failed = shiprocket(shipment_status_id=47, is_return=1, qc_failure_reason="Wrong item, No tag")
    delivered = shiprocket(current_status_id=7, pod="https://files.example.test/pod.jpg")

    assert told(one(SHIPROCKET, failed)) == {"qcResult": "failed", "qcReasons": ["Wrong item", "No tag"]}
    assert told(one(SHIPROCKET, delivered)) == {"proofOfDelivery": "https://files.example.test/pod.jpg"}


def test_shiprockets_otp_counts_only_where_the_parcel_was_handed_over() -> None:
    in_transit, delivered = sample("shiprocket/01_in_transit.json"), sample("shiprocket/02_delivered.json")

    assert one(SHIPROCKET, in_transit).otp_verified is None
    assert one(SHIPROCKET, delivered).otp_verified is True


def test_shipway_reports_attempts_the_proof_of_delivery_and_the_way_back() -> None:
    delivered = one(SHIPWAY, sample("shipway/05_panel_delivered.json"))
    forward = one(SHIPWAY, shipway(reverse_tracking_number="1901"))
    back = one(SHIPWAY, shipway(current_status="RPKP", reverse_tracking_number="1901"))

    assert delivered.attempt == 1
    assert delivered.proof_of_delivery == "https://files.example.test/pod/19000000003201.jpg"
    assert (forward.awb, forward.return_awb) == ("1900", "1901")
    assert (back.awb, back.forward_awb, back.return_awb) == ("1901", "1900", None)
