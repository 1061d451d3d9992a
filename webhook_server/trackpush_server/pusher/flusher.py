"""Calls back when outcomes are on disk; one flush serves many callers.

The next push of a lane starts only when the outcome of the previous one is on disk. Otherwise, after a crash, the
server would send the earlier push again after the later one.
"""

import asyncio
from collections.abc import Callable

from trackpush_runtime.background import end
from trackpush_server.journal.ports import PushQueue


class Flusher:
    """Runs at most one flush at a time; callers that arrive during a flush share the next one."""

    def __init__(self, journal: PushQueue) -> None:
        self._journal = journal
        self._waiting: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def after_flush(self, callback: Callable[[], None]) -> None:
        """Call back on the event loop when everything that was recorded before this call is on disk."""
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
        """Cancel a running flush; the journal writes queued outcomes when it is closed."""
        await end(self._task)
