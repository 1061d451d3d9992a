"""Bounds the entries that wait for a commit and resolves their futures. Both adapters use it.

Each adapter has its own queue: a thread reads SQLite's, a task reads PostgreSQL's. This module holds the part that
both share on the event loop: the bounds, the journal's state and counters, and the futures of requests.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from trackpush_server.journal.last_updates import arrivals
from trackpush_server.journal.listener import JournalListeners
from trackpush_server.journal.model import Committed, JournalStats, JournalUnavailableError, NewUpdate

_T = TypeVar("_T")
MOST_QUEUED_UPDATES: Final = 20_000
MOST_QUEUED_BYTES: Final = 32 * 1024 * 1024
MOST_QUEUED_UNRECOGNISED_BYTES: Final = 16 * 1024 * 1024
PER_ENTRY_BYTES: Final = 512
"""Estimated memory of an update or an unrecognised body, without its payloads."""


class Append(msgspec.Struct, frozen=True, eq=False):
    """One request's updates, all or none."""

    updates: tuple[NewUpdate, ...]
    done: asyncio.Future[int]
    number: int = 0
    """Sequence number in queues that number their entries; otherwise 0."""


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
    """Counts queued appends and outcomes. Use it on the event loop only."""

    def __init__(self, listeners: JournalListeners, *, waits_for: str) -> None:
        """``waits_for`` names what commits wait for, such as ``disk``; error messages contain it."""
        self.stats = JournalStats()
        self.unavailable: str | None = "the journal is not started"
        """Why nothing can be stored now, or None."""
        self.outcomes_waiting = 0
        """How many outcomes are not on disk yet."""
        self.closed = False
        self._listeners = listeners
        self._waits_for = waits_for
        self._waiting: set[asyncio.Future[int]] = set()
        """Futures of the queued appends. Futures, because cleaning an append makes a copy with the same future."""
        self._bytes = 0

    def check(self) -> None:
        """Check that the journal can store now.

        Raises:
            JournalUnavailableError: it can't store.
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
        """Handle a commit that has reached the disk: announce it, then resolve its appends."""
        stats = self.stats
        stats.commits += 1
        stats.commit_seconds += result.seconds
        stats.rows += result.rows
        stats.last_batch = result.rows
        self.outcomes_waiting -= result.outcomes
        if result.committed:
            self._listeners.announce(lambda listener: listener.on_commit(result.committed))
        arrived = arrivals(update for append, _ in result.appends for update in append.updates)
        if arrived:
            self._listeners.announce(lambda listener: listener.on_arrived(arrived))
        for append, count in result.appends:
            self._remove(append)
            resolve(append.done, count)
        self._listeners.announce(lambda listener: listener.on_batch(result.seconds, result.rows))

    def refuse(self, appends: Iterable[Append], error: Exception) -> None:
        """Fail appends that were not stored."""
        for append in appends:
            self._remove(append)
            fail(append.done, error)

    def give_up(self, outcomes: int) -> None:
        """Stop counting ``outcomes`` outcomes that will never be stored."""
        self.outcomes_waiting -= outcomes

    def change_state(self, reason: str | None) -> None:
        """Set and announce the state: ``reason`` says why the journal is unavailable; None means available."""
        if not self.closed:
            self.unavailable = reason
            self._listeners.announce(lambda listener: listener.on_state(reason))

    def close(self) -> None:
        """Refuse new entries from now on."""
        self.closed = True
        self.unavailable = "the server is stopping"

    def _remove(self, append: Append) -> None:
        if append.done in self._waiting:  # not there: it was refused before its commit was reported
            self._waiting.remove(append.done)
            self._count(append, -1)

    def _count(self, append: Append, sign: int) -> None:
        self.stats.queued += sign * len(append.updates)
        self._bytes += sign * sum([_size(update) for update in append.updates])


def resolve(future: asyncio.Future[_T], result: _T) -> None:
    """Resolve a future, unless its request has cancelled it."""
    if not future.done():
        future.set_result(result)


def fail(future: asyncio.Future[_T], error: Exception) -> None:
    """Fail a future, unless it is done. Nobody may await it, if the client has disconnected."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # marks it as retrieved; otherwise asyncio logs "exception was never retrieved"


def _size(update: NewUpdate) -> int:
    return len(update.body) + len(update.notification) + PER_ENTRY_BYTES
