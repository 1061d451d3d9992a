"""The queue of entries, in order, that the writer writes to the database in its next call."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

from trackpush_server.journal.append_queue import Append
from trackpush_server.journal.model import Outcome
from trackpush_server.journal.postgres.write_batch import Entry, OutcomeEntry

OUTCOMES_WAIT_SECONDS = 0.005
"""How long outcomes wait for a request to share a call. After a crash, pushes whose outcomes were not written are sent
again, so it must be short."""
MOST_ROWS = 2000
"""Updates and outcomes in one call. Bounds the duration of a call (but a larger request is still one call)."""
MOST_BYTES = 8 * 1024 * 1024


class WriteQueue:
    """`append` and `record` queue entries. The writer calls `take`, then `done` or `put_back` for each entry."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._under_way: set[int] = set()
        """Numbers of entries that were taken and are not done."""
        self._number = 0
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        """Set while a request or a flush waits for a queued entry."""
        self._taking = asyncio.Lock()
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []
        self._stopping = False
        self._woken = False

    def number(self) -> int:
        """Assign the number of the next entry."""
        self._number += 1
        return self._number

    def append(self, entry: Append) -> None:
        self._put(entry)
        self._urgent.set()

    def record(self, outcome: Outcome) -> None:
        self._put(OutcomeEntry(outcome, self.number()))

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Return taken entries to the front of the queue."""
        self._under_way.difference_update(entry.number for entry in entries)
        self._entries.extendleft(reversed(entries))
        if self._entries:
            self._filled.set()
            self._urgent.set()

    async def take(self) -> list[Entry]:
        """Wait for the first entry and take all that one call can store.

        If the queue is empty, returns an empty list after `wake` or `stop`. If there are only outcomes, waits a few
        milliseconds for a request that shares the call, because nobody awaits outcomes.
        """
        async with self._taking:
            while not self._entries:
                if self._stopping or self._woken:
                    self._woken = False
                    return []
                self._filled.clear()  # still set if its entry was dropped; then wait() would return without yielding
                await self._filled.wait()
            if not self._urgent.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(OUTCOMES_WAIT_SECONDS):
                        await self._urgent.wait()
            return self._pop()

    def forget_wake(self) -> None:
        """Cancel `wake`, after the writer has reconnected."""
        self._woken = False

    async def gather(self, seconds: float) -> None:
        """Wait, so that more entries share the next call, unless a call is full or `stop` was called."""
        if seconds and len(self._entries) < MOST_ROWS and not self._stopping:
            await asyncio.sleep(seconds)

    def done(self, entries: Sequence[Entry]) -> None:
        """Report entries that are stored, or will never be."""
        self._under_way.difference_update(entry.number for entry in entries)
        self._look_for_flushed()

    async def flush(self) -> None:
        """Return when all entries queued before this call are done.

        Raises:
            RuntimeError: `abandon` discarded them.
        """
        if not self._entries and not self._under_way:
            return
        future = asyncio.get_running_loop().create_future()
        self._flushes.append((self._number, future))
        self._urgent.set()
        await future

    def drop_appends(self) -> list[Append]:
        """Remove all appends; the caller refuses them."""
        found = [entry for entry in self._entries if isinstance(entry, Append)]
        self._entries = deque(entry for entry in self._entries if isinstance(entry, OutcomeEntry))
        self._look_for_flushed()
        return found

    def drop_outcomes(self, after: int) -> int:
        """Remove the outcomes of updates with an id > ``after``; returns their number."""
        before = len(self._entries)
        self._entries = deque(entry for entry in self._entries if not is_of_later(entry, after))
        self._look_for_flushed()
        return before - len(self._entries)

    def wake(self) -> None:
        """Make `take` return an empty list when the queue is empty, so that the writer reconnects."""
        self._woken = True
        self._filled.set()
        self._urgent.set()

    def stop(self) -> None:
        """Make `take` return an empty list when all entries are taken."""
        self._stopping = True
        self._filled.set()
        self._urgent.set()

    def abandon(self) -> int:
        """Discard the remaining entries and fail pending flushes; returns the number of discarded entries."""
        left = len(self._entries)
        self._entries.clear()
        self._under_way.clear()
        for _, future in self._flushes:
            if not future.done():
                future.set_exception(RuntimeError("the queue has ended"))
        self._flushes.clear()
        return left

    def _put(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._filled.set()

    def _pop(self) -> list[Entry]:
        entries: list[Entry] = []
        rows = size = 0
        while self._entries and rows < MOST_ROWS and size < MOST_BYTES:
            entry = self._entries.popleft()
            entries.append(entry)
            rows += len(entry.updates) if isinstance(entry, Append) else 1
            size += (
                sum(len(update.body) + len(update.notification) for update in entry.updates)
                if isinstance(entry, Append)
                else 0
            )
        self._under_way.update(entry.number for entry in entries)
        if not self._entries and not self._stopping:
            self._filled.clear()
            self._urgent.clear()
        return entries

    def _look_for_flushed(self) -> None:
        if not self._flushes:
            return
        oldest = min(self._under_way, default=self._number + 1)
        if self._entries:
            oldest = min(oldest, self._entries[0].number)
        for number, future in self._flushes:
            if number < oldest and not future.done():
                future.set_result(None)
        self._flushes = [flush for flush in self._flushes if not flush[1].done()]


def is_of_later(entry: Entry, after: int) -> bool:
    """Whether the entry is an outcome of an update with an id > ``after``."""
    return isinstance(entry, OutcomeEntry) and entry.outcome.update_id > after
