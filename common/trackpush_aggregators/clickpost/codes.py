"""Clickpost's codes: statuses (§1.4), NDR reasons (§1.7) and the notification events of return requests (§1.6)."""

from typing import NamedTuple

from trackpush_aggregators.taxonomy import RETURN_OF, fold, turned_status
from trackpush_api.vocabulary import NdrReason, Status

S = Status
N = NdrReason


class ClickpostRow(NamedTuple):
    """One status code; ``reverse`` is what it means when ``is_rvp`` is true."""

    name: str
    forward: Status
    reverse: Status


# Source: CP-SLATE _status.md for 1-32 and 101; journeys from CP-DOCS/tracking-status-codes. RTO codes have no reading
# on a return. Not found: 22, 24, 29; one integrator's 43-48, 50 and 52 [U: CP-C4] stay unknown.
STATUSES: dict[int, ClickpostRow] = {
    1: ClickpostRow("ORDER_PLACED", S.CREATED, S.RETURN_PICKUP_PENDING),
    2: ClickpostRow("PICKUP_PENDING", S.PICKUP_PENDING, S.RETURN_PICKUP_PENDING),
    3: ClickpostRow("PICKUP_FAILED", S.PICKUP_FAILED, S.RETURN_PICKUP_FAILED),
    4: ClickpostRow("PICKED_UP", S.PICKED_UP, S.RETURN_PICKED_UP),
    5: ClickpostRow("INTRANSIT", S.IN_TRANSIT, S.RETURN_IN_TRANSIT),
    6: ClickpostRow("OUT_FOR_DELIVERY", S.OUT_FOR_DELIVERY, S.RETURN_OUT_FOR_DELIVERY),
    7: ClickpostRow("NOT_SERVICEABLE", S.DELIVERY_FAILED, S.RETURN_PICKUP_FAILED),  # on a return [I]
    8: ClickpostRow("DELIVERED", S.DELIVERED, S.RETURN_DELIVERED),
    9: ClickpostRow("FAILED_DELIVERY", S.DELIVERY_FAILED, S.RETURN_DELIVERY_FAILED),
    10: ClickpostRow("CANCELLED_ORDER", S.CANCELLED, S.RETURN_CANCELLED),
    11: ClickpostRow("RTO_REQUESTED", S.RTO_INITIATED, S.UNKNOWN),
    12: ClickpostRow("RTO", S.RTO_INITIATED, S.UNKNOWN),
    13: ClickpostRow("RTO_OUT_FOR_DELIVERY", S.RTO_OUT_FOR_DELIVERY, S.UNKNOWN),
    14: ClickpostRow("RTO_DELIVERED", S.RTO_DELIVERED, S.UNKNOWN),
    15: ClickpostRow("RTO_FAILED", S.RTO_FAILED, S.UNKNOWN),
    16: ClickpostRow("LOST", S.LOST, S.LOST),
    17: ClickpostRow("DAMAGED", S.DAMAGED, S.DAMAGED),
    18: ClickpostRow("SHIPMENT_DELAYED", S.DELAYED, S.RETURN_IN_TRANSIT),
    19: ClickpostRow("CONTACT_CUSTOMER_CARE", S.ON_HOLD, S.RETURN_IN_TRANSIT),
    20: ClickpostRow("SHIPMENT_HELD", S.ON_HOLD, S.RETURN_IN_TRANSIT),
    21: ClickpostRow("RTO_INTRANSIT", S.RTO_IN_TRANSIT, S.UNKNOWN),
    23: ClickpostRow("EXPIRED", S.EXPIRED, S.EXPIRED),  # CP-DOCS only
    25: ClickpostRow("OUT_FOR_PICKUP", S.OUT_FOR_PICKUP, S.RETURN_OUT_FOR_PICKUP),
    26: ClickpostRow("RTO_CONTACT_CUSTOMER_CARE", S.RTO_IN_TRANSIT, S.UNKNOWN),
    27: ClickpostRow("RTO_SHIPMENT_DELAY", S.RTO_IN_TRANSIT, S.UNKNOWN),
    28: ClickpostRow("AWB_REGISTERED", S.CREATED, S.RETURN_PICKUP_PENDING),
    30: ClickpostRow("EXCHANGE_PICKUP", S.EXCHANGE_PICKED_UP, S.EXCHANGE_PICKED_UP),  # exchange service
    31: ClickpostRow("EXCHANGE_INTRANSIT", S.EXCHANGE_IN_TRANSIT, S.EXCHANGE_IN_TRANSIT),
    32: ClickpostRow("EXCHANGE_DELIVERED", S.EXCHANGE_DELIVERED, S.EXCHANGE_DELIVERED),
    101: ClickpostRow("RETURN ORDER PLACED", S.RETURN_REQUESTED, S.RETURN_REQUESTED),
    102: ClickpostRow(
        "RETURN REQUEST APPROVED", S.RETURN_APPROVED, S.RETURN_APPROVED
    ),  # CP-DOCS/return-request-approved
    1004: ClickpostRow("DESTINATION_HUB_IN", S.AT_DESTINATION, S.RETURN_IN_TRANSIT),  # CP-DOCS
    1005: ClickpostRow("ORIGIN_CITY_IN", S.IN_TRANSIT, S.RETURN_IN_TRANSIT),  # [U: CP-C1, CP-C5]
    1006: ClickpostRow("ORIGIN_CITY_OUT", S.IN_TRANSIT, S.RETURN_IN_TRANSIT),  # [U: CP-C1, CP-C5]
}

