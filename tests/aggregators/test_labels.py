"""A label that says that the shipment comes back is never read as a forward one, whatever the code says."""

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, clickpost, one, shiprocket, shipway
from support.rows import every_row
from trackpush_api.vocabulary import Direction, Status

BACK = [
    "RTO Something New",
    "rto-something",
    "RTO_XYZ",
    "REACHED BACK AT HUB",
    "Reached_Back_Somewhere",
    "RETURNED TO X",
    "Return To Origin",
    "R.T.O. started",
]
RETURNS = ["RETURN SOMETHING NEW", "Return_Xyz", "return-pickup-whatever"]


@every_row(("labels", "direction"), [(BACK, Direction.RTO), (RETURNS, Direction.REVERSE)])
def test_an_unknown_label_that_says_so_gives_the_direction(labels: list[str], direction: Direction) -> None:
    for label in labels:
        for update in (
            one(CLICKPOST, clickpost(clickpost_status_code=None, clickpost_status_description=label)),
            one(CLICKPOST, clickpost(clickpost_status_code=9999, clickpost_status_description=label)),
            one(SHIPROCKET, shiprocket(current_status=label)),
            one(SHIPROCKET, shiprocket(shipment_status=label, shipment_status_id=9999)),
            one(SHIPROCKET, shiprocket(current_status="SOMETHING NEW", shipment_status=label)),
            one(SHIPWAY, shipway(current_status=label)),
            one(SHIPWAY, shipway(current_status="ZZZ", current_status_desc=label)),
            one(SHIPWAY, shipway(current_status=None, api_input={"current_status_desc": label})),
        ):
            assert (update.status, update.direction) == (Status.UNKNOWN, direction), label


@every_row(
    ("label", "status", "direction"),
    [
        ("RTO Delivered", Status.RTO_DELIVERED, Direction.RTO),
        ("Return Delivered", Status.RETURN_DELIVERED, Direction.REVERSE),
    ],
)
def test_a_code_of_a_delivery_under_such_a_label_is_not_a_delivery_to_the_customer(
    label: str, status: Status, direction: Direction
) -> None:
    for update in (
        one(CLICKPOST, clickpost(clickpost_status_code=8, clickpost_status_description=label)),
        one(SHIPROCKET, shiprocket(current_status=label, current_status_id=7)),
        one(SHIPWAY, shipway(current_status="DEL", current_status_desc=label)),
    ):
        assert (update.status, update.direction) == (status, direction)
        assert "DELIVERED" not in update.codes


@every_row(
    ("label", "status"),
    [
        ("RETURN ACKNOWLEGED", Status.RETURN_DELIVERED),
        ("RETURN ACKNOWLEDGED", Status.RETURN_DELIVERED),
        ("IN TRANSIT-EN-ROUTE", Status.IN_TRANSIT),
        ("RETURN REJECTED", Status.RETURN_REJECTED),
        ("REACHED BACK AT_SELLER_CITY", Status.RTO_IN_TRANSIT),
        ("RETURNED", Status.RTO_DELIVERED),
    ],
)
def test_a_shiprocket_label_without_an_id_is_read(label: str, status: Status) -> None:
    assert one(SHIPROCKET, shiprocket(current_status=label)).status is status
    assert one(SHIPROCKET, shiprocket(shipment_status=label)).status is status


@every_row(
    ("label", "status", "direction"),
    [
        ("RTO LOST", Status.LOST, Direction.RTO),
        ("rto_in_transit", Status.RTO_IN_TRANSIT, Direction.RTO),
        ("RTO-Delivered", Status.RTO_DELIVERED, Direction.RTO),
        ("RTO Out For Delivery", Status.RTO_OUT_FOR_DELIVERY, Direction.RTO),
        ("RTO Initiated", Status.RTO_INITIATED, Direction.RTO),
        ("RTO Failed", Status.RTO_FAILED, Direction.RTO),
        ("RTO Cancelled", Status.UNKNOWN, Direction.RTO),
        ("RTO Picked Up", Status.UNKNOWN, Direction.RTO),
        ("Return Delivered", Status.RETURN_DELIVERED, Direction.REVERSE),
        ("RETURN_IN_TRANSIT", Status.RETURN_IN_TRANSIT, Direction.REVERSE),
        ("return-picked-up", Status.RETURN_PICKED_UP, Direction.REVERSE),
        ("Return Requested", Status.RETURN_REQUESTED, Direction.REVERSE),
        ("Return Closed", Status.RETURN_CLOSED, Direction.REVERSE),
        ("Return Lost", Status.LOST, Direction.REVERSE),
    ],
)
def test_a_label_that_begins_with_rto_or_return_reads_as_what_follows_on_its_way_back(
    label: str, status: Status, direction: Direction
) -> None:
    for update in (
        one(CLICKPOST, clickpost(clickpost_status_code=None, clickpost_status_description=label)),
        one(SHIPROCKET, shiprocket(current_status=label)),
        one(SHIPROCKET, shiprocket(shipment_status=label)),
        one(SHIPWAY, shipway(current_status=None, current_status_desc=label)),
    ):
        assert (update.status, update.direction) == (status, direction), update.aggregator


@every_row("label", ["PartialRTO-New-Word", "Partial Return Something", "PARTIAL_REACHED_BACK_AT_HUB"])
def test_partial_before_such_a_label_changes_nothing(label: str) -> None:
    update = one(CLICKPOST, clickpost(clickpost_status_code=None, clickpost_status_description=label))

    assert update.status is Status.UNKNOWN
    assert update.direction is not Direction.FORWARD
