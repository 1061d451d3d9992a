"""The tracking update: one status change as an aggregator's module parses it, before anything is stored.

Pure data. An aggregator's module turns a request body into a list of these; the receiver adds the account and the
time and hands them to the journal; the canonical notification is encoded from it once and never again.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from msgspec import UNSET

from trackpush_aggregators.canonical import Notification, NotificationShipment, NotificationStatus
from trackpush_api.vocabulary import TERMINAL, AggregatorName, Direction, NdrReason, QcResult, Status, slug_of


class TrackingUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One status change of one shipment, as an aggregator reports it.

    Text fields are None if the aggregator sent nothing, "", "NA" or the like. Times are milliseconds since the
    epoch, UTC; None when absent or unparsable.
    """

    aggregator: AggregatorName
    identity: tuple[str, ...]
    """What makes two reports the same update; docs/aggregators/times.md lists the parts for each aggregator."""
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
    revised_delivery: str | None = None
    """As ``YYYY-MM-DD``; differs from ``estimated_delivery``."""
    return_awb: str | None = None
    aggregator_code: str | None = None
    aggregator_label: str | None = None
    codes: tuple[str, ...] = ()
    """Every code of the aggregator that a filter may name for this update, ``aggregator_code`` among them."""
    unknown_values: tuple[str, ...] = ()
    """Of an unknown status: the values that ``aggregator_code`` joins. Empty for a built-in aggregator."""
    ndr_reason: NdrReason | None = None
    remark: str | None = None
    location: str | None = None
    attempt: int | None = None
    qc_result: QcResult | None = None
    qc_reasons: tuple[str, ...] = ()
    proof_of_delivery: str | None = None
    otp_verified: bool | None = None
    occurred_at: int | None = None
    occurred_at_text: str | None = None
    """The time as the aggregator wrote it."""
    identified_at: int | None = None
    """The time that is part of ``identity`` where that is not ``occurred_at``. See `update_key`."""
    test: bool = False
    """The aggregator's own test or dummy body."""
    body: bytes
    """The aggregator's body of this one update, JSON, secrets redacted. Untouched bytes where nothing was secret."""

    @property
    def timeless(self) -> bool:
        """Whether the update has no readable time: a repeat then looks like a status that occurs again."""
        return self.occurred_at is None and self.identified_at is None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TO_THE_SECOND = len("2023-05-23T06:13:52")
_TYPES = {status: f"shipment.{status.lower()}" for status in Status}


def rfc3339(milliseconds: int) -> str:
    """A time in UTC with a ``Z``, with milliseconds only if they aren't zero: ``2023-05-23T06:13:52Z``."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_to_the_second(seconds)}.{rest:03d}Z" if rest else f"{_to_the_second(seconds)}Z"


def milliseconds(moment: str) -> int:
    """The time that `rfc3339` wrote.

    Raises:
        ValueError: it is not RFC 3339 with a time zone.
    """
    parsed = datetime.fromisoformat(moment)
    if parsed.tzinfo is None:
        raise ValueError(f"no time zone in {moment[:64]!r}")
    return (parsed - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=4096)
def _to_the_second(seconds: int) -> str:
    """Cached, because all updates of one second need the same text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:_TO_THE_SECOND]


def notification(update: TrackingUpdate, received_at: int) -> Notification:
    """The notification of an update that was received at ``received_at`` (milliseconds since the epoch)."""
    return Notification(
        type=_TYPES[update.status],
        aggregator=slug_of(update.aggregator),
        occurred_at=None if update.occurred_at is None else rfc3339(update.occurred_at),
        occurred_at_text=update.occurred_at_text if update.occurred_at is None and update.occurred_at_text else UNSET,
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
            revised_delivery=update.revised_delivery or UNSET,
            return_awb=update.return_awb or UNSET,
        ),
        status=NotificationStatus(
            code=update.status,
            aggregator_code=update.aggregator_code,
            aggregator_label=update.aggregator_label,
            terminal=update.status in TERMINAL,
            ndr_reason=update.ndr_reason,
            remark=update.remark,
            location=update.location,
            attempt=update.attempt or UNSET,
            qc_result=update.qc_result or UNSET,
            qc_reasons=list(update.qc_reasons) or UNSET,
            proof_of_delivery=update.proof_of_delivery or UNSET,
            otp_verified=UNSET if update.otp_verified is None else update.otp_verified,
        ),
    )


KEY_BYTES = 16
_TIME_BYTES = 5
_LAST_SECOND = (1 << (8 * _TIME_BYTES)) - 1
_IDENTITY_END = 11
NONCE_BYTES = KEY_BYTES - _IDENTITY_END
_SEPARATOR, _ESCAPE = "\x1f", "\x1e"


def update_key(account: str, update: TrackingUpdate) -> bytes:
    """The key of the update: 16 bytes, equal only for repeats of one update of one account.

    Five bytes of the identity's time (seconds, 0 when unknown), then eleven of SHA-256 over account and identity. The
    time in front keeps the journal's unique index nearly append-only; it is part of the identity, so it never makes
    two of one. Derived, not drawn: the same update has the same key, hence the same ``webhook-id``,
    even after a journal was lost. Without a time, equal keys don't prove a repeat: see `occurrence_key`.
    """
    moment = update.identified_at if update.identified_at is not None else update.occurred_at
    return _seconds(moment or 0) + _digest(account, update.aggregator, *update.identity)[: KEY_BYTES - _TIME_BYTES]


def occurrence_key(account: str, update: TrackingUpdate, *, received_at: int, nonce: bytes) -> bytes:
    """The key of one report of an update without a time; unique for each report.

    Time of receipt, identity, nonce. Bytes 5 to 10 are those of `update_key`, so the journal can compare a report with
    the one before: OUT_FOR_DELIVERY, UNDELIVERED, OUT_FOR_DELIVERY are three updates, not two.
    """
    identity = update_key(account, update)[_TIME_BYTES:_IDENTITY_END]
    return _seconds(received_at) + identity + nonce[:NONCE_BYTES].rjust(NONCE_BYTES, b"\0")


def _seconds(milliseconds: int) -> bytes:
    return min(max(milliseconds // 1000, 0), _LAST_SECOND).to_bytes(_TIME_BYTES, "big")


def _digest(*parts: str) -> bytes:
    """SHA-256 of a list of texts; different lists give different input bytes.

    The separator is escaped within a part. Unlike a length before each part, that leaves the keys of all updates as
    earlier versions made them, unless a text holds one of the two control characters.
    """
    joined = _SEPARATOR.join(parts)
    if _ESCAPE in joined or joined.count(_SEPARATOR) >= len(parts):
        joined = _SEPARATOR.join([_escaped(part) for part in parts])
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).digest()


def _escaped(part: str) -> str:
    return part.replace(_ESCAPE, f"{_ESCAPE}0").replace(_SEPARATOR, f"{_ESCAPE}1")
