"""The number of pending pushes of each PushConfig for /metrics.

No scrape waits long, and counting uses only a limited share of the time.
"""

import asyncio
import time
from collections.abc import Callable

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError, PendingCount
from trackpush_server.journal.ports import BacklogStore

GOOD_SECONDS = 5.0
"""Minimum seconds for which counts are reused."""
SHARE = 0.1
"""Maximum share of the time that is spent on counting: counting ten million pushes takes some seconds."""
WAIT_SECONDS = 2.0
"""Seconds that a scrape waits for the count. The count then continues, and the next scrape gets it."""


class Pending:
    """The counts of pending pushes of one journal, on one event loop; call `stop` at the end."""

    def __init__(self, backlog: BacklogStore, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds, monotonic."""
        self._backlog = backlog
        self._clock = clock
        self._good_until = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.counts: tuple[PendingCount, ...] = ()
        """The latest counts; they are kept while the journal can't be read."""

    async def refresh(self) -> None:
        """Count again if the latest counts are old enough."""
        if self._task is None and self._clock() >= self._good_until:
            self._task = asyncio.get_running_loop().create_task(self._count())
        if self._task is not None:
            await asyncio.wait([self._task], timeout=WAIT_SECONDS)

    async def stop(self) -> None:
        await end(self._task)

    async def _count(self) -> None:
        begun = self._clock()
        try:
            self.counts = await self._backlog.pending_counts()
        except JournalUnavailableError:
            pass  # the journal reports its own errors
        finally:
            self._task = None
            took = self._clock() - begun
            self._good_until = self._clock() + max(GOOD_SECONDS, took / SHARE)
