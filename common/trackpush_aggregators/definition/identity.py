"""What makes two reports the same update: the fields, words and paths of ``identity``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from trackpush_aggregators.definition.faults import FaultList, InvalidPartError
from trackpush_aggregators.definition.paths import Scope, written
from trackpush_aggregators.definition.sources import Sources
from trackpush_aggregators.parsed import Meaning
from trackpush_aggregators.updates import rfc3339
from trackpush_api.suggestions import did_you_mean

AWB: Final = "awb"
STATUS: Final = "status"
DIRECTION: Final = "direction"
OCCURRED_AT: Final = "occurredAt"


class Values(NamedTuple):
    """The values of an update that its identity may consist of."""

    shipment: str
    """The AWB; without one, the name of the shipment's lane."""
    meaning: Meaning
    occurred_at: int | None
    occurred_at_text: str | None
    fields: dict[str, Any]
    """Other fields, by their names in `tracking_update`."""


Part = Callable[[Scope, Values], str | None]


class UpdateIdentity(NamedTuple):
    """The values that make two reports the same update."""

    values: tuple[str | None, ...]
    has_time: bool


class CompiledIdentity(NamedTuple):
    """The identity of a definition's updates."""

    parts: tuple[Part, ...]
    has_time: bool
    naming: tuple[int, ...]
    """The places of the parts that tell shipments or events apart: all but the words status, direction, occurredAt."""

    def of(self, scope: Scope, values: Values) -> UpdateIdentity:
        """The identity of an update.

        If a body has none of the members that name the shipment or the event, the default identity is added:
        reports of different shipments would be the same update otherwise, and all but the first would be lost.
        """
        found = [part(scope, values) for part in self.parts]
        if any(found[place] for place in self.naming):
            return UpdateIdentity(tuple(found), self.has_time)
        default = [_WORDS[word](scope, values) for word in (AWB, STATUS, OCCURRED_AT)]
        return UpdateIdentity((*found, *default), has_time=True)


_WORDS: Final[dict[str, Part]] = {
    AWB: lambda _, values: values.shipment,
    STATUS: lambda _, values: values.meaning.code or values.meaning.label,
    DIRECTION: lambda _, values: values.meaning.direction,
    OCCURRED_AT: lambda _, values: (
        values.occurred_at_text if values.occurred_at is None else rfc3339(values.occurred_at)
    ),
}

_COMMON: Final = frozenset({STATUS, DIRECTION, OCCURRED_AT})
"""Words whose values different shipments have in common."""


def compile_identity(
    parts: Sequence[str], fields: Mapping[str, str], sources: Sources, faults: FaultList
) -> CompiledIdentity:
    """The identity; ``fields`` are the other fields: their names in a resource and in `tracking_update`."""
    made = []
    for number, part in enumerate(parts):
        try:
            made.append(_part(part, fields, sources))
        except InvalidPartError as error:
            known = did_you_mean(part, [*_WORDS, *fields])
            faults.add(f"spec.identity[{number}]", f"no field {part!r}{known} Or write a path: {error}")
    naming = tuple(number for number, part in enumerate(parts) if part not in _COMMON)
    if not naming:
        faults.add("spec.identity", "names no shipment, so that different shipments would be the same update; add awb")
    return CompiledIdentity(tuple(made), OCCURRED_AT in parts, naming)


def _part(part: str, fields: Mapping[str, str], sources: Sources) -> Part:
    if part in _WORDS:
        return _WORDS[part]
    if part in fields:
        name = fields[part]
        return lambda _, values: _text(values.fields.get(name))
    get = sources.path(part)
    return lambda scope, _: written(get(scope))


def _text(value: Any) -> str | None:
    return ",".join(value) if isinstance(value, list) else written(value)
