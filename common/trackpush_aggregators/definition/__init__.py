"""AggregatorDefinitions: a definition's spec becomes a reader of bodies. docs/aggregator-definitions.md.

`compiler` is the entry point. Each of the other modules compiles one part of the spec to plain functions of a *scope*,
which contains the body and the current element of each step.
"""

from trackpush_aggregators.definition.compiler import compile_definition
from trackpush_aggregators.definition.faults import DefinitionFault, InvalidDefinitionError
from trackpush_aggregators.definition.loading import reader_of_definition
from trackpush_aggregators.definition.samples import Examined, SampleFailure, examine

__all__ = [
    "DefinitionFault",
    "Examined",
    "InvalidDefinitionError",
    "SampleFailure",
    "compile_definition",
    "examine",
    "reader_of_definition",
]
