"""Composes bodies as Clickpost sends them."""

from typing import Any

from trackpush_aggregators.clickpost import codes
from trackpush_aggregators.composing import LOCATION, Composer, Event, Way, first_of
from trackpush_aggregators.taxonomy import FAMILY
from trackpush_api.vocabulary import Direction, Status

_REJECTED = 103
_REJECTION_EVENT = 23


def _codes() -> dict[Way, Any]:
    forward = [
        ((row.forward, FAMILY.get(row.forward, Direction.FORWARD)), number) for number, row in codes.STATUSES.items()
    ]
    reverse = [((row.reverse, Direction.REVERSE), number) for number, row in codes.STATUSES.items()]
    rejected = [((Status.RETURN_REJECTED, Direction.REVERSE), _REJECTED)]
    return first_of([*forward, *(row for row in reverse if row[0][0] is not Status.UNKNOWN), *rejected])


_CODES = _codes()


def _body(event: Event, way: Way, chosen_format: str) -> dict[str, Any]:
    number = _CODES[way]
    row = codes.STATUSES.get(number)
    name = "RETURN REQUEST REJECTED" if row is None else row.name
    request = str(number) in codes.RETURN_PLUGIN_CODES
    scan = {
        "status": name.replace("_", " ").title(),
        "location": "" if request else LOCATION,
        "timestamp": event.written("%Y-%m-%d %H:%M:%S.%f", utc=True) if request else _time(event),
        "remark": name.replace("_", " ").capitalize(),
        "clickpost_status_code": number,
        "clickpost_status_description": name.title().replace("_", ""),
    }
    additional = {"latest_status": scan | {"reference_number": event.order_id}, "is_rvp": way[1] is Direction.REVERSE}
    additional |= {"order_id": event.order_id, "courier_partner_edd": None}
    if request:
        additional |= {"forward_awb": event.awb, "forward_reference_number": event.order_id, "self_shipped": False}
    if event_id := _notification_event(number, chosen_format):
        additional["notification_event_id"] = event_id
    body = {"waybill": "" if request else event.awb, "cp_id": -1 if request else 4, **scan}
    if not request:
        body |= {"account_code": "DELHIVERY SURFACE", "clickpost_city": "", "rto_awb": None}
    body["additional"] = additional
    return {"payload": body, "internal": {"tracking_id": 1, "is_custom": False}} if chosen_format == "wrapped" else body


def _time(event: Event) -> str:
    return event.written("%Y-%m-%dT%H:%M:%S.%fZ" if event.occurred_at % 1000 else "%Y-%m-%dT%H:%M:%SZ")


def _notification_event(number: int, chosen_format: str) -> int | None:
    if number == _REJECTED:
        return _REJECTION_EVENT
    return codes.EVENTS.get(number) if chosen_format == "selected" else None


COMPOSER = Composer(codes=_CODES, formats=("all", "selected", "wrapped"), body=_body)
