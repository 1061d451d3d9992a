"""The readers of a routing table's definitions."""

import msgspec
from pydantic import ValidationError

from trackpush_aggregators.definition.compiler import compile_definition
from trackpush_aggregators.definition.faults import DefinitionFault, InvalidDefinitionError
from trackpush_aggregators.reader import Reader
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.routing import Definition


def reader_of_definition(definition: Definition) -> Reader:
    """The reader of a definition in a routing table.

    Raises:
        InvalidDefinitionError: it can't be read, for example because another version wrote the table.
    """
    try:
        spec = AggregatorDefinitionSpec.model_validate(msgspec.json.decode(definition.spec))
    except (ValidationError, msgspec.DecodeError) as error:
        raise InvalidDefinitionError((DefinitionFault("spec", str(error).partition("\n")[0]),)) from None
    return compile_definition(definition.name, spec)
