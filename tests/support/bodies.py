"""Bodies in the aggregators' real formats, with a number in each that survives the way to the client.

A load client needs to know which push came from which post, whatever the payload's format is, so every body carries a
*mark* (``mark-0000000042``) in a free-text field that both the canonical form and the raw body keep. Fields and times
follow docs/aggregators/reference.md, §1.2, §2.2 and §3.2; AWBs, orders and places are invented.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

MARK_DIGITS = 10
_MARK = b"mark-"
_BASE = datetime(2025, 6, 12, tzinfo=UTC)
_AWBS = 10**12
_STRIDE = 3**18
"""Coprime to 10**12: consecutive shipments get distinct AWBs far apart, as couriers' number ranges are."""

_CLICKPOST = b"""{
  "waybill": "%(awb)b",
  "cp_id": 4,
  "status": "In Transit",
  "location": "Mumbai_MiraRd_D (Maharashtra)",
  "timestamp": "%(time)bZ",
  "remark": "Shipment received at facility %(mark)b",
  "clickpost_status_code": 5,
  "clickpost_status_description": "InTransit",
  "account_code": "DELHIVERY SURFACE",
  "clickpost_city": "",
  "rto_awb": null,
  "additional": {
    "latest_status": {
      "status": "In Transit",
      "clickpost_status_code": 5,
      "clickpost_status_description": "InTransit",
      "clickpost_status_bucket": 3,
      "clickpost_status_bucket_description": "In transit",
      "reference_number": "SO-%(awb)b-1",
      "remark": "Shipment received at facility",
      "timestamp": "%(time)bZ",
      "location": "Mumbai_MiraRd_D (Maharashtra)",
      "clickpost_city": ""
    },
    "is_rvp": false,
    "order_id": "SO-%(awb)b",
    "courier_partner_edd": "2025-06-14"
  }
}"""

_SHIPROCKET = b"""{
  "awb": "%(awb)b",
  "courier_name": "Delhivery Surface",
  "current_status": "IN TRANSIT",
  "current_status_id": 20,
  "shipment_status": "IN TRANSIT",
  "shipment_status_id": 18,
  "current_timestamp": "%(day_first_time)b",
  "order_id": "SO-%(awb)b",
  "sr_order_id": 348456385,
  "awb_assigned_date": "2025-06-09 11:59:16",
  "pickup_scheduled_date": "2025-06-09 11:59:17",
  "etd": "2025-06-15 15:40:19",
  "scans": [
    {"date": "2025-06-10 11:59:16", "status": "X-UCI", "activity": "Manifested - Manifest uploaded",
     "location": "Chomu_SamodRd_D (Rajasthan)", "sr-status": "5", "sr-status-label": "MANIFEST GENERATED"},
    {"date": "%(space_time)b", "status": "X-PIOM", "activity": "In Transit - %(mark)b",
     "location": "Mumbai_MiraRd_D (Maharashtra)", "sr-status": "18", "sr-status-label": "IN TRANSIT"}
  ],
  "is_return": 0,
  "channel_id": 3422553,
  "pod_status": "OTP Based Delivery",
  "pod": "Not Available"
}"""

_SHIPWAY = b"""{
  "store_code": "1",
  "awbno": "%(awb)b",
  "company_id": "99999",
  "pod": "",
  "pickupdate": "2025-06-09 15:32:17",
  "expected_delivery_date": "2025-06-15",
  "scans_current_status_time": "%(space_time)b",
  "scans_current_status": "Bag received %(mark)b",
  "epod": "",
  "carrier": "Delhivery",
  "api_input": {
    "awbno": "%(awb)b",
    "company_id": "99999",
    "carrier_id": "2",
    "country_code": "IN",
    "carrier": "Delhivery",
    "current_status_desc": "In Transit",
    "scans": {"0": {"location": "Jaipur_Sez_GW (Rajasthan)", "time": "%(space_time)b", "status": "%(mark)b"}},
    "current_status": "INT",
    "from": "Mumbai",
    "to": "Jaipur",
    "status_time": "%(space_time)b",
    "order_id": "SO-%(awb)b",
    "tracking_url": "https://track.example.test/%(awb)b"
  },
  "current_status": "INT",
  "status_time": "%(space_time)b",
  "order_id": "SO-%(awb)b",
  "reverse_tracking_number": ""
}"""


class Format(NamedTuple):
    """How one aggregator posts: the last part of the path, the header that holds the key, and the body."""

    segment: str
    key_header: str
    template: bytes


FORMATS = {
    "clickpost": Format("clickpost", "webhook_key", _CLICKPOST),
    "shiprocket": Format("st", "x-api-key", _SHIPROCKET),
    "shipway": Format("shipway", "x-api-key", _SHIPWAY),
}


def awb(shipment: int) -> str:
    """The 14-digit AWB of a shipment's number."""
    return f"19{shipment * _STRIDE % _AWBS:012d}"


@lru_cache(maxsize=65536)
def _time(second: int) -> bytes:
    return (_BASE + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").encode()


def body(aggregator: str, *, mark: int, shipment: int, second: int) -> bytes:
    """One body of always the same length. ``second`` is the event time, in seconds after a fixed day's start.

    Raises:
        KeyError: no such aggregator (lower-case names).
    """
    time = _time(second)
    return FORMATS[aggregator].template % {
        b"awb": awb(shipment).encode(),
        b"time": time,
        b"space_time": time.replace(b"T", b" "),
        b"day_first_time": b" ".join((time[8:10], time[5:7], time[:4], time[11:])),
        b"mark": b"mark-%010d" % mark,
    }


def mark_of(content: bytes) -> int | None:
    """The mark in a pushed body, or None where there is none."""
    at = content.find(_MARK)
    if at < 0:
        return None
    start = at + len(_MARK)
    return int(content[start : start + MARK_DIGITS])
