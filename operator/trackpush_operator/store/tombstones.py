"""Deletions, remembered while lists are under way: a list that began before one must not bring the object back."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Tombstones:
    """Resource versions at which objects were deleted."""

    def __init__(self) -> None:
        self._lists = 0
        self._dug: dict[Hashable, int] = {}

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """While a list is under way; may be nested and overlap."""
        self._lists += 1
        try:
            yield
        finally:
            self._lists -= 1
            if not self._lists:
                self._dug.clear()

    def dig(self, what: Hashable, version: int) -> None:
        """Note a deletion."""
        if self._lists:
            self._dug[what] = max(version, self._dug.get(what, 0))

    def hold(self, what: Hashable, version: int) -> bool:
        """Whether this state of it is older than its deletion."""
        return bool(self._dug) and self._dug.get(what, -1) >= version
