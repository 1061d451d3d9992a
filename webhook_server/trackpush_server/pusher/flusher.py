"""Calls back once outcomes are on disk, many waiters to one flush.

The next push of a lane starts only after the outcome of the one before it is durable: a crash between the two would
otherwise send the earlier push again after the later one.
"""

import asyncio
from collections.abc import Callable

from trackpush_runtime.background import end
from trackpush_server.journal.ports import PushQueue


class Flusher:
    """Runs at most one flush at a time; callers that arrive meanwhile share the next."""

    def __init__(self, journal: PushQueue) -> None:
        self._journal = journal
        self._waiting: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def after_flush(self, callback: Callable[[], None]) -> None:
        """Call back, on the loop, when everything recorded until now is on disk."""
        self._waiting.append(callback)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._journal.flush()
                for callback in batch:
                    callback()
        finally:
            self._task = None

    async def stop(self) -> None:
        """Give up on flushes under way; the journal's own close writes what is queued."""
        await end(self._task)
