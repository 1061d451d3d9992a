"""All aggregators behind one door: which module reads a document, and what the receiver asks of it."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from trackpush_api.vocabulary import Aggregator
from trackpush_server.aggregators import clickpost, shiprocket, shipway
from trackpush_server.aggregators.batch import reports
from trackpush_server.aggregators.document import unwrap
from trackpush_server.aggregators.parsed import Item, Parsed
from trackpush_server.aggregators.redact import Secret, secret
from trackpush_server.updates import TrackingUpdate

_READERS: dict[Aggregator, Callable[[Item, bytes], Iterable[TrackingUpdate]]] = {
    Aggregator.CLICKPOST: clickpost.updates,
    Aggregator.SHIPROCKET: shiprocket.updates,
    Aggregator.SHIPWAY: shipway.updates,
}


def parse(aggregator: Aggregator, document: Any, body: bytes, *, key: str | None) -> Parsed:
    """The tracking updates that a body reports, in its order. An array of objects is a batch.

    ``document`` is what `decode` made of ``body``. ``key`` is the key that the request presented: it is redacted
    wherever the aggregator echoes it.

    Raises:
        MalformedBodyError: the JSON is neither an object nor an array of objects.
    """
    document, body = unwrap(document, body)
    read = _READERS[aggregator]
    updates = [update for item, raw in reports(document, body) for update in read(item, raw)]
    if key:
        finder = secret(key)
        updates = [_without(finder, update) for update in updates]
    return Parsed(tuple(updates), bool(updates))


def body_key(aggregator: Aggregator, document: Any) -> str | None:
    """The key that stands in the body itself: Shipway's ``hash`` (§3.1), None for the others."""
    if aggregator is not Aggregator.SHIPWAY:
        return None
    document, _ = unwrap(document, b"")
    items = document if isinstance(document, list) else (document,)
    return next((found for item in items if isinstance(item, dict) and (found := shipway.body_key(item))), None)


def _without(finder: Secret, update: TrackingUpdate) -> TrackingUpdate:
    """The update without the key. What identifies the shipment stays: it must be the same under a new key."""
    body = finder.remove(update.body)
    if body is update.body:
        return update
    return msgspec.structs.replace(
        update,
        body=body,
        courier=finder.clean(update.courier),
        aggregator_code=finder.clean(update.aggregator_code),
        aggregator_label=finder.clean(update.aggregator_label),
        codes=tuple(code for code in update.codes if finder.clean(code) == code),
        remark=finder.clean(update.remark),
        location=finder.clean(update.location),
        occurred_at_text=finder.clean(update.occurred_at_text),
    )
