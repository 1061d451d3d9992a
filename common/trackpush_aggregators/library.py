"""The catalog of definitions, and the check of AggregatorDefinitions, for those who compile routing tables."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from trackpush_aggregators.catalog import catalog_names, catalog_spec
from trackpush_aggregators.definition import examine
from trackpush_api.aggregators.defined import definition_of
from trackpush_api.definitions import DefinitionLibrary, DefinitionObjection
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.problems import Reason
from trackpush_api.routing import Definition
from trackpush_api.vocabulary import AggregatorName


class LazyCatalog(Mapping[AggregatorName, Definition]):
    """The catalog's definitions, each read when it is first needed: most commands need none."""

    def __getitem__(self, name: AggregatorName) -> Definition:
        return _definition(name)

    def __iter__(self) -> Iterator[AggregatorName]:
        return iter(catalog_names())

    def __len__(self) -> int:
        return len(catalog_names())

    def __contains__(self, name: object) -> bool:
        return name in catalog_names()


@lru_cache(maxsize=64)
def _definition(name: AggregatorName) -> Definition:
    spec = catalog_spec(name)
    if spec is None:
        raise KeyError(name)
    return definition_of(name, spec)


def objections(name: AggregatorName, spec: AggregatorDefinitionSpec) -> Iterator[DefinitionObjection]:
    """The mistakes in a definition; if there is none, the differences that its samples show."""
    examined = examine(name, spec)
    for fault in examined.faults:
        yield DefinitionObjection(fault.field, fault.message)
    places = {sample.name: number for number, sample in enumerate(spec.samples)}
    for failure in examined.failures:
        yield DefinitionObjection(f"spec.samples[{places[failure.sample]}]", str(failure), Reason.SAMPLES_FAIL)


LIBRARY: Final = DefinitionLibrary(catalog=LazyCatalog(), objections=objections)
