"""Every code of the reference's tables, row by row, through whole bodies."""

from aggregators import reference
from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, clickpost, one, shiprocket, shipway
from support.rows import every_row
from trackpush_aggregators.clickpost import codes as clickpost_tables
from trackpush_aggregators.shiprocket import codes as shiprocket_tables
from trackpush_aggregators.shipway import codes as shipway_tables
from trackpush_api.vocabulary import Direction, NdrReason, Status

NDR = [
    "UNKNOWN",
    "CUSTOMER_UNAVAILABLE",
    "REFUSED",
    "RESCHEDULED",
    "NO_ATTEMPT",
    "CUSTOMER_UNREACHABLE",
    "ADDRESS_ISSUE",
    "PAYMENT_ISSUE",
    "OUT_OF_DELIVERY_AREA",
    "CANCELLED",
    "SELF_COLLECT",
    "SEIZED",
    "OPEN_DELIVERY",
    "MISROUTED",
]


def family(status: Status) -> Direction:
    if status.startswith("RTO_"):
        return Direction.RTO
    return Direction.REVERSE if status.startswith(("RETURN_", "EXCHANGE_")) else Direction.FORWARD


def test_the_tables_hold_exactly_the_references_codes() -> None:
    assert set(map(str, clickpost_tables.STATUSES)) == {row.code for row in reference.clickpost()}
    assert set(map(str, shiprocket_tables.ORDER_STATUSES)) == {row.code for row in reference.shiprocket_order()}
    assert set(map(str, shiprocket_tables.SHIPMENT_STATUSES)) == {row.code for row in reference.shiprocket_shipment()}
    assert set(shipway_tables.STATUSES) == {row.code for row in reference.shipway()}
    assert [len(clickpost_tables.STATUSES), len(shiprocket_tables.ORDER_STATUSES)] == [34, 82]
    assert [len(shiprocket_tables.SHIPMENT_STATUSES), len(shipway_tables.ROWS)] == [64, 46]


@every_row("as_text", [False, True])
@every_row("row", reference.clickpost())
def test_each_clickpost_code_reads_as_the_reference_says_on_both_journeys(
    row: reference.Expected, *, as_text: bool
) -> None:
    code = row.code if as_text else int(row.code)

    forward = one(CLICKPOST, clickpost(clickpost_status_code=code))
    reverse = one(CLICKPOST, clickpost(clickpost_status_code=code, additional={"is_rvp": True}))

    assert (forward.status, forward.direction) == (row.forward, family(row.forward))
    assert (reverse.status, reverse.direction) == (row.reverse or Status.UNKNOWN, Direction.REVERSE)
    assert forward.aggregator_code == row.code
    assert row.code in forward.codes


@every_row("code", [22, 24, 29, 43, 48, 52, 107, 99999, 10**30, "22", "X", -8])
def test_a_clickpost_code_that_nobody_knows_is_unknown_and_kept_whatever_the_description_says(code: object) -> None:
    update = one(CLICKPOST, clickpost(clickpost_status_code=code, clickpost_status_description="Delivered"))

    assert (update.status, update.direction) == (Status.UNKNOWN, Direction.FORWARD)
    assert update.aggregator_code == str(code)
    assert str(code) in update.codes


@every_row("code", [None, "", "NA", True, {"a": 1}, [8]])
def test_what_is_no_clickpost_code_leaves_the_word_to_the_description(code: object) -> None:
    update = one(CLICKPOST, clickpost(clickpost_status_code=code, clickpost_status_description="RTO-InTransit"))

    assert (update.status, update.aggregator_code) == (Status.RTO_IN_TRANSIT, "21")


@every_row(("code", "reason"), list(enumerate(NDR)))
def test_each_clickpost_ndr_code_gives_its_reason_whatever_the_text_says(code: int, reason: str) -> None:
    for written in (code, str(code)):
        extra = {"ndr_status_code": written, "ndr_status_description": "Rejected by Customer"}
        update = one(CLICKPOST, clickpost(clickpost_status_code=9, additional=extra))
        assert update.ndr_reason == NdrReason(reason)


@every_row("row", reference.shiprocket_shipment())
def test_each_shiprocket_shipment_id_reads_as_the_reference_says(row: reference.Expected) -> None:
    forward = one(SHIPROCKET, shiprocket(shipment_status_id=int(row.code)))
    reverse = one(SHIPROCKET, shiprocket(shipment_status_id=row.code, is_return="1"))

    assert (forward.status, forward.direction) == (row.forward, family(row.forward))
    assert reverse.direction is Direction.REVERSE
    if row.reverse is not None:
        assert reverse.status is row.reverse
    else:
        # The reference leaves these blank: an RTO is none on a return, the rest is a return's own status.
        assert reverse.status.startswith("RETURN_") or reverse.status in {
            Status.UNKNOWN,
            Status.INFO,
            Status.LOST,
            Status.DAMAGED,
        }


@every_row("row", reference.shiprocket_order())
def test_each_shiprocket_order_id_reads_as_the_reference_says(row: reference.Expected) -> None:
    update = one(SHIPROCKET, shiprocket(current_status_id=int(row.code)))

    returns = {*range(21, 33), *range(47, 51), 68}
    assert update.status is row.forward
    assert update.direction is (Direction.REVERSE if int(row.code) in returns else family(row.forward))


@every_row("row", reference.shipway())
def test_each_shipway_code_reads_as_the_reference_says_in_letters_and_numbers(row: reference.Expected) -> None:
    for written in (row.code, f" {row.code.lower()} ", int(row.code) if row.code.isdigit() else row.code):
        update = one(SHIPWAY, shipway(current_status=written))
        assert (update.status, update.direction) == (row.forward, family(row.forward))
        assert update.ndr_reason is row.reason


def test_each_aggregator_has_samples_and_tables_for_every_direction() -> None:
    for rows in (reference.clickpost(), reference.shiprocket_order(), reference.shipway()):
        assert {family(row.forward) for row in rows} == set(Direction)
