"""Reads the updates of a body as a compiled definition says."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from trackpush_aggregators.canonical import NAME_LENGTH
from trackpush_aggregators.definition.identity import CompiledIdentity, Values
from trackpush_aggregators.definition.paths import Scope, member_names
from trackpush_aggregators.definition.removal import Removal
from trackpush_aggregators.definition.sources import Read, ReadValue
from trackpush_aggregators.definition.statuses import Reported
from trackpush_aggregators.definition.steps import ListStep, no_steps, walk, wrapped
from trackpush_aggregators.leftovers import is_empty
from trackpush_aggregators.parsed import Meaning, Stray, tracking_update
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_aggregators.values import cut, flag

_UNTIMED = 0
"""The time in the key of an update whose identity contains no time: repeats are equal whatever their times are."""


REFERENCES: Final = {"forward_awb": "return", "return_reference": "return", "order_id": "order"}
"""Fields that name a shipment without an AWB, and the kind of its lane."""


class CompiledParts(msgspec.Struct, frozen=True, kw_only=True):
    """Functions that read the parts of one update."""

    awb: Read
    fields: tuple[tuple[str, ReadValue], ...]
    """The other fields that are defined, by their names in `tracking_update`."""
    occurred_at_text: Read
    occurred_at: Callable[[str, int], int | None]
    reason: Read
    test: Read
    codes: tuple[Read, ...]
    label: Read
    direction: Read
    meaning: Callable[[Reported], Meaning]
    identity: CompiledIdentity


class DefinedReader:
    """The reader of one definition."""

    def __init__(self, name: str, steps: tuple[ListStep, ...], parts: CompiledParts, removal: Removal) -> None:
        self._name = name
        self._parts = parts
        self._steps = steps
        self._walk = walk(steps) if steps else no_steps
        lists = steps[0].paths if steps else ()
        self._inner = {(): removal} | {path.segments: removal.within(member_names(path)) for path in lists}
        self._list_names = {path.segments[0] for path in lists if path.segments}
        self._begins_with_object = all(path.segments and isinstance(path.segments[0], str) for path in lists)
        fields = dict(parts.fields)
        self._references = [(fields[name], kind) for name, kind in REFERENCES.items() if name in fields]

    def batches(self, document: Any) -> bool:
        """Whether each object of a list is a body of its own. It is not if the first step walks through that list."""
        return isinstance(document, list) and self._begins_with_object

    def probe(self, item: Any) -> bool:
        """Whether a body is empty, or contains only an empty list of updates."""
        if is_empty(item):
            return True
        return isinstance(item, dict) and item.keys() <= self._list_names and all(map(is_empty, item.values()))

    def updates(self, item: Any, body: bytes, until: int) -> Iterator[TrackingUpdate | Stray]:
        """The updates of a body. `trackpush_aggregators.times` describes ``until``.

        An element of the first step that contains no update is a stray.
        """
        for element in self._walk(item, body):
            if isinstance(element, Stray):
                yield element
                continue
            cleaned: bytes | None = None
            for scope in element.scopes:
                shipment = self._shipment(scope)
                if shipment is not None:
                    if cleaned is None:
                        cleaned = self._inner[element.segments].clean(element.value, element.raw)
                    yield self._update(scope, shipment, cleaned, until)
            if cleaned is None and self._steps and element.value:
                yield Stray(*wrapped(element.value, element.raw, element.segments))

    def _shipment(self, scope: Scope) -> "_Shipment | None":
        """The shipment of an update; None if no member names it."""
        awb = self._parts.awb(scope)
        if awb is not None:
            return _Shipment(awb, awb)
        for read, kind in self._references:
            name = read(scope)
            if name is not None:
                return _Shipment(f"{kind}:{name}", None)
        return None

    def _update(self, scope: Scope, shipment: "_Shipment", body: bytes, until: int) -> TrackingUpdate:
        parts = self._parts
        fields: dict[str, Any] = {name: read(scope) for name, read in parts.fields}
        written = parts.occurred_at_text(scope)
        occurred_at = None if written is None else parts.occurred_at(written, until)
        meaning = parts.meaning(
            Reported(
                tuple([cut(read(scope), NAME_LENGTH) for read in parts.codes]),
                cut(parts.label(scope), NAME_LENGTH),
                cut(parts.direction(scope), NAME_LENGTH),
                cut(parts.reason(scope), NAME_LENGTH),
            )
        )
        identity = parts.identity.of(scope, Values(shipment.name, meaning, occurred_at, written, fields))
        return tracking_update(
            self._name,
            meaning,
            identity=identity.values,
            identified_at=None if identity.has_time else _UNTIMED,
            shipment=shipment.name,
            awb=shipment.awb,
            occurred_at=occurred_at,
            occurred_at_text=written,
            test=flag(parts.test(scope)) is True,
            body=body,
            **fields,
        )


class _Shipment(NamedTuple):
    """The name of the shipment's lane, and its AWB."""

    name: str
    awb: str | None
