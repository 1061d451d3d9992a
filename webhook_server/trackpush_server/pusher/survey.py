"""Where anything waits on disk, asked for many channels at once.

A channel that begins (at the server's start, or when its slot is gained) has to look at the disk before it takes
anything from memory. With thousands of PushConfigs hardly one has a backlog: so those that begin at the same time
share one flush and one look, and only the ones for which something waits read it themselves.
"""

import asyncio

from trackpush_server.journal.port import Journal, PendingConfigs

_MANY = 16
"""So many begin at once that a look over all PushConfigs costs less than a read of each."""


class Survey:
    """One flush and look at most under way; those who ask meanwhile share the next. Lives on one event loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[asyncio.Future[PendingConfigs | None]] = []
        self._task: asyncio.Task[None] | None = None

    async def empty_to(self, push_config: str) -> int | None:
        """The highest update id up to which nothing of a PushConfig is pending on disk; None where that isn't known.

        All outcomes that were recorded before the call are on disk when it returns.

        Raises:
            JournalUnavailableError: the disk can't be written or read.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[PendingConfigs | None] = loop.create_future()
        self._waiting.append(future)
        if self._task is None:
            self._task = loop.create_task(self._run())
        found = await future
        return None if found is None or push_config in found.push_configs else found.snapshot

    async def stop(self) -> None:
        """Give up: those who ask are on their way out, too."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                asking, self._waiting = self._waiting, []
                await self._answer(asking)
        finally:
            self._task = None

    async def _answer(self, asking: list[asyncio.Future[PendingConfigs | None]]) -> None:
        try:
            await self._journal.flush()
            found = await self._journal.pending_configs() if len(asking) >= _MANY else None
        except Exception as error:  # noqa: BLE001  whatever it is, it is theirs who ask
            for future in asking:
                if not future.done():
                    future.set_exception(error)
            return
        for future in asking:
            if not future.done():
                future.set_result(found)
