"""The steps from a body to its updates. The bytes of an element of the first step become the update's body."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from trackpush_aggregators.batch import feed
from trackpush_aggregators.definition.paths import FieldPath, Scope, Segment, getter, raw_at
from trackpush_aggregators.leftovers import is_empty, strays
from trackpush_aggregators.parsed import Stray
from trackpush_aggregators.values import index, is_indexed


class StepElement(NamedTuple):
    """One element of the first step, or the object itself if there are no steps."""

    scopes: Iterable[Scope]
    """Of each possible update in it."""
    value: Any
    raw: bytes
    segments: tuple[Segment, ...] = ()
    """Path of the list that contains it, from the body."""


Walk = Callable[[Any, bytes], Iterator[StepElement | Stray]]


def no_steps(item: Any, raw: bytes) -> Iterator[StepElement]:
    """The object is the only update."""
    yield StepElement(((item,),), item, raw)


class ListStep:
    """One step: the first of its paths whose value is not empty."""

    def __init__(self, paths: Sequence[FieldPath]) -> None:
        self.paths = tuple(paths)
        self._getters = [(path.segments, getter(path)) for path in paths]

    def find(self, scope: Scope) -> tuple[Any, tuple[Segment, ...]] | None:
        """The value of the list, and its path from the step's variable."""
        for segments, get in self._getters:
            found = get(scope)
            if not is_empty(found):
                return found, segments
        return None


def walk(steps: Sequence[ListStep]) -> Walk:
    """A function that finds the elements of a body. An element that is not an object is a stray."""
    first, later = steps[0], tuple(steps[1:])

    def elements(body: Any, raw: bytes) -> Iterator[StepElement | Stray]:
        found = first.find((body,))
        if found is None:
            return
        given, segments = found
        inside = raw_at(raw, segments)
        if inside is None or not isinstance(given, dict | list):
            return
        for element, its_raw in feed(given, inside):
            scope = (body, element)
            yield StepElement(nested(scope, later) if later else (scope,), element, its_raw, segments)
        for stray in strays(given, inside):
            yield Stray(*wrapped(stray.document, stray.body, segments))

    return elements


def nested(scope: Scope, steps: tuple[ListStep, ...]) -> Iterator[Scope]:
    """The scopes of the possible updates that these steps, at least one, find from a scope."""
    found = steps[0].find(scope)
    for element in () if found is None else elements_of(found[0]):
        inner = (*scope, element)
        if len(steps) > 1:
            yield from nested(inner, steps[1:])
        else:
            yield inner


def elements_of(value: Any) -> Iterable[Any]:
    """The elements of a list, of an object keyed "0", "1", …, or the only one; empty ones are left out."""
    if isinstance(value, dict) and is_indexed(value):
        value = [value[name] for name in sorted(value, key=index)]
    if isinstance(value, list):
        return [element for element in value if not is_empty(element)]
    return () if is_empty(value) else (value,)


def wrapped(value: Any, raw: bytes, segments: tuple[Segment, ...]) -> tuple[Any, bytes]:
    """An element in the body that it came in, without its neighbours: it can be parsed again like that."""
    document: Any = [value]
    encoded = b"[" + raw + b"]"
    for segment in reversed(segments):
        if isinstance(segment, str):
            document = {segment: document}
            encoded = msgspec.json.encode({segment: msgspec.Raw(encoded)})
        else:
            document, encoded = [document], b"[" + encoded + b"]"
    return document, encoded
