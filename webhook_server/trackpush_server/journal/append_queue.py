"""What waits for a commit: how much it is, and what becomes of it. Both adapters queue by it.

The adapters' queues differ, since a thread takes from one and a task from the other. What the event loop knows of them
does not: their bounds, the journal's state and figures, and the futures of requests.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from trackpush_server.journal.listener import JournalListeners
from trackpush_server.journal.model import Committed, JournalStats, JournalUnavailableError, NewUpdate

_T = TypeVar("_T")
MOST_QUEUED_UPDATES: Final = 20_000
MOST_QUEUED_BYTES: Final = 32 * 1024 * 1024
MOST_QUEUED_UNRECOGNISED_BYTES: Final = 16 * 1024 * 1024
PER_ENTRY_BYTES: Final = 512
"""What an update or an unrecognised body takes in memory beside its texts."""


class Append(msgspec.Struct, frozen=True, eq=False):
    """One request's updates, all or none."""

    updates: tuple[NewUpdate, ...]
    done: asyncio.Future[int]
    number: int = 0
    """Grows with each entry of a queue that counts them."""


class CommitResult(msgspec.Struct, kw_only=True):
    """What one commit stored."""

    committed: list[Committed] = msgspec.field(default_factory=list)
    """The new updates, in order."""
    appends: list[tuple[Append, int]] = msgspec.field(default_factory=list)
    """Each request, and how many of its updates were new."""
    outcomes: int = 0
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """New updates and outcomes."""
        return len(self.committed) + self.outcomes


class AppendQueue:
    """Used on the event loop."""

    def __init__(self, listeners: JournalListeners, *, waits_for: str) -> None:
        """``waits_for``: what commits wait for, for the errors of refused requests."""
        self.stats = JournalStats()
        self.unavailable: str | None = "the journal is not started"
        """Why nothing can be stored now, or None."""
        self.outcomes_waiting = 0
        """How many outcomes are not on disk yet."""
        self.closed = False
        self._listeners = listeners
        self._waits_for = waits_for
        self._waiting: set[asyncio.Future[int]] = set()
        """Of the appends that count as queued: a future outlives the copies of its append that are made to clean it."""
        self._bytes = 0

    def check(self) -> None:
        """See that something can be stored now.

        Raises:
            JournalUnavailableError: it can't.
        """
        if self.unavailable is not None:
            raise JournalUnavailableError(self.unavailable)

    def add(self, updates: Sequence[NewUpdate], *, number: int = 0) -> Append:
        """Count one request's updates as queued.

        Raises:
            JournalUnavailableError: the journal is unavailable, or too much is queued.
        """
        self.check()
        if self.stats.queued >= MOST_QUEUED_UPDATES or self._bytes >= MOST_QUEUED_BYTES:
            raise JournalUnavailableError(
                f"overloaded: {self.stats.queued} updates ({self._bytes} bytes) wait for the {self._waits_for}",
            )
        append = Append(tuple(updates), asyncio.get_running_loop().create_future(), number)
        self._waiting.add(append.done)
        self._count(append, 1)
        return append

    def store(self, result: CommitResult) -> None:
        """A commit has reached the disk: announce it, then resolve its appends."""
        stats = self.stats
        stats.commits += 1
        stats.commit_seconds += result.seconds
        stats.rows += result.rows
        stats.last_batch = result.rows
        self.outcomes_waiting -= result.outcomes
        if result.committed:
            self._listeners.announce(lambda listener: listener.on_commit(result.committed))
        for append, count in result.appends:
            self._remove(append)
            resolve(append.done, count)
        self._listeners.announce(lambda listener: listener.on_batch(result.seconds, result.rows))

    def refuse(self, appends: Iterable[Append], error: Exception) -> None:
        """These were not stored."""
        for append in appends:
            self._remove(append)
            fail(append.done, error)

    def give_up(self, outcomes: int) -> None:
        """So many outcomes will never be stored."""
        self.outcomes_waiting -= outcomes

    def change_state(self, reason: str | None) -> None:
        """The journal became unavailable, for this reason, or available again (None)."""
        if not self.closed:
            self.unavailable = reason
            self._listeners.announce(lambda listener: listener.on_state(reason))

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True
        self.unavailable = "the server is stopping"

    def _remove(self, append: Append) -> None:
        if append.done in self._waiting:  # otherwise it was refused before its answer came
            self._waiting.remove(append.done)
            self._count(append, -1)

    def _count(self, append: Append, sign: int) -> None:
        self.stats.queued += sign * len(append.updates)
        self._bytes += sign * sum([_size(update) for update in append.updates])


def resolve(future: asyncio.Future[_T], result: _T) -> None:
    """Resolve a future that a request may have cancelled."""
    if not future.done():
        future.set_result(result)


def fail(future: asyncio.Future[_T], error: Exception) -> None:
    """Fail a future that nobody may wait for: the client may have hung up."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # otherwise asyncio logs it as never retrieved


def _size(update: NewUpdate) -> int:
    return len(update.body) + len(update.notification) + PER_ENTRY_BYTES
