"""Pages of a PushConfig's pending pushes, read from disk into memory as long as there is room."""

import asyncio
from collections.abc import Callable, Sequence

from trackpush_server.journal.port import JournalUnavailableError, StoredPush
from trackpush_server.pusher.backlog import Backlog
from trackpush_server.pusher.hub import Hub


class Pages:
    """One read at most under way. Lives on one event loop."""

    __slots__ = ("_backlog", "_fault", "_hub", "_push_config", "_room", "_take", "_taken", "_task")

    def __init__(
        self,
        hub: Hub,
        push_config: str,
        backlog: Backlog,
        *,
        room: Callable[[], int],
        take: Callable[[Sequence[StoredPush]], None],
        taken: Callable[[], None],
        fault: Callable[[], None],
    ) -> None:
        """``room`` tells how many pushes the next page may have, 0 is none. ``take`` puts a page into memory.

        ``taken`` is called when `Backlog` knows of it, too; ``fault`` when the disk can't be read.
        """
        self._hub = hub
        self._push_config = push_config
        self._backlog = backlog
        self._room = room
        self._take = take
        self._taken = taken
        self._fault = fault
        self._task: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Read on, if something may be on disk only and there is room for it."""
        if self._task is None and self._backlog.spilled and self._room() and not self._hub.stopping:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Give up a read under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        begun: int | None = None
        try:
            while self._backlog.spilled and (limit := self._room()):
                if begun != self._backlog.generation:
                    begun = self._backlog.generation
                    await self._begin()
                else:
                    await self._next(limit)
        except JournalUnavailableError:
            self._fault()
        finally:
            self._backlog.end_load()
            self._task = None

    async def _begin(self) -> None:
        """See that what was recorded is on disk; where nothing at all waits there, that was the whole read."""
        self._backlog.begin_load()
        begun = self._backlog.loaded_to, self._backlog.generation
        if self._backlog.loaded_to:
            await self._hub.journal.flush()
            return
        empty_to = await self._hub.survey.empty_to(self._push_config)
        if empty_to is not None and begun == (self._backlog.loaded_to, self._backlog.generation):
            self._backlog.took(last_id=None, whole=True, snapshot=empty_to)

    async def _next(self, limit: int) -> None:
        after, generation = self._backlog.loaded_to, self._backlog.generation
        page = await self._hub.journal.pending(self._push_config, after=after, limit=limit)
        if (self._backlog.loaded_to, self._backlog.generation) != (after, generation) or not self._room():
            return  # trimmed, rescanned or held meanwhile: this page is of another time
        self._take(page.pushes)
        last = page.pushes[-1].update_id if page.pushes else None
        self._backlog.took(last_id=last, whole=len(page.pushes) < limit, snapshot=page.snapshot)
        self._taken()
