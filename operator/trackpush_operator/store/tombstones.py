"""Tombstones: deletions that are remembered while lists run.

A list that started before a deletion may still contain the object, and must not restore it.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Tombstones:
    """Resource versions at which objects were deleted."""

    def __init__(self) -> None:
        self._lists = 0
        self._deleted: dict[Hashable, int] = {}

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Remember deletions during the block, in which a list runs. Blocks may be nested and overlap."""
        self._lists += 1
        try:
            yield
        finally:
            self._lists -= 1
            if not self._lists:
                self._deleted.clear()

    def record(self, what: Hashable, version: int) -> None:
        """Record a deletion."""
        if self._lists:
            self._deleted[what] = max(version, self._deleted.get(what, 0))

    def is_deleted(self, what: Hashable, version: int) -> bool:
        """Whether this state of the object is older than its deletion."""
        return bool(self._deleted) and self._deleted.get(what, -1) >= version
