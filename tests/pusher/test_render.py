"""What a client receives: ids, bodies, signatures."""

import base64
import hashlib
import hmac
import json

import msgspec
import pytest

from trackpush_aggregators.updates import TrackingUpdate, notification, rfc3339, update_key
from trackpush_api.vocabulary import Aggregator, Direction, Status
from trackpush_server.ids import parse_push_id, push_id
from trackpush_server.pusher import render

RAW = b'{"waybill": "19000000000101", "weight": 1.10, "big": 12345678901234567890123}'
UPDATE = TrackingUpdate(
    aggregator=Aggregator.CLICKPOST,
    identity=("19000000000101", "4", "8", "2025-06-12T15:01:00Z"),
    shipment="19000000000101",
    status=Status.DELIVERED,
    direction=Direction.FORWARD,
    awb="19000000000101",
    occurred_at=1_684_822_432_000,
    aggregator_code="8",
    body=RAW,
)
NOTIFICATION = msgspec.json.encode(notification(UPDATE, 1_684_822_433_250))
KEY = update_key("acme/clickpost", UPDATE)


def test_a_push_id_is_read_back() -> None:
    text = push_id(KEY, "acme/oms")
    assert parse_push_id(text)[0] == KEY
    assert text != push_id(KEY, "acme/wms"), "each PushConfig's push has its own id"


@pytest.mark.parametrize("text", ["", "psh_", "psh_zz-11111111", push_id(KEY, "a/b") + "0"])
def test_other_texts_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="not a push id"):
        parse_push_id(text)


def test_the_key_is_the_accounts_and_the_identitys() -> None:
    assert update_key("acme/clickpost", UPDATE) == KEY
    assert update_key("other/clickpost", UPDATE) != KEY
    changed = msgspec.structs.replace(UPDATE, identity=("19000000000101", "4", "9", "2025-06-12T15:01:00Z"))
    assert update_key("acme/clickpost", changed) != KEY
    assert int.from_bytes(KEY[:5], "big") == 1_684_822_432


def test_the_canonical_body_has_every_field_of_the_design_and_the_raw_bytes() -> None:
    body = render.canonical("psh_x", NOTIFICATION, RAW, late=True)
    assert body.endswith(RAW + b"}"), "the aggregator's bytes, untouched"
    decoded = json.loads(body)
    assert decoded["id"] == "psh_x"
    assert decoded["late"] is True
    assert decoded["type"] == "shipment.delivered"
    assert decoded["occurredAt"] == "2023-05-23T06:13:52Z"
    assert decoded["receivedAt"] == "2023-05-23T06:13:53.250Z"
    assert decoded["shipment"] == {
        "awb": "19000000000101",
        "courier": None,
        "orderId": None,
        "direction": "forward",
        "forwardAwb": None,
        "returnReference": None,
        "estimatedDelivery": None,
    }
    assert decoded["status"] == {
        "code": "DELIVERED",
        "aggregatorCode": "8",
        "aggregatorLabel": None,
        "terminal": True,
        "ndrReason": None,
        "remark": None,
        "location": None,
    }


def test_the_cloud_event_wraps_the_canonical_form() -> None:
    event = json.loads(render.cloud_event("psh_x", "acme/clickpost", NOTIFICATION, RAW, late=False))
    assert {name: event[name] for name in ("specversion", "id", "type", "subject", "datacontenttype")} == {
        "specversion": "1.0",
        "id": "psh_x",
        "type": "shipment.delivered",
        "subject": "19000000000101",
        "datacontenttype": "application/json",
    }
    assert event["data"] == json.loads(render.canonical("psh_x", NOTIFICATION, RAW, late=False))


def test_every_secret_signs_and_the_first_comes_first() -> None:
    secrets = tuple("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    lines = render.headers("psh_x", 1_700_000_000, b"{}", render.signing_keys(secrets)).decode()
    expected = [
        "v1," + base64.b64encode(hmac.new(bytes([n]) * 32, b"psh_x.1700000000.{}", hashlib.sha256).digest()).decode()
        for n in (1, 2)
    ]
    assert lines == (
        "webhook-id: psh_x\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: " + " ".join(expected) + "\r\n"
    )


def test_without_secrets_there_is_no_signature() -> None:
    assert b"signature" not in render.headers("psh_x", 1, b"", ())


@pytest.mark.parametrize(("ms", "text"), [(0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59.999Z")])
def test_times_are_rfc3339_in_utc(ms: int, text: str) -> None:
    assert rfc3339(ms) == text
