"""The result of parsing, and the size limits of normalised texts."""

from collections.abc import Sequence
from typing import Any

import msgspec

from trackpush_aggregators.canonical import MOST_REASONS, NAME_LENGTH, REMARK_LENGTH, TIME_LENGTH
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_aggregators.values import code, cut, text
from trackpush_api.vocabulary import AggregatorName, Direction, NdrReason, QcResult, Status


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """A body, or one object of a batch, that names no shipment and is not a probe."""

    body: bytes
    """Secrets redacted, otherwise as it came."""
    content_type: str
    """The declared content type; JSON if ``body`` was cut out of another body or rewritten."""
    names: tuple[str, ...]
    """Of its top-level members, the first ones: safe to log."""


class Stray(msgspec.Struct, frozen=True):
    """An element of a batch that names no shipment and is not empty, and its JSON."""

    document: Any
    body: bytes


class Parsed(msgspec.Struct, frozen=True):
    """The updates of one body.

    ``identified`` is False if nothing in the body names a shipment, so that no sender must be refused. Such a body
    is a probe where it has no ``leftovers`` either.
    """

    updates: tuple[TrackingUpdate, ...]
    identified: bool
    leftovers: tuple[Leftover, ...] = ()


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """A status report in canonical words, and its original codes.

    A function of a few short texts, so that each aggregator's module can remember it: see `short`.
    """

    status: Status
    direction: Direction
    code: str | None
    label: str | None
    codes: tuple[str, ...]
    """What a filter may name, see `trackpush_aggregators.taxonomy.filter_codes`."""
    reason: NdrReason | None = None
    values: tuple[str, ...] = ()
    """Of an unknown status: what a row of the definition's table must match. Empty for a built-in aggregator."""


def short(value: Any) -> str | None:
    """The text of a code or label, short enough for a cache's key."""
    return cut(text(value), NAME_LENGTH)


def short_code(value: Any) -> str | None:
    return cut(code(value), NAME_LENGTH)


def tracking_update(
    aggregator: AggregatorName,
    meaning: Meaning,
    *,
    identity: tuple[str | None, ...],
    shipment: str,
    body: bytes,
    occurred_at: int | None,
    occurred_at_text: str | None,
    identified_at: int | None = None,
    awb: str | None = None,
    courier: str | None = None,
    order_id: str | None = None,
    forward_awb: str | None = None,
    return_reference: str | None = None,
    estimated_delivery: str | None = None,
    revised_delivery: str | None = None,
    return_awb: str | None = None,
    remark: str | None = None,
    location: str | None = None,
    attempt: int | None = None,
    qc_result: QcResult | None = None,
    qc_reasons: Sequence[str] = (),
    proof_of_delivery: str | None = None,
    otp_verified: bool | None = None,
    test: bool = False,
) -> TrackingUpdate:
    """The update, its texts cut to their bounds. The identity is kept whole and the body is not touched.

    ``revised_delivery`` is dropped if it is the estimated day, and ``return_awb`` if it is the AWB itself. A failed
    quality check that only the status reports is reported as such.
    """
    if qc_result is None and meaning.status is Status.RETURN_QC_FAILED:
        qc_result = QcResult.FAILED
    return TrackingUpdate(
        aggregator=aggregator,
        identity=tuple([part or "" for part in identity]),
        shipment=shipment[:NAME_LENGTH],
        status=meaning.status,
        direction=meaning.direction,
        awb=cut(awb, NAME_LENGTH),
        courier=cut(courier, NAME_LENGTH),
        order_id=cut(order_id, NAME_LENGTH),
        forward_awb=cut(forward_awb, NAME_LENGTH),
        return_reference=cut(return_reference, NAME_LENGTH),
        estimated_delivery=estimated_delivery,
        revised_delivery=None if revised_delivery == estimated_delivery else revised_delivery,
        return_awb=None if return_awb == awb else cut(return_awb, NAME_LENGTH),
        aggregator_code=meaning.code,
        aggregator_label=meaning.label,
        codes=meaning.codes,
        unknown_values=meaning.values,
        ndr_reason=meaning.reason,
        remark=cut(remark, REMARK_LENGTH),
        location=cut(location, NAME_LENGTH),
        attempt=attempt,
        qc_result=qc_result,
        qc_reasons=tuple([reason[:NAME_LENGTH] for reason in qc_reasons[:MOST_REASONS]]),
        proof_of_delivery=proof_of_delivery,
        otp_verified=otp_verified,
        occurred_at=occurred_at,
        occurred_at_text=cut(occurred_at_text, TIME_LENGTH),
        identified_at=identified_at,
        test=test,
        body=body,
    )


Item = dict[str, Any]
"""One decoded JSON object that may report one status change."""
