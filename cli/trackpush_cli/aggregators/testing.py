"""The result of `trackpush aggregators test`: each definition with its mistakes and the failures of its samples."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from trackpush_aggregators import MalformedBodyError, Reader, TooManyUpdatesError
from trackpush_aggregators.definition import Examined, SampleFailure, examine
from trackpush_aggregators.definition.samples import updates_of
from trackpush_aggregators.definition.sourced import sourced_values
from trackpush_api.kinds.aggregator_definition import (
    AggregatorDefinitionSpec,
    DefinitionSample,
    objection_to_definition_name,
)
from trackpush_api.plurals import counted
from trackpush_api.problems import Problem
from trackpush_cli.aggregators.definitions import NamedDefinition
from trackpush_cli.output import print_data, print_table, say

_UNTESTED: Final = "no samples; add bodies that the aggregator really sent"


class DefinitionResult(msgspec.Struct, frozen=True):
    """One definition and what was found."""

    definition: NamedDefinition
    mistakes: tuple[Problem, ...]
    examined: Examined

    @property
    def passes(self) -> bool:
        return not self.mistakes and not self.examined.failures


def tested(definition: NamedDefinition) -> DefinitionResult:
    """Check one definition and its samples."""
    spec = definition.spec
    if spec is None:
        return DefinitionResult(definition, definition.problems, Examined(None))
    wrong = objection_to_definition_name(definition.name)
    if wrong is not None:
        return DefinitionResult(definition, (definition.resource.problem("metadata.name", wrong),), Examined(None))
    examined = examine(definition.name, spec)
    mistakes = tuple(definition.resource.problem(fault.field, fault.message) for fault in examined.faults)
    return DefinitionResult(definition, (*definition.problems, *mistakes), examined)


def print_results(results: Sequence[DefinitionResult], *, output: str, sample: str | None, verbose: bool) -> None:
    """Print everything that was found; the values and their sources as well, if asked for."""
    if output != "table":
        print_data([_plain(result) for result in results], output)
        return
    for result in results:
        if verbose or sample is not None:
            _print_values(result, sample)
        for mistake in result.mistakes:
            say(str(mistake))
        if result.passes:
            samples = result.definition.spec.samples if result.definition.spec else []
            passed = f"{counted(len(samples), 'sample')} passed"
            say(f"{result.definition.name}: {passed if samples else _UNTESTED}")
    failures = [(result.definition.name, failure) for result in results for failure in result.examined.failures]
    if failures:
        print_table(
            ("DEFINITION", "SAMPLE", "UPDATE", "FIELD", "FOUND", "EXPECTED"),
            [(name, *_columns(failure)) for name, failure in failures],
        )


def _columns(failure: SampleFailure) -> tuple[str, ...]:
    update = "" if failure.index is None else str(failure.index + 1)
    return failure.sample, update, failure.field, failure.found, failure.expected


def _plain(result: DefinitionResult) -> dict[str, Any]:
    return {
        "definition": result.definition.name,
        "passes": result.passes,
        "mistakes": [str(mistake) for mistake in result.mistakes],
        "failures": [
            {
                "sample": failure.sample,
                "update": failure.index,
                "field": failure.field,
                "found": failure.found,
                "expected": failure.expected,
            }
            for failure in result.examined.failures
        ],
    }


def _print_values(result: DefinitionResult, sample: str | None) -> None:
    spec, reader = result.definition.spec, result.examined.reader
    if spec is None or reader is None:
        return
    for each in spec.samples:
        if sample in {None, each.name}:
            for number, rows in enumerate(_values(spec, reader, each), 1):
                say(f"{result.definition.name}, sample {each.name}, update {number}:")
                print_table(("FIELD", "FOUND", "SOURCE"), rows)
                say()


def _values(
    spec: AggregatorDefinitionSpec, reader: Reader, sample: DefinitionSample
) -> Iterator[list[tuple[str, str, str]]]:
    try:
        updates = updates_of(reader, sample.body)
    except (MalformedBodyError, TooManyUpdatesError):  # a failure of the sample says so
        return
    for update in updates:
        yield [(value.field, value.found or "", value.source) for value in sourced_values(spec, update)]