OUT_OF_AREA = 7
"""NOT_SERVICEABLE: a failed delivery whose reason the code itself tells."""
RETURN_PLUGIN_CODES = frozenset(map(str, range(101, 107)))
"""Return requests: no waybill, times in UTC. 103-106 have no known meaning [U: CP-C1]; the event tells.

§4.3 has every code from 101 on as a return; 1004 to 1006 are scans of ordinary shipments (§1.4) and stay forward."""

# Source: CP-DOCS/notification-event. Exchange requests are answered like return requests [I].
RETURN_EVENTS: dict[int, Status] = {
    11: S.RETURN_REQUESTED,
    22: S.RETURN_APPROVED,
    23: S.RETURN_REJECTED,
    29: S.RETURN_APPROVED,
    30: S.RETURN_REQUESTED,
    31: S.RETURN_REJECTED,
}

# Source: CP-SLATE, on the code and never on the text.
NDR_REASONS: dict[int, NdrReason] = {
    0: N.UNKNOWN,
    1: N.CUSTOMER_UNAVAILABLE,
    2: N.REFUSED,
    3: N.RESCHEDULED,
    4: N.NO_ATTEMPT,
    5: N.CUSTOMER_UNREACHABLE,
    6: N.ADDRESS_ISSUE,
    7: N.PAYMENT_ISSUE,
    8: N.OUT_OF_DELIVERY_AREA,
    9: N.CANCELLED,
    10: N.SELF_COLLECT,
    11: N.SEIZED,
    12: N.OPEN_DELIVERY,
    13: N.MISROUTED,
}

# Source: CP-TS; enough to name the courier where no account is named.
COURIERS: dict[int, str] = {3: "Ecom Express", 4: "Delhivery", 207: "Grow Simplee"}

# Wire spellings that differ from the name in more than case and separators (CP-TS, CP-SLATE).
_VARIANTS: dict[str, int] = {
    "RTO-Marked": 12,
    "ShipmentDelayed": 18,
    "RTO-FailedDelivery": 15,
    "RTO-ShipmentDelayed": 27,
}

_CODES: dict[str, int] = {fold(row.name): code for code, row in STATUSES.items()}
CODES_BY_LABEL: dict[str, int] = _CODES | {fold(label): code for label, code in _VARIANTS.items()}
"""Code by folded description, for bodies without a code."""

# Labels that come without a code and have none (CP-LIVE, CP-TS, integrators); the readings are inferred [I]. What a
# hyperlocal rider does, and missing tracking, change nothing.
_LABELS: dict[str, ClickpostRow] = {
    fold(name): ClickpostRow(name, forward, reverse)
    for name, forward, reverse in (
        ("Cancelled", S.CANCELLED, S.RETURN_CANCELLED),
        ("Canceled", S.CANCELLED, S.RETURN_CANCELLED),
        ("OrderCancelled", S.CANCELLED, S.RETURN_CANCELLED),
        ("OrderCanceled", S.CANCELLED, S.RETURN_CANCELLED),
        ("Ready To Ship", S.CREATED, S.RETURN_PICKUP_PENDING),
        ("Aged", S.DELAYED, S.RETURN_IN_TRANSIT),
        ("RTO-Handover", S.RTO_IN_TRANSIT, S.UNKNOWN),
        ("RTO-Delivered-Reschedule-Requested", S.RTO_FAILED, S.UNKNOWN),
        ("ReShippedOnNewWaybill", S.INFO, S.INFO),  # the new AWB is in the body
        ("NoStatusExist", S.INFO, S.INFO),
        ("LastMilePrePickup", S.INFO, S.INFO),
        ("CourierPartnerTrackingDataMissing", S.INFO, S.INFO),
        ("RiderAllocationAwaited", S.INFO, S.INFO),
        ("RiderAllocationFailed", S.INFO, S.INFO),
        ("RiderAllocated", S.INFO, S.INFO),
        ("ReachedPickupLocation", S.INFO, S.INFO),
        ("ReachedDropLocation", S.INFO, S.INFO),
    )
}
_PARTIAL = fold("Partial")


def by_label(folded: str) -> ClickpostRow | None:
    """The meaning of a label without a code; None for labels of `CODES_BY_LABEL` and for unknown ones.

    "Partial…" concerns a part of a shipment of several pieces: it is read without this word, and the label keeps it.
    """
    if folded in CODES_BY_LABEL:
        return None
    whole = folded.removeprefix(_PARTIAL)
    status = (
        None
        if (found := _row(whole))
        else turned_status(whole, lambda rest: row.forward if (row := _row(rest)) else None)
    )
    return found if status is None else ClickpostRow(folded, status, RETURN_OF.get(status, status))


def _row(folded: str) -> ClickpostRow | None:
    code = CODES_BY_LABEL.get(folded)
    return _LABELS.get(folded) if code is None else STATUSES[code]


# Source: CP-SLATE (1-6, 9-12, 14-20) and CP-DOCS/notification-event (all): the event of a "Selected Status" webhook.
EVENTS: dict[int, int] = {
    3: 16,
    4: 2,
    5: 2,
    6: 3,
    7: 4,
    8: 5,
    9: 4,
    10: 10,
    13: 6,
    14: 12,
    15: 6,
    16: 19,
    17: 20,
    18: 2,
    19: 2,
    20: 2,
    21: 6,
    23: 80,
    25: 1,
    26: 6,
    27: 6,
    30: 14,
    31: 14,
    32: 15,
    101: 11,
    102: 22,
    1004: 13,
}
