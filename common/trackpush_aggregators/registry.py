"""The entry point to all aggregators: chooses the parser of a document."""

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from trackpush_aggregators import leftovers
from trackpush_aggregators.batch import reports
from trackpush_aggregators.clickpost import parser as clickpost
from trackpush_aggregators.document import TOO_DEEP, unwrap
from trackpush_aggregators.errors import MalformedBodyError, TooManyUpdatesError
from trackpush_aggregators.parsed import Item, Parsed, Stray
from trackpush_aggregators.redact import SecretText, secret
from trackpush_aggregators.shiprocket import parser as shiprocket
from trackpush_aggregators.shipway import parser as shipway
from trackpush_aggregators.times import latest
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.vocabulary import Aggregator

_Reader = Callable[[Item, bytes, int], Iterable[TrackingUpdate | Stray]]
_READERS: dict[Aggregator, _Reader] = {
    Aggregator.CLICKPOST: clickpost.updates,
    Aggregator.SHIPROCKET: shiprocket.updates,
    Aggregator.SHIPWAY: shipway.updates,
}
_KEYS: dict[Aggregator, Callable[[Item], str | None]] = {Aggregator.SHIPWAY: shipway.body_key}
"""How to find the key in an object, for aggregators whose profile has a ``key_member``."""


STEP = 50
"""Updates between two turns of the event loop: parsing one takes some tens of microseconds."""


def parse(
    aggregator: Aggregator,
    document: Any,
    body: bytes,
    *,
    key: str | None,
    received_at: int,
    content_type: str = "",
) -> Parsed:
    steps = parse_in_steps(aggregator, document, body, key=key, received_at=received_at, content_type=content_type)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            parsed: Parsed = done.value
            return parsed


def parse_in_steps(
    aggregator: Aggregator,
    document: Any,
    body: bytes,
    *,
    key: str | None,
    received_at: int,
    content_type: str = "",
    most: int | None = None,
) -> Generator[None, None, Parsed]:
    """The tracking updates of a body, in order, and its other parts. An array of objects is a batch.

    ``document`` is what `decode` made of ``body``. ``key`` is the key that the request presented: it is redacted
    wherever the aggregator echoes it. ``received_at`` is in milliseconds since the epoch: no time that lies more than a
    day after it is accepted. It yields after every `STEP` updates, so that the caller can let others work.

    Raises:
        MalformedBodyError: ``body`` is nested too deeply, in a part that ``document`` does not show.
        TooManyUpdatesError: there are more updates than ``most``.
    """
    steps = _steps(aggregator, document, body, key=key, received_at=received_at, content_type=content_type, most=most)
    try:
        return (yield from steps)
    except RecursionError:  # a second member of the same name replaced the deep one: `decode` saw few levels
        raise MalformedBodyError(TOO_DEEP) from None


def _steps(
    aggregator: Aggregator,
    document: Any,
    body: bytes,
    *,
    key: str | None,
    received_at: int,
    content_type: str,
    most: int | None,
) -> Generator[None, None, Parsed]:
    original = body
    document, body = unwrap(document, body)
    finder = secret(key) if key else None
    updates: list[TrackingUpdate] = []
    rest: list[Stray] = []
    for number, found in enumerate(found_in(aggregator, document, body, latest(received_at)), 1):
        if isinstance(found, TrackingUpdate):
            updates.append(found if finder is None else _without(finder, found))
        else:
            rest.append(found)
        if most is not None and number > most:
            raise TooManyUpdatesError(most)
        if number % STEP == 0:
            yield
    if not updates:
        left = (leftovers.whole(document, body, original, content_type, finder),) if rest else ()
        return Parsed((), identified=False, leftovers=left)
    if isinstance(document, list):
        rest += leftovers.strays(document, body)
    return Parsed(tuple(updates), identified=True, leftovers=tuple(leftovers.each(rest, finder)) if rest else ())


def found_in(aggregator: Aggregator, document: Any, body: bytes, until: int) -> Iterator[TrackingUpdate | Stray]:
    """Each update, and each object that contains none and is not a probe."""
    read = _READERS[aggregator]
    if isinstance(document, dict):  # the usual case needs one generator less
        return _found_in_item(read, document, body, until)
    found = reports(document, body)
    if not found and not leftovers.is_empty(document):
        return iter((Stray(document, body),))  # JSON in a text, arrays in an array: no object, but not nothing
    return chain.from_iterable(_found_in_item(read, item, raw, until) for item, raw in found)


def _found_in_item(read: _Reader, item: Item, raw: bytes, until: int) -> Iterator[TrackingUpdate | Stray]:
    empty = True
    for found in read(item, raw, until):
        empty = False
        yield found
    if empty and not leftovers.is_probe(item):
        yield Stray(item, raw)


def body_key(aggregator: Aggregator, document: Any) -> str | None:
    """The key in the body itself; None if this aggregator's bodies contain none."""
    find = _KEYS.get(aggregator)
    if find is None:
        return None
    document, _ = unwrap(document, b"")
    items = document if isinstance(document, list) else (document,)
    return next((key for item in items if isinstance(item, dict) and (key := find(item))), None)


def _without(finder: SecretText, update: TrackingUpdate) -> TrackingUpdate:
    """The update without the key. The shipment's identifiers stay: they must be the same under a new key."""
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
