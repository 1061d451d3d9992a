"""Clickpost's shapes: scans, return requests, wrapped and waybill-less bodies."""

from aggregators.bodies import CLICKPOST, clickpost, one, read, sample
from support.rows import every_row
from trackpush_api.vocabulary import Direction, NdrReason, Status


def test_a_late_scan_is_the_event_and_not_the_latest_status() -> None:
    update = one(CLICKPOST, sample("clickpost/13_out_of_order_late_scan.json"))

    assert (update.status, update.remark) == (Status.IN_TRANSIT, "Shipment Received at Facility")
    assert update.occurred_at_text == "2025-06-12T07:12:00Z"


def test_a_return_carries_its_references() -> None:
    update = one(CLICKPOST, sample("clickpost/09_rvp_picked_up.json"))

    assert (update.awb, update.shipment) == ("19000000000201", "19000000000201")
    assert (update.forward_awb, update.return_reference, update.order_id) == ("19000000000101", "RET-5001", "RET-5001")


def test_a_return_delivered_does_not_match_a_filter_on_delivered() -> None:
    update = one(CLICKPOST, sample("clickpost/10_rvp_delivered.json"))

    assert update.codes == ("8",)
    assert update.aggregator_label == "Delivered"


@every_row(
    ("is_rvp", "direction"),
    [(True, "reverse"), ("true", "reverse"), (1, "reverse"), ("1", "reverse"), (False, "forward"), (None, "forward"),
     ("false", "forward"), (0, "forward"), ("", "forward"), ([], "forward"), (2, "forward")],
)  # fmt: skip
def test_is_rvp_gives_the_direction_in_whatever_type(is_rvp: object, direction: str) -> None:
    assert one(CLICKPOST, clickpost(additional={"is_rvp": is_rvp})).direction == direction


@every_row("is_rvp", [True, False, None])
def test_a_return_request_is_a_return_whatever_is_rvp_says(is_rvp: object) -> None:
    for code in (101, 102, 103, 106):
        update = one(CLICKPOST, clickpost(clickpost_status_code=code, additional={"is_rvp": is_rvp}))
        assert update.direction is Direction.REVERSE


@every_row(
    ("event", "status"),
    [(23, Status.RETURN_REJECTED), ("23", Status.RETURN_REJECTED), (29, Status.RETURN_APPROVED),
     (30, Status.RETURN_REQUESTED), (31, Status.RETURN_REJECTED), (None, Status.UNKNOWN), (5, Status.UNKNOWN)],
)  # fmt: skip
def test_the_notification_event_gives_what_the_codes_103_to_106_do_not(event: object, status: Status) -> None:
    for code in (103, 104, 105, 106):
        body = clickpost(clickpost_status_code=code, additional={"notification_event_id": event})
        assert one(CLICKPOST, body).status is status


def test_the_notification_event_does_not_overrule_a_known_code() -> None:
    assert one(CLICKPOST, clickpost(additional={"notification_event_id": 23})).status is Status.IN_TRANSIT


def request(code: int, **additional: object) -> dict[str, object]:
    return clickpost(waybill="", cp_id=-1, clickpost_status_code=code, additional={"order_id": None} | additional)


def test_requests_about_one_return_share_a_line_and_have_identities_of_their_own() -> None:
    placed = one(CLICKPOST, request(101, forward_awb="1900", forward_reference_number="SO-1"))
    approved = one(CLICKPOST, request(102, forward_awb="1900", return_reference_number="RET-1"))

    assert placed.shipment == approved.shipment == "return:1900"
    assert placed.awb is None
    assert placed.identity != approved.identity


@every_row(
    ("additional", "shipment"),
    [
        ({"forward_reference_number": "SO-1-1"}, "return:SO-1-1"),
        ({"return_reference_number": "RET-1"}, "return:RET-1"),
        ({"order_id": "SO-1"}, "order:SO-1"),
        ({"reference_number": "REF-1"}, "order:REF-1"),
        ({"latest_status": {"reference_number": "REF-2"}}, "order:REF-2"),
    ],
)
def test_any_reference_identifies_a_body_without_waybill(additional: dict[str, object], shipment: str) -> None:
    assert one(CLICKPOST, request(101, **additional)).shipment == shipment


@every_row(
    "body",
    [{}, [], None, b"", b" \r\n ", {"waybill": ""}, {"waybill": None, "additional": None}, {"status": "x"}, [{}],
     {"waybill": True}, {"waybill": {"a": 1}}, {"additional": {"order_id": "NA"}}, {"payload": {}}],
)  # fmt: skip
def test_a_body_that_names_no_shipment_is_a_probe(body: object) -> None:
    parsed = read(CLICKPOST, body)

    assert not parsed.identified
    assert parsed.updates == ()


def test_the_wrapped_form_is_read_like_the_plain_one_and_loses_its_secrets() -> None:
    inner = request(102, forward_awb="1900", price=1.10)
    url = "https://me:pw@gateway.test/rms/in/api/clickpost/notify/k-9?key=k-1#x"
    wrapped = {"payload": inner, "internal": {"tracking_id": 7, "key": "k-1", "url": url, "notification_event": 22}}

    update = one(CLICKPOST, wrapped)

    assert update.status is Status.RETURN_APPROVED
    assert update.identity[:-1] == one(CLICKPOST, inner).identity[:-1]
    assert b'"key":"[redacted]"' in update.body
    assert b'"tracking_id":7' in update.body
    expected = (
        b'"url":"https://[redacted]@gateway.test/rms/in/api/clickpost/notify/[redacted]?key=[redacted]#[redacted]"'
    )
    assert expected in update.body


