"""Clickpost: one event a request, in the shapes of the aggregators' reference §1.2.

The outer object is the scan that fired; ``additional.latest_status`` is the state now and decides nothing here (§1.1).
Return requests (101, 102, …) have no waybill: the references of the forward shipment or of the return name them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from trackpush_api.vocabulary import Aggregator, Direction, NdrReason, Status
from trackpush_server.aggregators import redact, times
from trackpush_server.aggregators.parsed import NAME_LENGTH, Item, Meaning, tracking_update
from trackpush_server.aggregators.tables import clickpost as tables
from trackpush_server.aggregators.taxonomy import FAMILY, fold
from trackpush_server.aggregators.values import code as code_text
from trackpush_server.aggregators.values import flag, integer, members, objects, text
from trackpush_server.updates import TrackingUpdate

_TEST_WAYBILL = "XYZABC"
_FAILURES = frozenset({Status.DELIVERY_FAILED, Status.RETURN_DELIVERY_FAILED})


def updates(item: Item, body: bytes) -> Iterator[TrackingUpdate]:
    """The updates of one object: one, or none where nothing in it names a shipment."""
    event = _unwrapped(item)
    additional = members(event.get("additional"))
    waybill = text(event.get("waybill"))
    references = _References(additional, _latest(event, additional))
    shipment = waybill or references.lane()
    if shipment is None:
        return
    scan = _scan(event)
    notification = _notification(item, event, additional)
    meaning = _meaning(scan, additional, notification)
    time = text(scan.get("timestamp"))
    location = text(scan.get("location"))
    number = integer(scan.get("clickpost_status_code"))
    yield tracking_update(
        Aggregator.CLICKPOST,
        meaning,
        identity=(
            waybill or references.identity(),
            code_text(event.get("cp_id")),
            meaning.code,
            time,
            text(scan.get("status")),
            location,
            notification,
        ),
        shipment=shipment,
        awb=waybill,
        courier=text(event.get("account_code")) or text(additional.get("account_code")) or _courier(event),
        order_id=references.order_id,
        forward_awb=references.forward_awb,
        return_reference=references.return_reference,
        estimated_delivery=times.day(additional.get("courier_partner_edd")),
        remark=text(scan.get("remark")),
        location=location,
        occurred_at=times.clickpost(time, utc=number in tables.RETURN_PLUGIN),
        occurred_at_text=time,
        test=waybill == _TEST_WAYBILL,
        body=_redacted(item, body),
    )


def _redacted(item: Item, body: bytes) -> bytes:
    """The body without the key and the URL that the wrapper of §1.2 (a) echoes."""
    internal = item.get("internal")
    if not isinstance(internal, dict):
        return body
    cleaned = {
        "key": redact.REDACTED if internal.get("key") else internal.get("key"),
        "url": redact.url(internal.get("url")),
    }
    changes = redact.members_changed(internal, cleaned)
    return redact.change(body, {"internal": changes}) if changes else body


def _unwrapped(item: Item) -> Mapping[str, Any]:
    payload = item.get("payload")
    return payload if isinstance(payload, dict) and "clickpost_status_code" not in item else item


def _latest(event: Mapping[str, Any], additional: Mapping[str, Any]) -> Mapping[str, Any]:
    return members(additional.get("latest_status")) or members(event.get("latest_status"))


class _References:
    """What names a shipment besides a waybill."""

    __slots__ = ("forward_awb", "forward_reference", "order_id", "reference", "return_reference")

    def __init__(self, additional: Mapping[str, Any], latest: Mapping[str, Any]) -> None:
        get = additional.get
        self.order_id = text(get("order_id"))
        self.forward_awb = text(get("forward_awb"))
        self.return_reference = text(get("return_reference_number"))
        self.forward_reference = text(get("forward_reference_number"))
        self.reference = text(get("reference_number")) or text(latest.get("reference_number"))

    def lane(self) -> str | None:
        """The line of a shipment without waybill.

        The forward references come first: all requests about one return carry them, while a return's own reference
        may only be there from its approval on.
        """
        for reference in (self.forward_awb, self.forward_reference, self.return_reference):
            if reference is not None:
                return f"return:{reference}"
        order = self.order_id or self.reference
        return None if order is None else f"order:{order}"

    def identity(self) -> str | None:
        """§4.3: the return's reference, else the forward shipment's."""
        return self.return_reference or self.forward_awb or self.forward_reference or self.order_id or self.reference


def _scan(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that tells the status: the event, or in the track-order shape (§1.2 b) its latest scan."""
    if "clickpost_status_code" in event or "status" in event or "timestamp" in event:
        return event
    latest = members(event.get("latest_status"))
    if latest:
        return latest
    # Which end of the array is the newest is not known [U], so the time tells.
    return max(objects(event.get("scans")), key=_scan_time, default=event)


def _scan_time(scan: Mapping[str, Any]) -> int:
    return times.clickpost(text(scan.get("timestamp"))) or 0


def _notification(item: Item, event: Mapping[str, Any], additional: Mapping[str, Any]) -> str | None:
    """The notification event's id; returns-plugin bodies have it outside, the wrapper in ``internal``."""
    return (
        code_text(additional.get("notification_event_id"))
        or code_text(event.get("notification_event"))
        or code_text(members(item.get("internal")).get("notification_event"))
    )


def _meaning(scan: Mapping[str, Any], additional: Mapping[str, Any], notification: str | None) -> Meaning:
    written = scan.get("clickpost_status_code")
    label = text(scan.get("clickpost_status_description"))
    number = integer(written)
    if number is None and text(written) is None and label is not None:
        number = tables.CODES_BY_LABEL.get(fold(label[:NAME_LENGTH]))
    reverse = flag(additional.get("is_rvp")) is True
    status = _status(number, notification, reverse=reverse)
    if reverse or number in tables.RETURN_PLUGIN:
        direction = Direction.REVERSE
    else:
        direction = FAMILY.get(status, Direction.FORWARD)
    return Meaning(
        status=status,
        direction=direction,
        code=code_text(written) if number is None else str(number),
        label=label,
        reason=_reason(number, additional) if status in _FAILURES else None,
    )


def _status(number: int | None, notification: str | None, *, reverse: bool) -> Status:
    row = None if number is None else tables.STATUSES.get(number)
    if row is not None:
        return row.reverse if reverse else row.forward
    if notification is not None and (number is None or number in tables.RETURN_PLUGIN):
        return tables.RETURN_EVENTS.get(integer(notification) or 0, Status.UNKNOWN)
    return Status.UNKNOWN


def _reason(number: int | None, additional: Mapping[str, Any]) -> NdrReason | None:
    written = additional.get("ndr_status_code")
    if written is None:
        written = members(additional.get("ndr")).get("ndr_bucket_code")  # the polling shape of §1.7
    if text(written) is None:
        return NdrReason.OUT_OF_DELIVERY_AREA if number == tables.OUT_OF_AREA else None
    reason = tables.NDR_REASONS.get(-1 if (known := integer(written)) is None else known, NdrReason.UNKNOWN)
    if reason is NdrReason.UNKNOWN and number == tables.OUT_OF_AREA:
        return NdrReason.OUT_OF_DELIVERY_AREA
    return reason


def _courier(event: Mapping[str, Any]) -> str | None:
    number = integer(event.get("cp_id"))
    return None if number is None else tables.COURIERS.get(number)
