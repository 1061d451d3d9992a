"""Stores one entry alone, after its batch failed because the store rejected a value."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from trackpush_server.journal.model import JournalUnavailableError

_Entry = TypeVar("_Entry")


class SingleEntry(Generic[_Entry]):
    """Tries to store one entry: first unchanged, then cleaned, so that only unstorable entries are changed.

    Iterate over `attempts`, and call `reject` when the store rejects a value.
    """

    def __init__(self, entry: _Entry, clean: Callable[[_Entry], _Entry]) -> None:
        self._entry = entry
        self._clean = clean
        self.refusal: JournalUnavailableError | None = None
        """Why both attempts were rejected; None if one was stored, or if it failed for another reason than a value."""

    def attempts(self) -> Iterator[_Entry]:
        """Yields the entry to store; ends after an attempt that was not rejected."""
        for make in (_as_it_is, self._clean):
            self.refusal = None
            yield make(self._entry)
            if self.refusal is None:
                return

    def reject(self, error: Exception, reason: object = None) -> None:
        """Record that the store rejected a value of this attempt; ``reason`` replaces the error's own message."""
        self.refusal = JournalUnavailableError(f"this can't be stored: {type(error).__name__}: {reason or error}")


def _as_it_is(entry: _Entry) -> _Entry:
    return entry
