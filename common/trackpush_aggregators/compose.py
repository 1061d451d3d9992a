"""Composes bodies in an aggregator's format, for `trackpush send`, the demo and benchmarks."""

import msgspec

from trackpush_aggregators.clickpost import composer as clickpost
from trackpush_aggregators.composing import Composer, Event
from trackpush_aggregators.shiprocket import composer as shiprocket
from trackpush_aggregators.shipway import composer as shipway
from trackpush_api.vocabulary import Aggregator, AggregatorName, Direction, Status

_COMPOSERS: dict[AggregatorName, Composer] = {
    Aggregator.CLICKPOST: clickpost.COMPOSER,
    Aggregator.SHIPROCKET: shiprocket.COMPOSER,
    Aggregator.SHIPWAY: shipway.COMPOSER,
}


def composable(aggregator: AggregatorName) -> frozenset[Status]:
    """The statuses that the aggregator has a code for, in at least one direction."""
    return frozenset(status for status, _ in _COMPOSERS[aggregator].codes)


def compose(
    aggregator: AggregatorName,
    status: Status | str,
    *,
    awb: str,
    order_id: str,
    occurred_at: int,
    direction: Direction | None = None,
    format: str | None = None,  # noqa: A002  the word that the aggregators' own documents use
) -> bytes:
    """A request body that is read as this status of this shipment.

    ``occurred_at`` is in milliseconds since the epoch; Shiprocket and Shipway write whole seconds only. Without
    ``direction`` it is the status's usual one. ``format`` is ``all`` (default), ``selected`` or ``wrapped`` for
    Clickpost, ``panel`` (default) or ``classic`` for Shipway.

    Clickpost's return requests have no waybill: there ``awb`` is the forward shipment's.

    Raises:
        ValueError: no such status or format, or the aggregator has no code for it. The message tells what there is.
    """
    known = {way for way in _COMPOSERS[aggregator].codes if way[0] == status and direction in (None, way[1])}
    if not known:
        wanted = status if direction is None else f"{status} in direction {direction}"
        raise ValueError(f"{aggregator} has no code for {wanted}; it has: {', '.join(sorted(composable(aggregator)))}")
    chosen_format = format or _COMPOSERS[aggregator].formats[0]
    if chosen_format not in _COMPOSERS[aggregator].formats:
        raise ValueError(f"{aggregator} has no format {format!r}; it has: {', '.join(_COMPOSERS[aggregator].formats)}")
    way = min(known, key=lambda each: list(Direction).index(each[1]))
    body = _COMPOSERS[aggregator].body(Event(awb, order_id, occurred_at), way, chosen_format)
    return msgspec.json.format(msgspec.json.encode(body), indent=2)
