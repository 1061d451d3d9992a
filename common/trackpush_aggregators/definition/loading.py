"""The readers of a routing table's definitions."""

from trackpush_aggregators.definition.compiler import compile_definition
from trackpush_aggregators.definition.faults import DefinitionFault, InvalidDefinitionError
from trackpush_aggregators.reader import Reader
from trackpush_api.aggregators.defined import spec_of
from trackpush_api.routing import Definition


def reader_of_definition(definition: Definition) -> Reader:
    """The reader of a definition in a routing table.

    Raises:
        InvalidDefinitionError: it can't be read, for example because another version wrote the table.
    """
    try:
        spec = spec_of(definition)
    except ValueError as error:
        raise InvalidDefinitionError((DefinitionFault("spec", " ".join(str(error).split())),)) from None
    return compile_definition(definition.name, spec)
