"""A source of routing tables: a folder taken as a whole, or shards that are taken one by one."""

from collections.abc import Hashable
from typing import Protocol

import msgspec

from trackpush_api.routing import RoutingTable


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What one reading gave.

    A source that is taken as a whole gives a table only when nothing is wrong. One of parts may give both: the table
    holds the last good version of each part, and the problems say which parts are not as they should be.
    """

    table: RoutingTable | None
    """The same object as long as nothing changed: that is how a new table is told from the old one."""
    problems: tuple[str, ...] = ()
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
        """Changes whenever the next `load` may give something else. Cheap.

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
