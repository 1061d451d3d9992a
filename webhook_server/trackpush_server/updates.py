"""The tracking update: what an aggregator module makes of one status change, before anything is stored.

Pure data. An aggregator's module turns a request body into a list of these; the receiver adds the account and the
time and hands them to the journal; the canonical notification is encoded from it once and never again.
"""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from trackpush_api.vocabulary import TERMINAL, Aggregator, Direction, NdrReason, Status
from trackpush_server.canonical import Notification, NotificationShipment, NotificationStatus


class TrackingUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One status change of one shipment, as an aggregator reports it.

    Text fields are None where the aggregator sent nothing, "", "NA" or the like. Times are milliseconds since the
    epoch, UTC; None when absent or unparsable.
    """

    aggregator: Aggregator
    identity: tuple[str, ...]
    """The aggregator's own identity of this update, for deduplication (aggregators' reference §4.3), as text."""
    shipment: str
    """Names the shipment within the account: the AWB, or ``return:…``/``order:…`` where there is none."""
    status: Status
    direction: Direction
    awb: str | None = None
    courier: str | None = None
    order_id: str | None = None
    forward_awb: str | None = None
    return_reference: str | None = None
    estimated_delivery: str | None = None
    """As ``YYYY-MM-DD``."""
    aggregator_code: str | None = None
    aggregator_label: str | None = None
    codes: tuple[str, ...] = ()
    """Every code of the aggregator that a filter may name for this update, ``aggregator_code`` among them."""
    ndr_reason: NdrReason | None = None
    remark: str | None = None
    location: str | None = None
    occurred_at: int | None = None
    occurred_at_text: str | None = None
    """The time as the aggregator wrote it."""
    identified_at: int | None = None
    """The time that is part of ``identity`` where that isn't ``occurred_at`` (0: none is). See `update_key`."""
    test: bool = False
    """The aggregator's own test or dummy body."""
    body: bytes
    """The aggregator's body of this one update, JSON, secrets redacted. Untouched bytes where nothing was secret."""


_TYPES = {status: f"shipment.{status.lower()}" for status in Status}


def rfc3339(milliseconds: int) -> str:
    """UTC with a ``Z``, with milliseconds only where there are any: ``2023-05-23T06:13:52Z``."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_to_the_second(seconds)}.{rest:03d}Z" if rest else f"{_to_the_second(seconds)}Z"


@lru_cache(maxsize=4096)
def _to_the_second(seconds: int) -> str:
    """Remembered, since all that is received in one second asks for the same."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def notification(update: TrackingUpdate, received_at: int) -> Notification:
    """The notification of an update that was received at ``received_at`` (milliseconds since the epoch)."""
    return Notification(
        type=_TYPES[update.status],
        aggregator=update.aggregator.slug,
        occurred_at=None if update.occurred_at is None else rfc3339(update.occurred_at),
        received_at=rfc3339(received_at),
        test=update.test,
        shipment=NotificationShipment(
            awb=update.awb,
            courier=update.courier,
            order_id=update.order_id,
            direction=update.direction,
            forward_awb=update.forward_awb,
            return_reference=update.return_reference,
            estimated_delivery=update.estimated_delivery,
        ),
        status=NotificationStatus(
            code=update.status,
            aggregator_code=update.aggregator_code,
            aggregator_label=update.aggregator_label,
            terminal=update.status in TERMINAL,
            ndr_reason=update.ndr_reason,
            remark=update.remark,
            location=update.location,
        ),
    )


KEY_BYTES = 16
_TIME_BYTES = 5
_LAST_SECOND = (1 << (8 * _TIME_BYTES)) - 1


def update_key(account: str, update: TrackingUpdate) -> bytes:
    """What makes the update one and the same for an account: 16 bytes.

    Five bytes of the identity's time (seconds, 0 when unknown), then eleven of SHA-256 over account and identity. The
    time in front keeps the journal's unique index nearly append-only; it is part of the identity, so it never makes
    two of one. Derived, not drawn: the same update has the same key, hence the same ``webhook-id``,
    even after a journal was lost.
    """
    moment = update.occurred_at if update.identified_at is None else update.identified_at
    seconds = 0 if moment is None else min(max(moment // 1000, 0), _LAST_SECOND)
    digest = hashlib.sha256("\x1f".join((account, update.aggregator, *update.identity)).encode("utf-8", "replace"))
    return seconds.to_bytes(_TIME_BYTES, "big") + digest.digest()[: KEY_BYTES - _TIME_BYTES]
