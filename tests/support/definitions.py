"""The definition of an invented courier, in a routing table, with every way to authenticate."""

import base64
import hashlib
import hmac
from typing import Any, Final

import msgspec

from trackpush_api.routing import Definition, KeyPlaces, Signature

NAME: Final = "parcelkit"
KEY_PLACES: Final = KeyPlaces(headers=("X-Parcel-Key",), query=("secret",))
SIGNATURE: Final = Signature(header="X-Parcel-Signature", encoding="Hex", prefix="sha256=")
SPEC: Final[dict[str, Any]] = {
    "path": NAME,
    "timezone": "Asia/Kolkata",
    "updates": [{"as": "shipment", "in": "body.shipments"}, {"as": "scan", "in": "shipment.scans"}],
    "fields": {
        "awb": "shipment.waybill",
        "orderId": ["shipment.reference", "shipment.order.id"],
        "remark": "scan.note",
        "occurredAt": {"join": ["scan.date", "scan.time"], "formats": ["%d-%m-%Y %H%M"]},
        "proofOfDelivery": "scan.proof",
    },
    "status": {
        "code": ["scan.group", "scan.code"],
        "label": "scan.text",
        "table": [
            {"when": ["DL", "*"], "status": "DELIVERED", "direction": "Forward"},
            {"when": ["RT", "D"], "status": "RTO_DELIVERED", "direction": "RTO"},
        ],
    },
    "direction": {"of": "shipment.mode", "table": {"F": "Forward", "R": "Reverse"}},
    "redact": ["shipment.rider.phone", "scan.picture"],
}


def definition(name: str = NAME, **changes: Any) -> Definition:
    """The definition, as the operator compiles it."""
    spec = SPEC | {"path": changes.get("path", name)}
    return Definition(**{"name": name, "path": name, "spec": msgspec.json.encode(spec).decode()} | changes)


def body(awb: str = "7001", *, time: str = "1004", note: str = "", **scan: Any) -> bytes:
    """A delivery."""
    scans = [{"group": "DL", "code": "X", "date": "01-06-2026", "time": time, "note": note, **scan}]
    return msgspec.json.encode({"shipments": [{"waybill": awb, "mode": "F", "scans": scans}]})


def signed(content: bytes, secret: str, signature: Signature = SIGNATURE) -> dict[str, str]:
    """The header with the signature of a body."""
    made = hmac.digest(secret.encode(), content, hashlib.sha256)
    text = made.hex() if signature.encoding == "Hex" else base64.b64encode(made).decode()
    return {signature.header: signature.prefix + text}


def resources(signers: int) -> str:
    """The definition, signed and with a large limit, as a resource; and clients whose bodies it signs."""
    authentication = {"signature": msgspec.to_builtins(SIGNATURE)}
    spec = SPEC | {"authentication": authentication, "limits": {"maxBodyBytes": 16 * 1024 * 1024}}
    documents = [_resource("AggregatorDefinition", NAME, "trackpush", spec)]
    for number in range(signers):
        client = f"signer-{number}"
        key = {"secretKeyRef": {"name": "keys", "key": "inbound"}}
        webhook = {"aggregator": NAME, "serverRef": {"name": "main", "namespace": "trackpush"}, "keys": [key]}
        documents += [
            _resource("AggregatorWebhook", NAME, client, webhook),
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "keys", "namespace": client},
                "stringData": {"inbound": f"secret-of-{client}"},
            },
        ]
    return "\n---\n".join(msgspec.json.encode(document).decode() for document in documents)


def _resource(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "trackpush.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
