"""Clickpost: one event a request, in the shapes of §1.2.

The outer object is the scan that fired; ``additional.latest_status`` is the state now and decides nothing here (§1.1).
Return requests (101, 102, …) have no waybill: the references of the forward shipment or of the return name them.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from trackpush_aggregators import redact, times
from trackpush_aggregators.clickpost import codes as tables
from trackpush_aggregators.parsed import Item, Meaning, short, short_code, tracking_update
from trackpush_aggregators.scans import newest
from trackpush_aggregators.taxonomy import FAMILY, filter_codes, fold, never_forward, turned
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_aggregators.values import code as code_text
from trackpush_aggregators.values import flag, integer, members, text
from trackpush_aggregators.written import GMT, IST
from trackpush_api.vocabulary import Aggregator, Direction, NdrReason, Status

_TEST_WAYBILL = "XYZABC"
_FAILURES = frozenset({Status.DELIVERY_FAILED, Status.RETURN_DELIVERY_FAILED})


def updates(item: Item, body: bytes, until: int) -> Iterator[TrackingUpdate]:
    """The update of one object, if it names a shipment. `times` describes ``until``."""
    event = _unwrapped(item)
    additional = members(event.get("additional"))
    waybill = text(event.get("waybill"))
    names = _References(event, additional) if waybill is None else None
    shipment = waybill if names is None else names.lane()
    if shipment is None:
        return
    scan = _scan(event, until)
    time = text(scan.get("timestamp"))
    location = text(scan.get("location"))
    notification = _notification(item, event, additional)
    meaning = _meaning(
        short_code(scan.get("clickpost_status_code")),
        short(scan.get("clickpost_status_description")),
        short(notification),
        _ndr_code(additional),
        reverse=flag(additional.get("is_rvp")) is True,
    )
    yield tracking_update(
        Aggregator.CLICKPOST,
        meaning,
        identity=(
            waybill if names is None else names.identity(),
            code_text(event.get("cp_id")),
            meaning.code or _folded(meaning.label),
            time,
            text(scan.get("status")),
            location,
            notification,
        ),
        shipment=shipment,
        awb=waybill,
        courier=text(event.get("account_code")) or text(additional.get("account_code")) or _courier(event),
        order_id=text(additional.get("order_id")),
        forward_awb=text(additional.get("forward_awb")),
        return_reference=text(additional.get("return_reference_number")),
        estimated_delivery=times.day(additional.get("courier_partner_edd")),
        return_awb=text(event.get("rto_awb")) or text(additional.get("rto_awb")),
        remark=text(scan.get("remark")),
        location=location,
        occurred_at=_time(time, until, utc=meaning.code in tables.RETURN_PLUGIN_CODES),
        occurred_at_text=time,
        test=waybill == _TEST_WAYBILL,
        body=_redacted(item, body),
    )


def _time(given: str | None, until: int, *, utc: bool = False) -> int | None:
    """Scans are in India's time although they say UTC (§1.3); return requests (``utc``) are in UTC."""
    zone = GMT if utc else IST
    return times.moment(given, until, zone=zone, zero_is=zone)


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


class _References:
    """The identifiers of a shipment without a waybill: the shipment or order that its return belongs to."""

    def __init__(self, event: Mapping[str, Any], additional: Mapping[str, Any]) -> None:
        latest = members(additional.get("latest_status")) or members(event.get("latest_status"))
        self._forward_awb = text(additional.get("forward_awb"))
        self._forward_reference = text(additional.get("forward_reference_number"))
        self._return_reference = text(additional.get("return_reference_number"))
        self._order = (
            text(additional.get("order_id"))
            or text(additional.get("reference_number"))
            or text(latest.get("reference_number"))
        )

    def lane(self) -> str | None:
        """The name of the shipment's lane.

        The forward shipment's names come first: all requests about one return carry them, while a return's own
        reference may only be there from its approval on.
        """
        reference = self._forward_awb or self._forward_reference or self._return_reference
        if reference is not None:
            return f"return:{reference}"
        return None if self._order is None else f"order:{self._order}"

    def identity(self) -> str | None:
        """§4.3: the return's reference, else the forward shipment's."""
        return self._return_reference or self._forward_awb or self._forward_reference or self._order


def _folded(label: str | None) -> str | None:
    """The part of the identity that distinguishes updates without a code."""
    return None if label is None else fold(label)


def _scan(event: Mapping[str, Any], until: int) -> Mapping[str, Any]:
    """The object with the status: the event, or in the track-order shape (§1.2 b) its latest scan."""
    if "clickpost_status_code" in event or "status" in event or "timestamp" in event:
        return event
    latest = members(event.get("latest_status"))
    if latest:
        return latest
    # Which end of the array is the newest is not known [U]; where no time tells, the first is as good as any.
    scans = event.get("scans")
    found = newest(scans, "timestamp", lambda given: _time(given, until), newest_first=True)
    return found.scan or event


def _notification(item: Item, event: Mapping[str, Any], additional: Mapping[str, Any]) -> str | None:
    """The notification event's id; returns-plugin bodies have it outside, the wrapper in ``internal``."""
    return (
        code_text(additional.get("notification_event_id"))
        or code_text(event.get("notification_event"))
        or code_text(members(item.get("internal")).get("notification_event"))
    )


@lru_cache(maxsize=4096)
def _meaning(
    code: str | None, label: str | None, notification: str | None, ndr: str | None, *, reverse: bool
) -> Meaning:
    """The meaning of the code; without a code, of the label; without either, of the notification event."""
    number = integer(code)
    row = None
    if code is None and label is not None:
        number = tables.CODES_BY_LABEL.get(fold(label))
        row = tables.by_label(fold(label))
    code = code if number is None else str(number)
    known = None if row is None else row.reverse if reverse else row.forward
    status = known or _status(number, notification, reverse=reverse)
    if reverse or code in tables.RETURN_PLUGIN_CODES:
        direction = Direction.REVERSE
    else:
        status, direction = never_forward(status, FAMILY.get(status, Direction.FORWARD), (turned(label),))
    return Meaning(
        status=status,
        direction=direction,
        code=code,
        label=label,
        codes=filter_codes(status, code, label),
        reason=_reason(number, ndr) if status in _FAILURES else None,
    )


def _status(number: int | None, notification: str | None, *, reverse: bool) -> Status:
    row = None if number is None else tables.STATUSES.get(number)
    if row is not None:
        return row.reverse if reverse else row.forward
    if number is None or str(number) in tables.RETURN_PLUGIN_CODES:
        return tables.RETURN_EVENTS.get(integer(notification) or 0, Status.UNKNOWN)
    return Status.UNKNOWN


def _ndr_code(additional: Mapping[str, Any]) -> str | None:
    """The reason's code; the polling shape of §1.7 has it in a separate object."""
    return short(additional.get("ndr_status_code")) or short(members(additional.get("ndr")).get("ndr_bucket_code"))


def _reason(number: int | None, ndr: str | None) -> NdrReason | None:
    known = integer(ndr)
    reason = None if known is None else tables.NDR_REASONS.get(known)
    if number == tables.OUT_OF_AREA and reason in (None, NdrReason.UNKNOWN):
        return NdrReason.OUT_OF_DELIVERY_AREA
    return NdrReason.UNKNOWN if reason is None and ndr is not None else reason


def _courier(event: Mapping[str, Any]) -> str | None:
    number = integer(event.get("cp_id"))
    return None if number is None else tables.COURIERS.get(number)
