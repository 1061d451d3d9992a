"""Finds entries of a direction table that mean the same value and give different directions. Pure.

They are a mistake when a definition is checked, and none when it is compiled: a server that has one uses one of them.
"""

from collections.abc import Iterator

from trackpush_aggregators.definition.faults import DefinitionFault
from trackpush_aggregators.definition.statuses import fold, spellings
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec


def ambiguous_directions(spec: AggregatorDefinitionSpec) -> Iterator[DefinitionFault]:
    """A fault for each entry that contradicts an earlier one."""
    found: dict[str, tuple[str, str]] = {}
    for value, direction in ({} if spec.direction is None else spec.direction.table).items():
        for (part,) in spellings([value]):
            other, its_direction = found.setdefault(fold(part), (value, direction))
            if its_direction != direction:
                yield DefinitionFault(
                    f"spec.direction.table.{value}",
                    f"{value!r} and {other!r} are the same value, because case, spaces and the spelling of flags do not"
                    " matter; remove one",
                )
                break
