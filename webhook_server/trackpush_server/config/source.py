"""A source of routing tables: read and compiled as a whole, since half a configuration would drop clients."""

from collections.abc import Hashable
from typing import Protocol

import msgspec

from trackpush_api.routing import RoutingTable


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What one reading gave. There is a table only when nothing is wrong."""

    table: RoutingTable | None
    problems: tuple[str, ...] = ()
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
