"""Small bodies and shorthands for the aggregators' tests."""

from importlib.resources import files
from typing import Any

import msgspec

from trackpush_aggregators import Parsed, decode, parse
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.vocabulary import Aggregator

CLICKPOST, SHIPROCKET, SHIPWAY = Aggregator.CLICKPOST, Aggregator.SHIPROCKET, Aggregator.SHIPWAY
NOW = 1_790_000_000_000
"""A time of receipt, in September 2026."""
SAMPLES = files("trackpush_aggregators") / "samples"


def sample(name: str) -> bytes:
    """A sample payload by its file name, e.g. ``clickpost/01_in_transit.json``."""
    return (SAMPLES / name).read_bytes()


def read(aggregator: Aggregator, body: bytes | Any, *, key: str | None = None, received_at: int = NOW) -> Parsed:
    """Decode and parse a body, given as bytes or as what is to be encoded."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return parse(aggregator, decode(content), content, key=key, received_at=received_at)


def one(aggregator: Aggregator, body: bytes | Any, *, key: str | None = None, received_at: int = NOW) -> TrackingUpdate:
    """The only update of a body."""
    (update,) = read(aggregator, body, key=key, received_at=received_at).updates
    return update


def clickpost(**changes: Any) -> dict[str, Any]:
    """A Clickpost scan; ``additional`` is merged."""
    additional = {"is_rvp": False, "order_id": "SO-1"} | changes.pop("additional", {})
    scan = {"waybill": "1900", "cp_id": 4, "clickpost_status_code": 5, "timestamp": "2025-06-11T02:55:34Z"}
    return scan | changes | {"additional": additional}


def shiprocket(**changes: Any) -> dict[str, Any]:
    """A Shiprocket event."""
    event = {"awb": "1900", "order_id": "SO-1", "current_timestamp": "23 05 2023 11:43:52", "is_return": 0}
    return event | changes


def shipway(**changes: Any) -> dict[str, Any]:
    """A Shipway panel event."""
    event = {"awbno": "1900", "order_id": "SO-1", "current_status": "INT", "status_time": "2025-06-11 02:55:34"}
    return event | changes
