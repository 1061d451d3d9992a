"""Explains why a body gives no update, for the author of a definition. Pure."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from trackpush_aggregators.definition.compiler import compile_steps
from trackpush_aggregators.definition.defined import REFERENCES
from trackpush_aggregators.definition.faults import FaultList
from trackpush_aggregators.definition.leaves import first_object
from trackpush_aggregators.definition.paths import Scope, Variables, step_into
from trackpush_aggregators.definition.steps import elements_of
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.plurals import counted
from trackpush_api.suggestions import closest

_MOST_SHOWN = 64
"""Characters of a member's name."""
_MOST_COMPARED = 200
"""Members of an object that a wrong name is compared with."""


def why_no_update(spec: AggregatorDefinitionSpec, document: Any) -> str:
    """What is empty: the first step that finds no element, or the fields that name a shipment."""
    names, steps = compile_steps(spec, FaultList())
    begins_inside = bool(steps) and not all(path.segments for path in steps[0].paths)
    scopes: list[Scope] = [(document if begins_inside else first_object(document),)]
    for number, step in enumerate(steps):
        variables = Variables(names[: number + 1], implicit=False)
        inner = [
            (*scope, element)
            for scope in scopes
            if (found := step.find(scope)) is not None
            for element in elements_of(found[0])
        ]
        if not inner:
            return _empty(spec.updates[number].in_, variables, scopes)
        scopes = inner
    variables = Variables(names, implicit=not steps)
    return _empty(list(_naming_paths(spec)), variables, scopes)


def _naming_paths(spec: AggregatorDefinitionSpec) -> Iterator[str]:
    """The paths of the fields that can name a shipment."""
    for name in ("awb", *REFERENCES):
        source = getattr(spec.fields, name)
        if source is not None:
            yield from source.join or source.candidates


def _empty(paths: Sequence[str], variables: Variables, scopes: Sequence[Scope]) -> str:
    if not paths:
        return "the expressions that name a shipment give nothing"
    hint = next(filter(None, (_near_member(path, variables, scopes[0]) for path in paths)), "")
    where = "" if len(scopes) == 1 else f" in all {counted(len(scopes), 'element')}"
    verb = "is" if len(paths) == 1 else "are"
    return f"{', '.join(paths)} {verb} empty{where}{hint}"


def _near_member(written: str, variables: Variables, scope: Scope) -> str:
    """The member that the path probably means, where it names one that is not there."""
    path = variables.path(written)
    value = scope[path.variable]
    for segment in path.segments:
        if isinstance(value, dict) and isinstance(segment, str) and segment not in value:
            near = closest(segment, islice(value, _MOST_COMPARED))
            return "" if near is None else f"; did you mean {near[:_MOST_SHOWN]}?"
        value = step_into(value, segment)
    return ""
