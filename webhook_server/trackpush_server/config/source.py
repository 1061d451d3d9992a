"""A source of routing tables: a folder of resource files, or of shards."""

from collections.abc import Hashable
from typing import Protocol

import msgspec

from trackpush_api.routing import RoutingTable


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one reading.

    It may have both a table and problems: then the table has the last good version of each part, and the problems name
    the parts whose current version is not used.
    """

    table: RoutingTable | None
    """The same object while nothing changed. So a different object means a new table."""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Valid configuration that is probably a mistake."""
    kept: tuple[str, ...] = ()
    """``Kind namespace/name`` of resources whose previous version is served, because the current one is invalid or
    missing.
    """
    complete: bool = True
    """If False, a part of the table was never read, so a key that isn't in it may still be valid."""
    waits: bool = False
    """If there is no table: no error prevents the start, because the table may still appear."""
    revisions: dict[str, str] = msgspec.field(default_factory=dict)
    """By file or shard: a text that changes with the content but does not reveal it."""


class Source(Protocol):
    """A source of routing tables. Blocking; called in a thread."""

    name: str
    """The folder, for messages."""

    def fingerprint(self) -> Hashable:
        """A cheap value that changes whenever the result of `load` may change.

        Raises:
            OSError: the source can't be read.
        """
        ...

    def load(self) -> Loaded:
        """Read and compile.

        Raises:
            OSError: the source can't be read.
        """
        ...
