"""A source of routing tables: a folder of resource files, or of shards."""

from collections.abc import Hashable
from typing import Protocol

import msgspec

from trackpush_api.routing import RoutingTable


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one reading.

    It may hold a table and problems: the table has the last good version of each part, and the problems say which parts
    are not as they should be.
    """

    table: RoutingTable | None
    """The same object as long as nothing changed: so a new table is another object than the old one."""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is served and is probably not meant so."""
    kept: tuple[str, ...] = ()
    """``Kind namespace/name`` of what is served as it was before, since it is broken or missing now."""
    complete: bool = True
    """False: a part of the table was never read, so a key that isn't in it may still be right."""
    waits: bool = False
    """Without a table: nothing is wrong enough to refuse the start; it may still come."""
    revisions: dict[str, str] = msgspec.field(default_factory=dict)
    """Per file or shard, a text that changes with it and tells nothing of what it holds."""


class Source(Protocol):
    """Blocking; called from a thread."""

    name: str
    """For people: which folder."""

    def fingerprint(self) -> Hashable:
        """A cheap value that changes whenever the next `load` may give something else.

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
