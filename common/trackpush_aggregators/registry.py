"""The entry point to all aggregators: chooses the parser of a document."""

from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from trackpush_aggregators import leftovers
from trackpush_aggregators.batch import reports
from trackpush_aggregators.document import TOO_DEEP, unwrap
from trackpush_aggregators.errors import MalformedBodyError, TooManyUpdatesError
from trackpush_aggregators.parsed import Parsed, Stray
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.readers import reader_of
from trackpush_aggregators.redact import SecretFinder, finder_of
from trackpush_aggregators.times import latest
from trackpush_aggregators.updates import TrackingUpdate

STEP = 50
"""Updates between two turns of the event loop: parsing one takes some tens of microseconds."""


def parse(
    aggregator: Reader | str,
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
    aggregator: Reader | str,
    document: Any,
    body: bytes,
    *,
    key: str | None,
    received_at: int,
    content_type: str = "",
    most: int | None = None,
    other_keys: Sequence[str] = (),
) -> Generator[None, None, Parsed]:
    """The tracking updates of a body, in order, and its other parts. An array of objects is a batch.

    ``aggregator`` is a reader, or the name of a built-in aggregator. ``document`` is what `decode` made of ``body``.
    ``key`` is the key that the request presented, ``other_keys`` are further ones: they are redacted wherever the
    aggregator echoes them. ``received_at`` is in milliseconds since the epoch: no time that lies more than a day after
    it is accepted. It yields after every `STEP` updates, so that the caller can let others work.

    Raises:
        MalformedBodyError: ``body`` is nested too deeply, in a part that ``document`` does not show.
        TooManyUpdatesError: there are more updates than ``most``.
    """
    steps = _steps(
        reader_of(aggregator),
        document,
        body,
        finder=finder_of(key, other_keys),
        received_at=received_at,
        content_type=content_type,
        most=most,
    )
    try:
        return (yield from steps)
    except RecursionError:  # a second member of the same name replaced the deep one: `decode` saw few levels
        raise MalformedBodyError(TOO_DEEP) from None


def _steps(
    reader: Reader,
    document: Any,
    body: bytes,
    *,
    finder: SecretFinder | None,
    received_at: int,
    content_type: str,
    most: int | None,
) -> Generator[None, None, Parsed]:
    original = body
    document, body = unwrap(document, body)
    updates: list[TrackingUpdate] = []
    rest: list[Stray] = []
    for number, found in enumerate(found_in(reader, document, body, latest(received_at)), 1):
        if isinstance(found, TrackingUpdate):
            updates.append(found if finder is None else _without(finder, found))
        else:
            rest.append(found)
        if most is not None and number > most:
            raise TooManyUpdatesError(most)
        if number % STEP == 0:
            yield
    if not updates:
        if not rest:
            return Parsed((), identified=False)
        cleaned = reader.clean(document, body)
        if cleaned is not body:
            original, content_type = cleaned, leftovers.JSON
        left = leftovers.whole(document, cleaned, original, content_type, finder)
        return Parsed((), identified=False, leftovers=(left,))
    if reader.batches(document):
        rest += leftovers.strays(document, body)
    cleaned_rest = [Stray(stray.document, reader.clean(stray.document, stray.body)) for stray in rest]
    return Parsed(tuple(updates), identified=True, leftovers=tuple(leftovers.each(cleaned_rest, finder)))


def found_in(reader: Reader, document: Any, body: bytes, until: int) -> Iterator[TrackingUpdate | Stray]:
    """Each update, and each object that contains none and is not a probe."""
    if isinstance(document, dict):  # the usual case needs one generator less
        return _found_in_item(reader, document, body, until)
    if isinstance(document, list) and not reader.batches(document):
        return _found_in_item(reader, document, body, until)
    found = reports(document, body)
    if not found and not leftovers.is_empty(document):
        return iter((Stray(document, body),))  # JSON in a text, arrays in an array: no object, but not nothing
    return chain.from_iterable(_found_in_item(reader, item, raw, until) for item, raw in found)


def _found_in_item(reader: Reader, item: Any, raw: bytes, until: int) -> Iterator[TrackingUpdate | Stray]:
    empty = True
    for found in reader.updates(item, raw, until):
        empty = False
        yield found
    if empty and not reader.probe(item):
        yield Stray(item, raw)


def body_key(aggregator: Reader | str, document: Any) -> str | None:
    """The key in the body itself; None if this aggregator's bodies contain none."""
    find = reader_of(aggregator).body_key
    if find is None:
        return None
    document, _ = unwrap(document, b"")
    items = document if isinstance(document, list) else (document,)
    return next((key for item in items if isinstance(item, dict) and (key := find(item))), None)


def _without(finder: SecretFinder, update: TrackingUpdate) -> TrackingUpdate:
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
        unknown_values=tuple([finder.clean(value) or "" for value in update.unknown_values]),
        remark=finder.clean(update.remark),
        location=finder.clean(update.location),
        qc_reasons=tuple(finder.clean(reason) or "" for reason in update.qc_reasons),
        proof_of_delivery=finder.clean(update.proof_of_delivery),
        occurred_at_text=finder.clean(update.occurred_at_text),
    )
