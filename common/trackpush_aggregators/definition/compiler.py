"""Compiles the spec of an AggregatorDefinition to a reader of bodies. Pure. docs/aggregator-definitions.md."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from pydantic.alias_generators import to_camel

from trackpush_aggregators import details
from trackpush_aggregators.definition.calculation import Calculations
from trackpush_aggregators.definition.defined import REFERENCES, CompiledParts, DefinedReader
from trackpush_aggregators.definition.faults import FaultList, InvalidDefinitionError
from trackpush_aggregators.definition.identity import compile_identity
from trackpush_aggregators.definition.moments import Zone
from trackpush_aggregators.definition.occurrence import Times
from trackpush_aggregators.definition.paths import BODY, Variables, member_names
from trackpush_aggregators.definition.removal import Names, Removal
from trackpush_aggregators.definition.sources import Read, ReadValue, Sources, nothing
from trackpush_aggregators.definition.statuses import (
    DIRECTION_NAMES,
    DIRECTIONS,
    StatusTable,
    direction_of,
    fold,
    meanings,
    spellings,
    status_table,
)
from trackpush_aggregators.definition.steps import ListStep
from trackpush_aggregators.reader import Reader
from trackpush_api.kinds.aggregator_definition import (
    AggregatorDefinitionSpec,
    DefinedFields,
    DirectionSpec,
    ValueSource,
)
from trackpush_api.vocabulary import Direction

TEXTS: Final = ("courier", "order_id", "forward_awb", "return_reference", "return_awb", "remark", "location")
"""Fields whose value is the text itself."""
_CONVERTED: Final[Mapping[str, ReadValue]] = {
    "attempt": details.attempt,
    "qc_result": details.qc_result,
    "qc_reasons": details.reasons,
    "proof_of_delivery": details.link,
    "otp_verified": details.verified,
}
"""Fields whose value is converted."""
_DAYS: Final = ("estimated_delivery", "revised_delivery")
_FIELDS: Final = {to_camel(name): name for name in (*TEXTS, *_DAYS, *_CONVERTED)}
"""Names in a resource, and in `tracking_update`."""
DIRECTION: Final = "direction"
"""In ``status.code``, the word for the direction of the goods; all other entries are paths."""


def compile_definition(name: str, spec: AggregatorDefinitionSpec) -> Reader:
    """The reader of a definition.

    Raises:
        InvalidDefinitionError: all mistakes that were found.
    """
    faults = FaultList()
    names, steps = compile_steps(spec, faults)
    variables = Variables(names, implicit=not steps)
    sources = Sources(variables, Calculations(names))
    parts = _parts(spec, sources, faults)
    removal = _removal(spec.redact, variables, steps, faults)
    reader = DefinedReader(name, steps, parts, removal)
    if faults.found:
        raise InvalidDefinitionError(tuple(faults.found))
    return Reader(name=name, updates=reader.updates, batches=reader.batches, probe=reader.probe, clean=removal.clean)


def compile_steps(spec: AggregatorDefinitionSpec, faults: FaultList) -> tuple[list[str], tuple[ListStep, ...]]:
    """The names of the variables, and the steps."""
    names, steps = [BODY], []
    for number, step in enumerate(spec.updates):
        field = f"spec.updates[{number}]"
        variables = Variables(names, implicit=False)
        paths = []
        for place, path in enumerate(step.in_):
            where = f"{field}.in[{place}]" if len(step.in_) > 1 else f"{field}.in"
            found = faults.attempt(where, partial(variables.path, path), None)
            if found is None:
                continue
            if found.variable != number:
                faults.add(where, f"{path!r} must begin with {names[-1]}, the element of the step before")
            paths.append(found)
        steps.append(ListStep(paths))
        if step.as_ in names:
            faults.add(f"{field}.as", f"{step.as_} is used already; choose another name")
        names.append(step.as_)
    return names, tuple(steps)


def _parts(spec: AggregatorDefinitionSpec, sources: Sources, faults: FaultList) -> CompiledParts:
    fields, status = spec.fields, spec.status
    zone = faults.attempt("spec.timezone", lambda: Zone(spec.timezone), Zone("UTC"))
    times = Times(sources, zone)

    def text(name: str) -> Read:
        return faults.attempt(_field(name), lambda: sources.text(getattr(fields, name)), nothing)

    read_time, moment = faults.attempt(
        _field("occurred_at"), lambda: times.moment(fields.occurred_at), times.moment(None)
    )
    no_code: tuple[Read, ...] = ()
    direction, directions = _direction(spec.direction, sources, faults), _directions(spec.direction)
    words = {} if spec.direction is None else {DIRECTION: _named(direction, directions)}
    codes = faults.attempt("spec.status.code", lambda: sources.parts(status.code, words), no_code)
    table = status_table(status.table, len(codes), faults) if codes else StatusTable(())
    if fields.awb is None and all(getattr(fields, name) is None for name in REFERENCES):
        faults.add("spec.fields", "nothing names the shipment; write awb, or orderId, forwardAwb or returnReference")
    return CompiledParts(
        awb=text("awb"),
        fields=_fields(fields, sources, times, faults),
        occurred_at_text=read_time,
        occurred_at=moment,
        reason=text("ndr_reason"),
        test=text("test"),
        codes=codes,
        label=faults.attempt("spec.status.label", lambda: sources.text(status.label), nothing),
        direction=direction,
        meaning=meanings(table, directions),
        identity=compile_identity(spec.identity, _FIELDS, sources, faults),
    )


def _fields(
    fields: DefinedFields, sources: Sources, times: Times, faults: FaultList
) -> tuple[tuple[str, ReadValue], ...]:
    """A function for each field that the definition has, beside those that `CompiledParts` names."""
    made: list[tuple[str, ReadValue]] = []
    otherwise: ReadValue = nothing
    for name in _FIELDS.values():
        source = getattr(fields, name)
        if source is None:
            continue
        if name in _DAYS:
            compiled: Callable[[], ReadValue] = partial(times.day, source)
        elif name in _CONVERTED:
            compiled = partial(_converted, sources, source, _CONVERTED[name])
        else:
            compiled = partial(sources.text, source)
        made.append((name, faults.attempt(_field(name), compiled, otherwise)))
    return tuple(made)


def _converted(sources: Sources, source: ValueSource, convert: ReadValue) -> ReadValue:
    read = sources.value(source)
    return lambda scope: convert(read(scope))


def _direction(direction: DirectionSpec | None, sources: Sources, faults: FaultList) -> Read:
    source = None if direction is None else direction.of
    return faults.attempt("spec.direction.of", lambda: sources.text(source), nothing)


def _directions(direction: DirectionSpec | None) -> Mapping[str, Direction]:
    table = {} if direction is None else direction.table
    return {fold(part): DIRECTIONS[name] for value, name in table.items() for (part,) in spellings([value])}


def _named(read: Read, directions: Mapping[str, Direction]) -> Read:
    """The name of the direction, as rows of the table have it."""
    return lambda scope: DIRECTION_NAMES[direction_of(read(scope), directions)]


def _removal(paths: Sequence[str], variables: Variables, steps: tuple[ListStep, ...], faults: FaultList) -> Removal:
    """What to remove. Paths of a step's variable are continued to the body, along each of the step's paths."""
    removed: list[Names] = []
    lists = _lists(steps)
    for number, written in enumerate(paths):
        field = f"spec.redact[{number}]"
        path = faults.attempt(field, partial(variables.path, written), None)
        if path is None:
            continue
        found = [(*outer, *member_names(path)) for outer in lists[path.variable]]
        if not member_names(path) or any(
            names == inner[: len(names)] for names in found for inner in lists[min(1, len(steps))]
        ):
            faults.add(field, f"{written!r} contains the updates themselves; name a member of them")
            continue
        removed += found
    return Removal(removed)


def _lists(steps: tuple[ListStep, ...]) -> list[list[Names]]:
    """For each variable, the names on the way from the body to it."""
    lists: list[list[Names]] = [[()]]
    for step in steps:
        lists.append([(*outer, *member_names(path)) for outer in lists[-1] for path in step.paths])
    return lists


def _field(name: str) -> str:
    return f"spec.fields.{to_camel(name)}"
