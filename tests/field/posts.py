"""Bodies from the field, what they are posted to, and what must come of them.

Each came from a public report or an integrator's code; AWBs, orders and clients are invented. Add a `Row` for each new
input; `test_posts` posts it to a running server.
"""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

_INPUTS: Final = Path(__file__).parent / "inputs"
_LATIN_1: Final = {"Content-Type": "application/json; charset=ISO-8859-1"}


class Post(NamedTuple):
    """One request. ``accepted`` is what its answer must say; the rest of its updates are duplicates."""

    to: str
    """Path segment of the aggregator."""
    body: bytes
    accepted: int = 1
    headers: Mapping[str, str] = {}


class Row(NamedTuple):
    """Posts of one shipment, one after the other, and what the client must get, in order."""

    name: str
    posts: tuple[Post, ...]
    pushes: tuple[Mapping[str, Any], ...]
    """Of each push the values that matter, by dotted name."""


def given(name: str) -> bytes:
    """An input by the beginning of its file's name."""
    (found,) = _INPUTS.glob(f"{name}*")
    return found.read_bytes()


def _clickpost(**changes: Any) -> bytes:
    return json.dumps({"waybill": "7090", "clickpost_status_code": 5} | changes).encode()


_UNDELIVERED = {"status.code": "DELIVERY_FAILED", "late": False}

ROWS: Final = (
    Row(
        "F01: two attempts whose scans have no date",
        (Post("st", given("F01a")), Post("st", given("F01b")), Post("st", given("F01b"), accepted=0)),
        (
            _UNDELIVERED | {"shipment.awb": "7001", "occurredAt": "2026-06-01T12:35:00Z"},
            _UNDELIVERED | {"status.remark": "Attempt 2 failed", "occurredAt": "2026-06-02T12:35:00Z"},
        ),
    ),
    Row(
        "F01: two attempts whose scans have the date NA",
        (Post("st", given("F01c")), Post("st", given("F01d"))),
        (_UNDELIVERED | {"shipment.awb": "7002"}, _UNDELIVERED | {"occurredAt": "2026-06-02T12:35:00Z"}),
    ),
    Row(
        "F02: statuses without any time that come back",
        (
            *(Post("shipway", given(f"F02_shipway_minimal_{number}")) for number in range(1, 5)),
            Post("shipway", given("F02_shipway_minimal_4"), accepted=0),
        ),
        tuple(
            {"status.code": code, "shipment.orderId": "CUR-77", "occurredAt": None, "late": False}
            for code in ("OUT_FOR_DELIVERY", "DELIVERY_FAILED") * 2
        ),
    ),
    Row(
        "F05: orders in Latin-1 that differ in one accent",
        (Post("shipway", given("F05a"), 1, _LATIN_1), Post("shipway", given("F05b"), 1, _LATIN_1)),
        tuple(
            {"shipment.orderId": order, "raw.order_id": order, "occurredAt": "2026-11-29T04:30:00Z"}
            for order in ("Café-100", "Cafè-100")
        ),
    ),
    Row(
        "F05: the same without a charset",
        (Post("shipway", given("F05a")), Post("shipway", given("F05b"))),
        tuple({"shipment.orderId": order, "raw.order_id": order} for order in ("Café-100", "Cafè-100")),
    ),
    Row(
        "F06: a scan of 2036 makes no later one late",
        (Post("clickpost", given("F06a")), Post("clickpost", given("F06b"))),
        (
            {"status.code": "IN_TRANSIT", "occurredAt": None, "occurredAtText": "2036-06-02T10:00:00Z"},
            {"status.code": "DELIVERED", "late": False, "occurredAt": "2026-11-29T04:30:00Z"},
        ),
    ),
    Row(
        "F13: +0000 means what Z means",
        (Post("clickpost", given("F13")),),
        ({"occurredAt": "2026-06-02T04:34:20Z"},),
    ),
    Row(
        "a time as people write it",
        (Post("clickpost", _clickpost(timestamp="26th Oct 2024 08:11 AM")),),
        ({"occurredAt": "2024-10-26T02:41:00Z"},),
    ),
    Row(
        "Shiprocket's key in anx-api-key, its etd with the day first",
        (
            Post(
                "st",
                b'{"awb": "7091", "current_status": "IN TRANSIT-EN-ROUTE", "etd": "05-06-2026 23:59:59"}',
                1,
                {"anx-api-key": "right-key-of-shiprocket", "x-api-key": "another's"},
            ),
        ),
        ({"status.code": "IN_TRANSIT", "shipment.estimatedDelivery": "2026-06-05"},),
    ),
    Row(
        "Shipway's estimate inside api_input",
        (
            Post(
                "shipway",
                b'{"awbno": "7092", "current_status": "INT", "api_input": {"expected_delivery_date": "2026-06-09"}}',
            ),
        ),
        ({"shipment.estimatedDelivery": "2026-06-09"},),
    ),
    Row(
        "a label without a code, and one that nobody knows",
        (
            Post("clickpost", _clickpost(clickpost_status_code=None, clickpost_status_description="PartialDelivered")),
            Post("clickpost", _clickpost(clickpost_status_code=None, clickpost_status_description="RTO-New-Word")),
        ),
        (
            {"status.code": "DELIVERED", "status.aggregatorLabel": "PartialDelivered", "shipment.direction": "forward"},
            {"status.code": "UNKNOWN", "shipment.direction": "rto"},
        ),
    ),
    Row(
        "x-gzip is gzip",
        (Post("clickpost", gzip.compress(_clickpost()), 1, {"Content-Encoding": "x-gzip"}),),
        ({"status.code": "IN_TRANSIT"},),
    ),
)
