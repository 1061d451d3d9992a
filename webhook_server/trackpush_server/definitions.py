"""The definitions of aggregators that a server uses, and the readers that they compile to.

A reader is compiled once for each content of a definition, so a new routing table with the same definitions costs
nothing.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from trackpush_aggregators import Reader, Readers
from trackpush_aggregators.parsed import Stray
from trackpush_api.routing import Definition
from trackpush_api.vocabulary import AggregatorName

_CATALOG: Final[Mapping[AggregatorName, Definition]] = {}


def definitions_in_use(given: tuple[Definition, ...]) -> Mapping[AggregatorName, Definition]:
    """The catalog's definitions and those of the server's namespace, which replace the catalog's of the same name."""
    return {**_CATALOG, **{definition.name: definition for definition in given}}


def readers_of(given: tuple[Definition, ...]) -> Readers:
    """The readers of all aggregators of a server; ``given`` are the definitions of its routing table."""
    return Readers(compiled(definition) for definition in definitions_in_use(given).values())


@lru_cache(maxsize=1024)
def compiled(definition: Definition) -> Reader:
    """The reader of a definition."""
    return _unreadable(definition)


def _unreadable(definition: Definition) -> Reader:
    """Finds no update: every body is kept in the inbox, until a definition that can be compiled replaces this one."""

    def no_updates(document: Any, body: bytes, _: int) -> list[Stray]:
        return [Stray(document, body)]

    return Reader(name=definition.name, updates=no_updates)
