"""Shiprocket: two id spaces, labels, returns and scans."""

from aggregators.bodies import SHIPROCKET, one, read, sample, shiprocket
from support.rows import every_row
from trackpush_api.vocabulary import Direction, Status


@every_row(
    ("order", "shipment", "status"),
    [
        (20, 18, Status.IN_TRANSIT),
        (36, 21, Status.DELIVERY_FAILED),
        (19, 17, Status.OUT_FOR_DELIVERY),
        (7, 10, Status.RTO_DELIVERED),
        (6, 17, Status.OUT_FOR_DELIVERY),
        (6, 42, Status.PICKED_UP),
        (20, 38, Status.AT_DESTINATION),
        (42, 7, Status.DELIVERED),
        (10, 18, Status.IN_TRANSIT),
        (7, 17, Status.DELIVERED),
        (15, 46, Status.RTO_INITIATED),
        (999, 7, Status.DELIVERED),
        (7, 999, Status.DELIVERED),
        (999, 999, Status.UNKNOWN),
    ],
)
def test_each_id_is_read_in_its_own_table_and_the_clearer_one_wins(order: int, shipment: int, status: Status) -> None:
    assert one(SHIPROCKET, shiprocket(current_status_id=order, shipment_status_id=shipment)).status is status


@every_row(
    ("order", "shipment", "status"),
    [
        (32, 42, Status.RETURN_PICKED_UP),
        (26, 7, Status.RETURN_DELIVERED),
        (7, 7, Status.RETURN_DELIVERED),
        (20, 18, Status.RETURN_IN_TRANSIT),
        (25, 47, Status.RETURN_QC_FAILED),
        (26, 47, Status.RETURN_QC_FAILED),
        (57, 47, Status.RETURN_QC_FAILED),
        (24, 13, Status.RETURN_PICKUP_FAILED),
        (9, 9, Status.UNKNOWN),
    ],
)
def test_on_a_return_both_ids_are_read_as_a_returns(order: int, shipment: int, status: Status) -> None:
    update = one(SHIPROCKET, shiprocket(current_status_id=order, shipment_status_id=shipment, is_return=1))

    assert (update.status, update.direction) == (status, Direction.REVERSE)


@every_row("is_return", [1, "1", True, "true"])
def test_is_return_makes_a_delivery_a_return_in_whatever_type(is_return: object) -> None:
    body = shiprocket(current_status="DELIVERED", current_status_id=7, shipment_status_id=7, is_return=is_return)

    update = one(SHIPROCKET, body)

    assert (update.status, update.direction) == (Status.RETURN_DELIVERED, Direction.REVERSE)
    assert "DELIVERED" not in update.codes


@every_row("is_return", [0, "0", None, ""])
def test_a_label_or_id_of_a_return_makes_it_one_without_is_return(is_return: object) -> None:
    by_label = shiprocket(current_status="RETURN DELIVERED", shipment_status_id=7, is_return=is_return)
    by_id = shiprocket(current_status_id=26, shipment_status="DELIVERED", is_return=is_return)

    for body in (by_label, by_id):
        update = one(SHIPROCKET, body)
        assert (update.status, update.direction) == (Status.RETURN_DELIVERED, Direction.REVERSE)


def test_returned_is_an_rto_and_no_return() -> None:
    for body in (shiprocket(current_status_id=9, current_status="RETURNED"), shiprocket(current_status="Returned")):
        update = one(SHIPROCKET, body)
        assert (update.status, update.direction) == (Status.RTO_DELIVERED, Direction.RTO)


@every_row(
    ("label", "status"),
    [
        ("IN TRANSIT-AT DESTINATION HUB", Status.AT_DESTINATION),
        ("UNDELIVERED-1ST ATTEMPT", Status.DELIVERY_FAILED),
        ("Undelivered-3rd Attempt", Status.DELIVERY_FAILED),
        ("UNDELIVERED", Status.DELIVERY_FAILED),
        ("REACHED BACK AT_SELLER_CITY", Status.RTO_IN_TRANSIT),
        ("SELF FULFILED", Status.INFO),
        ("CANCELED", Status.CANCELLED),
        ("CANCELLED", Status.CANCELLED),
        ("RTO IN INTRANSIT", Status.RTO_IN_TRANSIT),
        ("RTO_OFD", Status.RTO_OUT_FOR_DELIVERY),
        ("RTO OFD", Status.RTO_OUT_FOR_DELIVERY),
        ("rto delivered", Status.RTO_DELIVERED),
        ("RETURN OUT FOR DELIVERY", Status.RETURN_OUT_FOR_DELIVERY),
        ("RETURN QC FAILED", Status.RETURN_QC_FAILED),
        ("RETURN LOST", Status.LOST),
        ("DELIVERED TO THE MOON", Status.UNKNOWN),
        ("NA", Status.UNKNOWN),
    ],
)
def test_a_label_without_id_is_read_whatever_its_case_and_separators(label: str, status: Status) -> None:
    assert one(SHIPROCKET, shiprocket(current_status=label)).status is status
    assert one(SHIPROCKET, shiprocket(shipment_status=label, shipment_status_id=99999)).status is status


def test_a_new_rto_label_is_an_rto_though_its_status_is_unknown() -> None:
    update = one(SHIPROCKET, shiprocket(current_status="RTO REATTEMPTED AT HUB", current_status_id=140))

    assert (update.status, update.direction) == (Status.UNKNOWN, Direction.RTO)


def test_a_scans_own_status_never_decides() -> None:
    body = shiprocket(current_status_id=20, scans=[{"date": "2023-05-23 11:00:00", "sr-status": "7"}])

    assert one(SHIPROCKET, body).status is Status.IN_TRANSIT


@every_row("form", ["oldest first", "newest first", "by index"])
def test_remark_and_place_are_the_newest_scans(form: str) -> None:
    scans = [{"date": f"2023-05-{10 + day}", "activity": f"a{day}", "location": f"l{day}"} for day in range(12)]
    given = {"oldest first": scans, "newest first": scans[::-1], "by index": {str(n): s for n, s in enumerate(scans)}}

    update = one(SHIPROCKET, shiprocket(scans=given[form]))

    assert (update.remark, update.location) == ("a11", "l11")


def test_a_failed_quality_check_says_why() -> None:
    body = shiprocket(current_status_id=57, is_return=1, qc_failure_reason="Torn", scans=[{"activity": "Checked"}])

    assert one(SHIPROCKET, body).remark == "Torn"


def test_all_codes_and_labels_of_both_spaces_can_be_filtered_on() -> None:
    update = one(SHIPROCKET, sample("shiprocket/07_return_picked_up.json"))

    assert update.aggregator_code == "32"
    assert {"32", "42", "RETURN PICKED UP"} <= set(update.codes)
    assert "PICKED UP" not in update.codes, "it would match a filter on the forward status PICKED_UP"


@every_row(
    ("changes", "shipment"),
    [({"awb": None}, "order:SO-1"), ({"awb": "NA", "order_id": "", "sr_order_id": 348456385}, "order:348456385"),
     ({"awb": 19041424751540}, "19041424751540"), ({"awb": "0019"}, "0019")],
)  # fmt: skip
def test_an_event_is_lined_up_by_awb_else_by_order(changes: dict[str, object], shipment: str) -> None:
    assert one(SHIPROCKET, shiprocket(**changes)).shipment == shipment


@every_row("body", [{}, [], b"null", {"awb": "", "order_id": None}, {"channel_id": 1, "scans": []}])
def test_a_body_that_names_no_shipment_is_a_probe(body: object) -> None:
    assert not read(SHIPROCKET, body).identified
