"""Composes bodies as Shiprocket sends them."""

from typing import Any, NamedTuple

from trackpush_aggregators.composing import LOCATION, Composer, Event, Way, first_of
from trackpush_aggregators.shiprocket import codes
from trackpush_aggregators.taxonomy import FAMILY, RETURN_OF
from trackpush_api.vocabulary import Direction


class _Ids(NamedTuple):
    order: int
    shipment: int | None


def _codes() -> dict[Way, Any]:
    shipment_ids = first_of(
        [((status, Direction.FORWARD), number) for number, (_, status) in codes.SHIPMENT_STATUSES.items()]
    )
    plain = {RETURN_OF.get(status, status): number for (status, _), number in reversed(shipment_ids.items())}
    rows = []
    for number, (_, status) in codes.ORDER_STATUSES.items():
        returns = number in codes.RETURN_ORDER_STATUSES or FAMILY.get(status) is Direction.REVERSE
        direction = Direction.REVERSE if returns else FAMILY.get(status, Direction.FORWARD)
        shipment = plain.get(status) if returns else shipment_ids.get((status, Direction.FORWARD))
        rows.append(((status, direction), _Ids(number, shipment)))
    rows += [
        ((status, Direction.REVERSE), ids)
        for (status, direction), ids in list(rows)
        if direction is Direction.FORWARD and RETURN_OF.get(status, status) is status
    ]
    return first_of(rows)


_CODES = _codes()


def _body(event: Event, way: Way, _: str) -> dict[str, Any]:
    ids: _Ids = _CODES[way]
    label = codes.ORDER_STATUSES[ids.order][0].upper()
    shipment_label = "NA" if ids.shipment is None else codes.SHIPMENT_STATUSES[ids.shipment][0].upper()
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
                "location": LOCATION,
                "sr-status": "NA" if ids.shipment is None else str(ids.shipment),
                "sr-status-label": shipment_label,
            }
        ],
        "is_return": int(way[1] is Direction.REVERSE),
        "channel_id": 900001,
        "pod_status": "NA",
        "pod": "Not Available",
    }


COMPOSER = Composer(codes=_CODES, formats=("webhook",), body=_body)
