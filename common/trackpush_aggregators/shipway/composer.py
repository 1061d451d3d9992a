"""Composes bodies as Shipway sends them."""

from typing import Any

from trackpush_aggregators.composing import LOCATION, Composer, Event, Way, first_of
from trackpush_aggregators.shipway import codes
from trackpush_aggregators.taxonomy import FAMILY
from trackpush_api.vocabulary import Direction


def _codes() -> dict[Way, Any]:
    return first_of([((row.status, FAMILY.get(row.status, Direction.FORWARD)), row) for row in codes.ROWS])


_CODES = _codes()


def _body(event: Event, way: Way, chosen_format: str) -> dict[str, Any]:
    row: codes.ShipwayRow = _CODES[way]
    time = event.written("%Y-%m-%d %H:%M:%S")
    scan = {"time": time, "status": row.label, "location": LOCATION}
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


COMPOSER = Composer(codes=_CODES, formats=("panel", "classic"), body=_body)
