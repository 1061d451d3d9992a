"""What definitions of Shiprocket and Shipway would lose: docs/architecture.md, "Why three aggregators are code"."""

import json
from typing import Any, Final

import msgspec

from aggregators.bodies import SAMPLES
from trackpush_aggregators import BUILT_IN, Reader, decode, parse
from trackpush_aggregators.definition import compile_definition
from trackpush_aggregators.shiprocket import codes as shiprocket
from trackpush_aggregators.shipway import codes as shipway
from trackpush_aggregators.taxonomy import RETURN_OF
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.vocabulary import Aggregator, Status

RECEIVED: Final = 1_790_000_000_000
OWN: Final = {"aggregator", "identity", "identified_at"}
"""Every definition has its own name, and thereby its own identities."""


def rows(returned: str, place: int, statuses: dict[int, tuple[str, Status]]) -> list[dict[str, Any]]:
    """Rows of one id space of Shiprocket; ``returned`` is the pattern of ``is_return``."""
    made = []
    for number, (_, status) in statuses.items():
        when = [returned, "*", "*"]
        when[place] = str(number)
        made.append({"when": when, "status": (RETURN_OF.get(status, status) if returned == "1" else status).value})
    return made


def inside(name: str) -> list[str]:
    """Both places of a member of Shipway's."""
    return [f"item.{name}", f"item.api_input.{name}"]


SHIPROCKET: Final[dict[str, Any]] = {
    "path": "like-shiprocket",
    "timezone": "Asia/Kolkata",
    "fields": {
        "awb": "awb",
        "orderId": "order_id",
        "courier": "courier_name",
        "remark": "scans[-1].activity",
        "location": "scans[-1].location",
        "occurredAt": ["current_timestamp", "scans[-1].date"],
        "estimatedDelivery": "etd",
        "proofOfDelivery": "pod",
    },
    "status": {
        "code": ["is_return", "current_status_id", "shipment_status_id"],
        "label": ["current_status", "shipment_status"],
        "table": [
            *rows("1", 1, shiprocket.ORDER_STATUSES),
            *rows("*", 1, shiprocket.ORDER_STATUSES),
            *rows("*", 2, shiprocket.SHIPMENT_STATUSES),
        ],
    },
    "direction": {"of": "is_return", "table": {"1": "Reverse"}},
}
SHIPWAY: Final[dict[str, Any]] = {
    "path": "like-shipway",
    "timezone": "Asia/Kolkata",
    "updates": [{"as": "item", "in": ["body.status_feed", "body"]}],
    "fields": {
        "awb": [*inside("awbno"), "item.awb", *inside("reverse_tracking_number")],
        "orderId": inside("order_id"),
        "courier": inside("carrier"),
        "remark": ["item.scans_current_status", "item.scans[0].status", "item.remarks"],
        "location": [
            *("item.scans[0].location", "item.api_input.scans[0].location"),
            *('item.api_input.scans["0"].location', "item.location"),
        ],
        "occurredAt": [
            *inside("status_time"),
            *inside("scans_current_status_time"),
            *inside("timestamp"),
            *inside("scans[0].time"),
        ],
        "estimatedDelivery": [*inside("expected_delivery_date"), *inside("extra_fields.expected_delivery_date")],
        "attempt": inside("extra_fields.dispatchCount"),
        "proofOfDelivery": [*inside("pod"), *inside("epod")],
        "returnAwb": inside("reverse_tracking_number"),
        "test": {"cel": 'item.order_id == "99999999"'},
    },
    "status": {
        "code": {"cel": "has(item.current_status) ? item.current_status : item.api_input.current_status"},
        "label": inside("current_status_desc"),
        "table": [
            {"when": code, "status": row.status.value} | ({"ndrReason": row.reason.value} if row.reason else {})
            for code, row in shipway.STATUSES.items()
        ],
    },
}


def compiled(spec: dict[str, Any]) -> Reader:
    """The definition's reader."""
    return compile_definition(spec["path"], AggregatorDefinitionSpec.model_validate(spec))


def updates(reader: Reader, body: bytes) -> list[dict[str, Any]]:
    """The updates of a body, by member."""
    found = parse(reader, decode(body), body, key=None, received_at=RECEIVED).updates
    return [msgspec.structs.asdict(update) for update in found]


def lost(aggregator: Aggregator, spec: dict[str, Any]) -> set[str]:
    """Members of updates that the definition reads differently in any sample of the aggregator."""
    module, definition = BUILT_IN[aggregator], compiled(spec)
    different: set[str] = set()
    for path in sorted((SAMPLES / aggregator.slug).iterdir()):
        body = path.read_bytes()
        for read, other in zip(updates(module, body), updates(definition, body), strict=True):
            different |= {name for name, value in read.items() if other[name] != value}
    return different - OWN


def test_a_definition_of_shiprocket_loses_the_single_code_and_what_depends_on_the_status() -> None:
    assert lost(Aggregator.SHIPROCKET, SHIPROCKET) == {"aggregator_code", "codes", "otp_verified"}


def test_a_definition_of_shipway_loses_the_numbers_of_returns_labels_and_the_body() -> None:
    assert lost(Aggregator.SHIPWAY, SHIPWAY) == {
        *("codes", "aggregator_label", "body"),
        *("awb", "forward_awb", "return_awb"),
    }


def test_a_definition_takes_the_scan_at_a_place_where_the_module_takes_the_newest() -> None:
    scans = [
        {"date": "2025-06-13 11:50:26", "location": "Pune", "activity": "Delivered"},
        {"date": "2025-06-12 09:00:00", "location": "Nagpur", "activity": "In transit"},
    ]
    body = json.dumps({"awb": "7001", "current_status_id": 7, "scans": scans}).encode()

    (module,) = updates(BUILT_IN[Aggregator.SHIPROCKET], body)
    (definition,) = updates(compiled(SHIPROCKET), body)

    assert (module["location"], module["occurred_at"] > definition["occurred_at"]) == ("Pune", True)
    assert definition["location"] == "Nagpur"
