"""Parses stored bodies again, with the current rules. Pure.

Keys were removed from the bodies before they were stored.
"""

from typing import Final

import msgspec
from msgspec import UNSET

from trackpush_aggregators import MalformedBodyError, Parsed, Reader, Readers, decode, filter_codes, parse
from trackpush_aggregators.canonical import Notification
from trackpush_aggregators.updates import TrackingUpdate, milliseconds
from trackpush_api.vocabulary import Aggregator, AggregatorName

_NOTIFICATION: Final = msgspec.json.Decoder(Notification)
_BUILT_IN: Final[dict[str, AggregatorName]] = {each.slug: each for each in Aggregator}


def parse_again(reader: Reader, body: bytes, *, received_at: int, content_type: str = "") -> Parsed:
    """The updates of a stored body.

    Raises:
        MalformedBodyError: the body can't be parsed.
    """
    document = decode(body, content_type)
    return parse(reader, document, body, key=None, received_at=received_at, content_type=content_type)


def update_again(notification: bytes, body: bytes, readers: Readers) -> tuple[TrackingUpdate, int]:
    """A stored update in the form in which filters saw it when it was received, and its time of receipt (ms).

    Status, direction, names and times come from the notification, which the client gets, even if the tables of statuses
    have changed since. The notification lacks some codes that a filter may use; these are read from the body.

    Raises:
        ValueError: the notification can't be read: another version of the server may have stored it, or the definition
            of its aggregator is no longer served.
    """
    try:
        told = _NOTIFICATION.decode(notification)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    reader = readers.get(_BUILT_IN.get(told.aggregator, told.aggregator))
    if reader is None:
        raise ValueError(f"unknown aggregator {told.aggregator[:64]!r}: no AggregatorDefinition of this name is served")
    shipment, status = told.shipment, told.status
    received_at = milliseconds(told.received_at)
    given = (status.aggregator_code, status.aggregator_label)
    update = TrackingUpdate(
        aggregator=reader.name,
        identity=(),
        shipment="",
        status=status.code,
        direction=shipment.direction,
        awb=shipment.awb,
        courier=shipment.courier,
        order_id=shipment.order_id,
        forward_awb=shipment.forward_awb,
        return_reference=shipment.return_reference,
        estimated_delivery=shipment.estimated_delivery,
        revised_delivery=shipment.revised_delivery or None,
        return_awb=shipment.return_awb or None,
        aggregator_code=status.aggregator_code,
        aggregator_label=status.aggregator_label,
        codes=_codes(reader, body, received_at) or filter_codes(status.code, *given),
        ndr_reason=status.ndr_reason,
        remark=status.remark,
        location=status.location,
        attempt=status.attempt or None,
        qc_result=status.qc_result or None,
        qc_reasons=tuple(status.qc_reasons or ()),
        proof_of_delivery=status.proof_of_delivery or None,
        otp_verified=None if status.otp_verified is UNSET else status.otp_verified,
        occurred_at=None if told.occurred_at is None else milliseconds(told.occurred_at),
        test=told.test,
        body=body,
    )
    return update, received_at


def _codes(reader: Reader, body: bytes, received_at: int) -> tuple[str, ...]:
    """The codes in the body of one update; none if the current rules don't find exactly one update in it."""
    try:
        found = parse_again(reader, body, received_at=received_at).updates
    except MalformedBodyError:
        return ()
    return found[0].codes if len(found) == 1 else ()
