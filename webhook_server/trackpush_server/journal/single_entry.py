"""Stores an entry alone after its batch failed for a value that the store does not take."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from trackpush_server.journal.model import JournalUnavailableError

_Entry = TypeVar("_Entry")


class SingleEntry(Generic[_Entry]):
    """The tries to store one entry: first as it is, then cleaned, so that only what can't be stored is changed.

    Go through `attempts`, and tell `reject` of a value that the store does not take.
    """

    def __init__(self, entry: _Entry, clean: Callable[[_Entry], _Entry]) -> None:
        self._entry = entry
        self._clean = clean
        self.refusal: JournalUnavailableError | None = None
        """Why it can't be stored at all; None when it was, or when something else than its values prevented it."""

    def attempts(self) -> Iterator[_Entry]:
        """What to store next; ends after an attempt that was not rejected."""
        for make in (_as_it_is, self._clean):
            self.refusal = None
            yield make(self._entry)
            if self.refusal is None:
                return

    def reject(self, error: Exception, reason: object = None) -> None:
        """The store does not take a value of this attempt; ``reason``: in better words than the error's own."""
        self.refusal = JournalUnavailableError(f"this can't be stored: {type(error).__name__}: {reason or error}")


def _as_it_is(entry: _Entry) -> _Entry:
    return entry
