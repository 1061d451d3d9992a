"""Work that goes on beside everything else, from the start of a server to its end."""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """One such work: `_run` never ends by itself."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End, wherever it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    async def _run(self) -> None: ...
