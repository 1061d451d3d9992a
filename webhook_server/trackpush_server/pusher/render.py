"""Renders the header lines and the body of one push. Pure: time comes in.

The notification was encoded once, when the update was received; this module only joins bytes.
"""

import base64
import hmac

import msgspec

from trackpush_aggregators.canonical import Notification
from trackpush_server.notification_schema import SCHEMA_ID

TRACE_HEADER = "traceparent"
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the published prefix, not a secret


def signature(secrets: tuple[bytes, ...], push_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` of Standard Webhooks 1.0: ``v1,<base64>`` per secret, space-separated.

    Source: standard-webhooks specification, "Signature scheme": HMAC-SHA256 over ``id.timestamp.body``.
    """
    signed = b"%s.%d.%s" % (push_id.encode(), timestamp, body)
    return " ".join("v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)


def signing_keys(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    """The key bytes of ``whsec_…`` secrets; compile() has validated their format."""
    return tuple(base64.b64decode(secret.removeprefix(_SECRET_PREFIX)) for secret in secrets)


def headers(push_id: str, timestamp: int, body: bytes, keys: tuple[bytes, ...]) -> bytes:
    """The header lines that differ from push to push; ``timestamp`` in seconds since the epoch, of this attempt."""
    lines = f"webhook-id: {push_id}\r\nwebhook-timestamp: {timestamp}\r\n"
    if keys:
        lines += f"webhook-signature: {signature(keys, push_id, timestamp, body)}\r\n"
    return lines.encode("ascii")


def replay_header(replays: int) -> bytes:
    """The header line that marks a replay, with the number of replays."""
    return b"trackpush-replay: %d\r\n" % replays


def trace_header(traceparent: str) -> bytes:
    """The header line with which the client's server can continue the trace (W3C Trace Context)."""
    return b"%b: %b\r\n" % (TRACE_HEADER.encode(), traceparent.encode("ascii"))


def canonical(push_id: str, notification: bytes, raw: bytes, *, late: bool) -> bytes:
    """The body of the format Canonical; docs/receiving-pushes.md."""
    flag = b"true" if late else b"false"
    return b'{"id":"%s","late":%s,%s,"raw":%s}' % (push_id.encode("ascii"), flag, notification[1:-1], raw)


def push_body(payload_format: str, push_id: str, account: str, notification: bytes, raw: bytes, *, late: bool) -> bytes:
    """The body of a push in the PushConfig's ``payload.format``."""
    if payload_format == "Raw":
        return raw
    if payload_format == "CloudEvents":
        return cloud_event(push_id, account, notification, raw, late=late)
    return canonical(push_id, notification, raw, late=late)


class _CloudEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    time: str
    subject: str | None = None
    datacontenttype: str
    dataschema: str
    data: msgspec.Raw


def cloud_event(push_id: str, account: str, notification: bytes, raw: bytes, *, late: bool) -> bytes:
    """The canonical form in a CloudEvents 1.0 envelope, structured mode.

    ``subject`` is the AWB, unless it contains control characters, which the specification forbids. ``time`` is the
    event's time, or the time of receipt if that is unknown.
    """
    head = msgspec.json.decode(notification, type=Notification)
    awb = head.shipment.awb
    event = _CloudEvent(
        specversion="1.0",
        id=push_id,
        source=f"/trackpush/{head.aggregator}/{account}",
        type=head.type,
        time=head.occurred_at or head.received_at,
        subject=awb if awb is not None and awb.isprintable() else None,
        datacontenttype="application/json",
        dataschema=SCHEMA_ID,
        data=msgspec.Raw(canonical(push_id, notification, raw, late=late)),
    )
    return msgspec.json.encode(event)
