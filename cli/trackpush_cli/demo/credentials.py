"""A client's checks of a request: its own header values and the signature.

Written from the client's side, independent of the server's code, so that it can find the server's errors.
Source of the signature: the Standard Webhooks specification, "Signature scheme" (HMAC-SHA256 of ``id.timestamp.body``).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from trackpush_api.routing import Destination

_TOLERANCE_SECONDS = 300


def signature_of(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """``v1,…`` for a ``whsec_…`` secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def faults(destination: Destination, headers: Mapping[str, str], body: bytes, now: float) -> tuple[str, ...]:
    """The errors of a request to ``destination``, without secrets. ``now`` is Unix time.

    ``headers`` must ignore the case of names.
    """
    found = [
        f"header {name} " + ("is missing" if headers.get(name) is None else "has another value than the client's")
        for name, value in destination.headers
        if headers.get(name) != value
    ]
    if destination.signing:
        found += _signature_faults(destination.signing, headers, body, now)
    return tuple(found)


def _signature_faults(secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: float) -> list[str]:
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > _TOLERANCE_SECONDS:
        return [f"webhook-timestamp {timestamp!r} is not within {_TOLERANCE_SECONDS} s of now"]
    given = headers.get("webhook-signature", "").split()
    wanted = [signature_of(secret, headers.get("webhook-id", ""), timestamp, body) for secret in secrets]
    if not any(hmac.compare_digest(signature, other) for signature in given for other in wanted):
        return ["webhook-signature does not match the body"]
    return []
