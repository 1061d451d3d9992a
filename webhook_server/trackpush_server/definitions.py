"""The definitions of aggregators that a server uses, and the readers that they compile to.

A reader is compiled once for each content of a definition, so a new routing table with the same definitions costs
nothing.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import structlog

from trackpush_aggregators import Reader, Readers
from trackpush_aggregators.catalog import CATALOG
from trackpush_aggregators.definition import InvalidDefinitionError, reader_of_definition
from trackpush_aggregators.parsed import Stray
from trackpush_api.aggregators.defined import in_use
from trackpush_api.routing import Definition
from trackpush_api.vocabulary import AggregatorName

_LONGEST_REASON: Final = 300
_log = structlog.get_logger("trackpush.definitions")


def definitions_in_use(given: tuple[Definition, ...]) -> Mapping[AggregatorName, Definition]:
    """The definitions of the server's namespace, and those of the catalog whose name and path are free."""
    return in_use(given, CATALOG)


@lru_cache(maxsize=4)
def readers_of(given: tuple[Definition, ...]) -> Readers:
    """The readers of all aggregators of a server; ``given`` are the definitions of its routing table."""
    return Readers(compiled(definition) for definition in definitions_in_use(given).values())


@lru_cache(maxsize=1024)
def compiled(definition: Definition) -> Reader:
    """The reader of a definition.

    The operator has compiled it before, but may be of another version. If it can't be compiled here, all bodies are
    kept in the inbox.
    """
    try:
        return reader_of_definition(definition)
    except InvalidDefinitionError as error:
        _log.error(
            "definition_unusable",
            definition=definition.name,
            reason="this version of the server can't compile it, so all bodies are kept in the inbox:"
            f" update server and operator to the same version ({str(error)[:_LONGEST_REASON]})",
        )
        return _unreadable(definition)


def _unreadable(definition: Definition) -> Reader:
    """Finds no update: every body is kept in the inbox, until a definition that can be compiled replaces this one."""

    def no_updates(document: Any, body: bytes, _: int) -> list[Stray]:
        return [Stray(document, body)]

    return Reader(name=definition.name, updates=no_updates)
