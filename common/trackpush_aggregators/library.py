"""The catalog, and the check of AggregatorDefinitions, for the compilation of routing tables."""

from collections.abc import Iterator
from typing import Final

from trackpush_aggregators.catalog import CATALOG
from trackpush_aggregators.definition import examine
from trackpush_api.definitions import DefinitionLibrary, DefinitionObjection
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.problems import Reason
from trackpush_api.vocabulary import AggregatorName


def objections(name: AggregatorName, spec: AggregatorDefinitionSpec) -> Iterator[DefinitionObjection]:
    """The mistakes in a definition; if there is none, the differences that its samples show."""
    examined = examine(name, spec)
    for fault in examined.faults:
        yield DefinitionObjection(fault.field, fault.message)
    places = {sample.name: number for number, sample in enumerate(spec.samples)}
    for failure in examined.failures:
        yield DefinitionObjection(f"spec.samples[{places[failure.sample]}]", str(failure), Reason.SAMPLES_FAIL)


LIBRARY: Final = DefinitionLibrary(catalog=CATALOG, objections=objections)