def test_the_track_order_shape_is_read_from_its_latest_status_and_named_by_its_order() -> None:
    latest = {"clickpost_status_code": 21, "timestamp": "2025-06-11T02:55:34Z", "status": "RT", "location": "Pune"}

    update = one(CLICKPOST, {"latest_status": latest, "scans": [], "valid": True, "additional": {"order_id": "SO-1"}})

    assert (update.status, update.direction, update.location) == (Status.RTO_IN_TRANSIT, Direction.RTO, "Pune")
    assert update.shipment == "order:SO-1"


@every_row("newest_first", [True, False])
def test_the_track_order_shape_without_latest_status_has_its_latest_scan(*, newest_first: bool) -> None:
    scans = [{"clickpost_status_code": code, "timestamp": f"2025-06-1{code}T02:55:34Z"} for code in (8, 5, 6)]

    update = one(CLICKPOST, {"scans": scans if newest_first else scans[::-1], "additional": {"order_id": "SO-1"}})

    assert update.status is Status.DELIVERED


@every_row(
    ("label", "status"),
    [("PickupPending", Status.PICKUP_PENDING), ("OutForDelivery", Status.OUT_FOR_DELIVERY),
     ("FailedDelivery", Status.DELIVERY_FAILED), ("RTO-Requested", Status.RTO_INITIATED),
     ("RTO-Marked", Status.RTO_INITIATED), ("RTO-OutForDelivery", Status.RTO_OUT_FOR_DELIVERY),
     ("RTO-Delivered", Status.RTO_DELIVERED), ("ShipmentDelayed", Status.DELAYED),
     ("ContactCustomerCare", Status.ON_HOLD), ("Awb Registered", Status.CREATED),
     ("Return Order Placed", Status.RETURN_REQUESTED), ("Aged", Status.DELAYED), ("Out", Status.UNKNOWN),
     ("Cancelled", Status.CANCELLED), ("OrderCancelled", Status.CANCELLED), ("PartialDelivered", Status.DELIVERED),
     ("PartialCancelled", Status.CANCELLED), ("PartialRTO", Status.RTO_INITIATED),
     ("PartialRTOInTransit", Status.RTO_IN_TRANSIT), ("PartialRTOOutForDelivery", Status.RTO_OUT_FOR_DELIVERY),
     ("PartialRTODelivered", Status.RTO_DELIVERED), ("RTO-Delivered-Reschedule-Requested", Status.RTO_FAILED),
     ("NoStatusExist", Status.INFO), ("LastMilePrePickup", Status.INFO), ("Ready To Ship", Status.CREATED),
     ("CourierPartnerTrackingDataMissing", Status.INFO), ("ReShippedOnNewWaybill", Status.INFO),
     ("RTO-Handover", Status.RTO_IN_TRANSIT), ("RiderAllocated", Status.INFO), ("Partial", Status.UNKNOWN)],
)  # fmt: skip
def test_without_a_code_the_exact_description_decides(label: str, status: Status) -> None:
    body = clickpost(clickpost_status_code=None, clickpost_status_description=label)

    assert one(CLICKPOST, body).status is status


def test_out_of_area_is_a_reason_of_its_own_unless_a_better_one_is_given() -> None:
    plain = one(CLICKPOST, clickpost(clickpost_status_code=7))
    better = one(CLICKPOST, clickpost(clickpost_status_code=7, additional={"ndr_status_code": 6}))
    vague = one(CLICKPOST, clickpost(clickpost_status_code=7, additional={"ndr_status_code": 0}))

    assert [plain.ndr_reason, better.ndr_reason, vague.ndr_reason] == [
        NdrReason.OUT_OF_DELIVERY_AREA,
        NdrReason.ADDRESS_ISSUE,
        NdrReason.OUT_OF_DELIVERY_AREA,
    ]


def test_a_failure_without_reason_has_none_and_one_with_a_new_reason_has_unknown() -> None:
    assert one(CLICKPOST, clickpost(clickpost_status_code=9)).ndr_reason is None
    new = one(CLICKPOST, clickpost(clickpost_status_code=9, additional={"ndr_status_code": 77}))
    assert new.ndr_reason is NdrReason.UNKNOWN
    polled = one(CLICKPOST, clickpost(clickpost_status_code=9, additional={"ndr": {"ndr_bucket_code": 2}}))
    assert polled.ndr_reason is NdrReason.REFUSED


def test_a_reason_is_given_only_for_a_failed_delivery() -> None:
    assert one(CLICKPOST, clickpost(additional={"ndr_status_code": 2})).ndr_reason is None


def test_the_courier_is_the_account_or_its_known_number() -> None:
    assert one(CLICKPOST, clickpost(account_code="DELHIVERY SURFACE")).courier == "DELHIVERY SURFACE"
    assert one(CLICKPOST, clickpost(cp_id="3")).courier == "Ecom Express"
    assert one(CLICKPOST, clickpost(cp_id=9)).courier is None
