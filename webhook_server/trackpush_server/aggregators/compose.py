"""Real-format bodies for any status that an aggregator can express: for `trackpush send`, the demo and benchmarks.

What is invented (couriers, places) follows the sample payloads beside this module.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from trackpush_api.vocabulary import Aggregator, Direction, Status
from trackpush_server.aggregators.tables import clickpost, shiprocket, shipway
from trackpush_server.aggregators.taxonomy import FAMILY, RETURN_OF
from trackpush_server.aggregators.written import GMT, IST

_LOCATION = "Mumbai_MiraRd_D (Maharashtra)"


class Event(NamedTuple):
    """What a body is to say: ``occurred_at`` in milliseconds since the epoch."""

    awb: str
    order_id: str
    occurred_at: int

    def written(self, form: str, *, utc: bool = False) -> str:
        """The time as the aggregator writes it, in IST unless ``utc``."""
        zone = GMT if utc else IST
        return datetime.fromtimestamp((self.occurred_at + zone) / 1000, UTC).strftime(form)


Way = tuple[Status, Direction]
"""What a code is to be read as."""


def _ways(rows: list[tuple[Way, Any]]) -> dict[Way, Any]:
    """The first code for each way: tables list the usual one first."""
    found: dict[Way, Any] = {}
    for way, code in rows:
        found.setdefault(way, code)
    return found


def _clickpost_ways() -> dict[Way, Any]:
    forward = [
        ((row.forward, FAMILY.get(row.forward, Direction.FORWARD)), number)
        for number, row in clickpost.STATUSES.items()
    ]
    reverse = [((row.reverse, Direction.REVERSE), number) for number, row in clickpost.STATUSES.items()]
    rejected = [((Status.RETURN_REJECTED, Direction.REVERSE), _REJECTED)]
    return _ways([*forward, *(row for row in reverse if row[0][0] is not Status.UNKNOWN), *rejected])


_REJECTED = 103
_REJECTION_EVENT = 23


class _ShiprocketIds(NamedTuple):
    order: int
    shipment: int | None


def _shiprocket_ways() -> dict[Way, Any]:
    shipment_ids = _ways(
        [((status, Direction.FORWARD), number) for number, (_, status) in shiprocket.SHIPMENT_STATUSES.items()]
    )
    plain = {RETURN_OF.get(status, status): number for (status, _), number in reversed(shipment_ids.items())}
    rows = []
    for number, (_, status) in shiprocket.ORDER_STATUSES.items():
        returns = number in shiprocket.RETURN_ORDER_STATUSES or FAMILY.get(status) is Direction.REVERSE
        direction = Direction.REVERSE if returns else FAMILY.get(status, Direction.FORWARD)
        shipment = plain.get(status) if returns else shipment_ids.get((status, Direction.FORWARD))
        rows.append(((status, direction), _ShiprocketIds(number, shipment)))
    rows += [
        ((status, Direction.REVERSE), ids)
        for (status, direction), ids in list(rows)
        if direction is Direction.FORWARD and RETURN_OF.get(status, status) is status
    ]
    return _ways(rows)


def _shipway_ways() -> dict[Way, Any]:
    return _ways([((row.status, FAMILY.get(row.status, Direction.FORWARD)), row) for row in shipway.ROWS])


_WAYS = {
    Aggregator.CLICKPOST: _clickpost_ways(),
    Aggregator.SHIPROCKET: _shiprocket_ways(),
    Aggregator.SHIPWAY: _shipway_ways(),
}
_FORMATS = {
    Aggregator.CLICKPOST: ("all", "selected", "wrapped"),
    Aggregator.SHIPROCKET: ("webhook",),
    Aggregator.SHIPWAY: ("panel", "classic"),
}


def composable(aggregator: Aggregator) -> frozenset[Status]:
    """The statuses that the aggregator has a code for, in some direction."""
    return frozenset(status for status, _ in _WAYS[aggregator])


def compose(
    aggregator: Aggregator,
    status: Status | str,
    *,
    awb: str,
    order_id: str,
    occurred_at: int,
    direction: Direction | None = None,
    format: str | None = None,  # noqa: A002  the word that the aggregators' own documents use
) -> bytes:
    """A request body that is read as this status of this shipment.

    ``occurred_at`` is in milliseconds since the epoch; Shiprocket and Shipway write whole seconds only. Without
    ``direction`` it is the status's usual one. ``format`` is ``all`` (default), ``selected`` or ``wrapped`` for
    Clickpost, ``panel`` (default) or ``classic`` for Shipway.

    Clickpost's return requests have no waybill: there ``awb`` is the forward shipment's.

    Raises:
        ValueError: no such status or format, or the aggregator has no code for it. The message tells what there is.
    """
    known = {way for way in _WAYS[aggregator] if way[0] == status and direction in (None, way[1])}
    if not known:
        wanted = status if direction is None else f"{status} in direction {direction}"
        raise ValueError(f"{aggregator} has no code for {wanted}; it has: {', '.join(sorted(composable(aggregator)))}")
    chosen_format = format or _FORMATS[aggregator][0]
    if chosen_format not in _FORMATS[aggregator]:
        raise ValueError(f"{aggregator} has no format {format!r}; it has: {', '.join(_FORMATS[aggregator])}")
    way = min(known, key=lambda each: list(Direction).index(each[1]))
    body = _COMPOSERS[aggregator](Event(awb, order_id, occurred_at), way, chosen_format)
    return msgspec.json.format(msgspec.json.encode(body), indent=2)


def _clickpost(event: Event, way: Way, chosen_format: str) -> dict[str, Any]:
    number = _WAYS[Aggregator.CLICKPOST][way]
    row = clickpost.STATUSES.get(number)
    name = "RETURN REQUEST REJECTED" if row is None else row.name
    request = str(number) in clickpost.RETURN_PLUGIN_CODES
    scan = {
        "status": name.replace("_", " ").title(),
        "location": "" if request else _LOCATION,
        "timestamp": event.written("%Y-%m-%d %H:%M:%S.%f", utc=True) if request else _clickpost_time(event),
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


def _clickpost_time(event: Event) -> str:
    return event.written("%Y-%m-%dT%H:%M:%S.%fZ" if event.occurred_at % 1000 else "%Y-%m-%dT%H:%M:%SZ")


def _notification_event(number: int, chosen_format: str) -> int | None:
    if number == _REJECTED:
        return _REJECTION_EVENT
    return clickpost.EVENTS.get(number) if chosen_format == "selected" else None


def _shiprocket(event: Event, way: Way, _: str) -> dict[str, Any]:
    ids: _ShiprocketIds = _WAYS[Aggregator.SHIPROCKET][way]
    label = shiprocket.ORDER_STATUSES[ids.order][0].upper()
    shipment_label = "NA" if ids.shipment is None else shiprocket.SHIPMENT_STATUSES[ids.shipment][0].upper()
    time = event.written("%Y-%m-%d %H:%M:%S")
    return {
        "awb": event.awb,
        "courier_name": "Delhivery Surface",
        "current_status": label,
        "current_status_id": ids.order,
        "shipment_status": shipment_label,
        "shipment_status_id": ids.shipment,
        "current_timestamp": event.written("%d %m %Y %H:%M:%S"),
        "order_id": event.order_id,
        "sr_order_id": 700000001,
        "awb_assigned_date": time,
        "pickup_scheduled_date": time,
        "etd": time,
        "scans": [
            {
                "date": time,
                "status": "X-UCI",
                "activity": label.capitalize(),
                "location": _LOCATION,
                "sr-status": "NA" if ids.shipment is None else str(ids.shipment),
                "sr-status-label": shipment_label,
            }
        ],
        "is_return": int(way[1] is Direction.REVERSE),
        "channel_id": 900001,
        "pod_status": "NA",
        "pod": "Not Available",
    }


def _shipway(event: Event, way: Way, chosen_format: str) -> dict[str, Any]:
    row: shipway.Row = _WAYS[Aggregator.SHIPWAY][way]
    time = event.written("%Y-%m-%d %H:%M:%S")
    scan = {"time": time, "status": row.label, "location": _LOCATION}
    item: dict[str, Any] = {
        "order_id": event.order_id,
        "awbno": event.awb,
        "pickupdate": time,
        "current_status_desc": row.label,
        "current_status": row.code,
        "from": "Mumbai",
        "to": "Jaipur",
        "status_time": time,
    }
    if chosen_format == "classic":
        return {"hash": "", "status_feed": [item | {"scans": [scan]}]}
    return {
        "store_code": "1",
        "awbno": event.awb,
        "pod": "",
        "pickupdate": time,
        "expected_delivery_date": "",
        "scans_current_status_time": time,
        "scans_current_status": row.label,
        "epod": "",
        "carrier": "Delhivery",
        "api_input": item | {"carrier_id": "2", "carrier": "Delhivery", "country_code": "IN", "scans": {"0": scan}},
        "current_status": row.code,
        "status_time": time,
        "order_id": event.order_id,
        "reverse_tracking_number": "",
    }


_COMPOSERS: dict[Aggregator, Callable[[Event, Way, str], dict[str, Any]]] = {
    Aggregator.CLICKPOST: _clickpost,
    Aggregator.SHIPROCKET: _shiprocket,
    Aggregator.SHIPWAY: _shipway,
}
