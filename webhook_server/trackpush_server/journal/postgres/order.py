"""Announces commits in their order, though answers of several connections may come in another. Pure.

A commit is announced when no call can still be under way that got lower ids: those that were sent after its answer was
here get higher ones, as each gets its ids from the counter that the one before has moved on.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class InOrder(Generic[T]):
    """Calls are `sent`, then `answered` or `failed`; ``announce`` is called with each answer, by its first id."""

    def __init__(self, announce: Callable[[T], None]) -> None:
        self._announce = announce
        self._under_way: set[int] = set()
        self._held: list[tuple[int, T, set[int]]] = []
        """First id, answer, and the calls that may have got lower ids."""
        self._number = 0

    def sent(self) -> int:
        """A call begins; its number."""
        self._number += 1
        self._under_way.add(self._number)
        return self._number

    def answered(self, call: int, first_id: int, answer: T) -> None:
        """It was stored; ``first_id`` is 0 when it got no ids."""
        self._end(call)
        self._held.append((first_id, answer, set(self._under_way) if first_id else set()))
        self._held.sort(key=lambda held: held[0])
        self._release()

    def failed(self, call: int) -> None:
        """It was not stored, and never will be."""
        self._end(call)
        self._release()

    def _end(self, call: int) -> None:
        self._under_way.discard(call)
        for _, _, waits_for in self._held:
            waits_for.discard(call)

    def _release(self) -> None:
        while self._held and not self._held[0][2]:
            _, answer, _ = self._held.pop(0)
            self._announce(answer)
