"""Shows where the values of an update come from, for the author of a definition."""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic.alias_generators import to_camel

from trackpush_aggregators.definition.samples import shown
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, DefinedFields, ValueSource
from trackpush_api.vocabulary import Status


class SourcedValue(NamedTuple):
    """One value of an update, and its source in words."""

    field: str
    found: str | None
    source: str


def sourced_values(spec: AggregatorDefinitionSpec, update: TrackingUpdate) -> Iterator[SourcedValue]:
    """The values of an update: status and direction first, then the fields that are defined."""
    row = "no row matches" if update.status is Status.UNKNOWN else "the first row that matches"
    yield SourcedValue("status", shown("status", update), row)
    direction = "row or status" if spec.direction is None else f"row, status, or {_source(spec.direction.of)}"
    yield SourcedValue("direction", shown("direction", update), direction)
    yield SourcedValue("code", shown("code", update), _source(spec.status.code, " / "))
    if spec.status.label is not None:
        yield SourcedValue("label", shown("label", update), _source(spec.status.label))
    for attribute in DefinedFields.model_fields:
        source = getattr(spec.fields, attribute)
        if source is not None:
            name = to_camel(attribute)
            yield SourcedValue(name, shown(name, update), _source(source))
    if update.occurred_at is None and update.occurred_at_text is not None:
        yield SourcedValue("occurredAtText", update.occurred_at_text, "the time, which can't be read")


def _source(source: ValueSource, between: str = " or ") -> str:
    if source.cel is not None:
        return source.cel
    paths = " + ".join(source.join) if source.join is not None else between.join(source.candidates)
    return paths if source.formats is None else f"{paths} as {' or '.join(source.formats)}"
