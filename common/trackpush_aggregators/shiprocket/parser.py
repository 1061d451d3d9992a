"""Shiprocket: one object with the whole scan history (§2.2).

Two id spaces say the status, ``current_status_id`` (order) and ``shipment_status_id``; the scans' ``sr-status`` never
decides, for couriers report late and some scans have none.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from trackpush_aggregators import details, times
from trackpush_aggregators.parsed import Item, Meaning, short, short_code, tracking_update
from trackpush_aggregators.scans import Scan, newest
from trackpush_aggregators.shiprocket import codes as tables
from trackpush_aggregators.taxonomy import (
    FAMILY,
    RETURN_OF,
    filter_codes,
    fold,
    never_forward,
    turned,
    turned_status,
)
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_aggregators.values import code, flag, integer, text
from trackpush_api.vocabulary import Aggregator, Direction, Status

_VAGUE = {
    Status.UNKNOWN: 0,
    Status.INFO: 1,
    Status.CREATED: 2,
    Status.PICKUP_PENDING: 2,
    Status.IN_TRANSIT: 2,
    Status.RETURN_REQUESTED: 2,
    Status.RETURN_PICKUP_PENDING: 2,
    Status.RETURN_IN_TRANSIT: 2,
}
_ATTEMPT = re.compile(r"([1-9][0-9]?)(?:ST|ND|RD|TH)[ _-]ATTEMPT", re.IGNORECASE)
_DELIVERIES = frozenset({Status.DELIVERED, Status.RTO_DELIVERED, Status.RETURN_DELIVERED})
_OTP_BASED = fold("OTP Based Delivery")
_CLEAR = 3
_RTO = 4
_QC_FAILED = 5


def updates(item: Item, body: bytes, until: int) -> Iterator[TrackingUpdate]:
    """The update of one object, if it names a shipment. `times` describes ``until``."""
    awb = text(item.get("awb"))
    order_id = text(item.get("order_id"))
    shipment = awb or _order_lane(order_id, text(item.get("sr_order_id")))
    if shipment is None:
        return
    # The history is oldest first (§2.2).
    scan, scan_time, certain = newest(
        item.get("scans"), "date", lambda given: times.moment(given, until), newest_first=False
    )
    scan_date = text(scan.get("date"))
    written = text(item.get("current_timestamp"))
    current_time = times.moment(written, until)
    meaning = _meaning(
        short_code(item.get("current_status_id")),
        short(item.get("current_status")),
        short_code(item.get("shipment_status_id")),
        short(item.get("shipment_status")),
        returned=flag(item.get("is_return")) is True,
    )
    yield tracking_update(
        Aggregator.SHIPROCKET,
        meaning,
        identity=(
            shipment,
            code(item.get("current_status_id")) or text(item.get("current_status")),
            code(item.get("shipment_status_id")) or text(item.get("shipment_status")),
            *((scan_date, text(scan.get("status"))) if scan else (written, None)),
            # A repeat may write another current_timestamp, so it counts only where the scans' own times don't tell.
            *((written,) if scan and not certain else ()),
        ),
        identified_at=scan_time if certain or current_time is None else current_time,
        shipment=shipment,
        awb=awb,
        courier=text(item.get("courier_name")),
        order_id=order_id,
        estimated_delivery=times.day(item.get("etd")),
        remark=_remark(item, scan, meaning.status),
        location=text(scan.get("location")),
        attempt=_attempt(meaning.label) or _attempt(short(item.get("shipment_status"))),
        qc_reasons=details.reasons(item.get("qc_failure_reason")),
        proof_of_delivery=details.link(item.get("pod")),
        otp_verified=_otp_verified(item, meaning.status),
        occurred_at=scan_time if current_time is None else current_time,
        occurred_at_text=written if current_time is not None or (written and scan_time is None) else scan_date,
        body=body,
    )


def _order_lane(order_id: str | None, shiprocket_id: str | None) -> str | None:
    order = order_id or shiprocket_id
    return None if order is None else f"order:{order}"


def _remark(item: Item, scan: Scan, status: Status) -> str | None:
    failure = text(item.get("qc_failure_reason")) if status is Status.RETURN_QC_FAILED else None
    return failure or text(scan.get("activity"))


@lru_cache(maxsize=4096)
def _attempt(label: str | None) -> int | None:
    """The number in a label such as "UNDELIVERED-2ND ATTEMPT"."""
    found = None if label is None else _ATTEMPT.search(label)
    return None if found is None else details.attempt(found[1])


def _otp_verified(item: Item, status: Status) -> bool | None:
    """Bodies of every status say "OTP Based Delivery": only the delivery itself shows that it was verified [I]."""
    written = text(item.get("pod_status")) if status in _DELIVERIES else None
    return True if written is not None and fold(written) == _OTP_BASED else None


@lru_cache(maxsize=4096)
def _meaning(
    order_code: str | None,
    order_label: str | None,
    shipment_code: str | None,
    shipment_label: str | None,
    *,
    returned: bool,
) -> Meaning:
    """The meaning of both id spaces together; ``returned`` is the body's ``is_return``."""
    order_id = integer(order_code)
    label = order_label or shipment_label
    turns = turned(order_label), turned(shipment_label)
    reverse = returned or order_id in tables.RETURN_ORDER_STATUSES or Direction.REVERSE in turns
    status = _clearer(
        _reading(tables.ORDER_STATUSES, order_id, order_label, reverse=reverse),
        _reading(tables.SHIPMENT_STATUSES, integer(shipment_code), shipment_label, reverse=reverse),
    )
    direction = Direction.REVERSE if reverse else FAMILY.get(status, Direction.FORWARD)
    status, direction = never_forward(status, direction, turns)
    return Meaning(
        status=status,
        direction=direction,
        code=order_code or shipment_code,
        label=label,
        codes=filter_codes(status, order_code, order_label, shipment_code, shipment_label),
    )


def _reading(
    table: Mapping[int, tuple[str, Status]], number: int | None, label: str | None, *, reverse: bool
) -> Status:
    """One field's status: by its id in its own table, else by its label (§2.5)."""
    row = None if number is None else table.get(number)
    status = _by_label(label) if row is None else row[1]
    return RETURN_OF.get(status, status) if reverse else status


def _by_label(label: str | None) -> Status:
    """The status of a label. An unknown "RTO …" or "RETURN …" is read as the rest of the label, on the way back."""
    if label is None:
        return Status.UNKNOWN
    folded = fold(label)
    status = tables.LABELS.get(folded)
    return status or turned_status(folded, tables.LABELS.get) or Status.UNKNOWN


def _clearer(order: Status, shipment: Status) -> Status:
    """The status to use if the two id spaces disagree.

    The order status comes first, for the event is named after it, unless the shipment status says more: an RTO is
    never to be read as a delivery, a failed quality check shows in the shipment status only (§2.5), and "shipped" or
    "archived" tell less than where the parcel is.
    """
    return shipment if _clarity(shipment) > _clarity(order) else order


def _clarity(status: Status) -> int:
    if status is Status.RETURN_QC_FAILED:
        return _QC_FAILED
    return _RTO if FAMILY.get(status) is Direction.RTO else _VAGUE.get(status, _CLEAR)
