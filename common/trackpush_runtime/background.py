"""Background tasks that run from the start of a server to its end."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait until it has ended; does nothing for None."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Background(ABC):
    """One background task. `_run` must not return."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Cancel the task, and wait for its end."""
        await end(self._task)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the task; stop it at the end of the block."""
        try:
            self.start()
            yield
        finally:
            await self.stop()

    @abstractmethod
    async def _run(self) -> None: ...
