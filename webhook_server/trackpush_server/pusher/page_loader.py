"""Pages of a PushConfig's pending pushes, read from disk into memory as long as there is room."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError, PageRequest, StoredPush
from trackpush_server.pusher.hub import Hub


class Cursor(Protocol):
    """The position of the pages: see `Backlog` and `Parked`."""

    spilled: bool
    loaded_to: int
    generation: int

    def begin_load(self) -> None:
        """A read begins."""

    def end_load(self) -> None:
        """Its pages have been taken in."""

    def took(self, *, last_id: int | None, whole: bool, snapshot: int) -> None:
        """A page was taken in."""


class PageTaker(Protocol):
    """Takes the pages into memory: see `Arrivals` and `Revisits`."""

    def room(self) -> int:
        """How many pushes the next page may have; 0 is none."""
        ...

    def take_page(self, page: Sequence[StoredPush]) -> None:
        """Take a page."""

    def page_taken(self) -> None:
        """The cursor knows of the page, too."""

    def page_failed(self) -> None:
        """The disk can't be read."""


class PageLoader:
    """One read at most under way. Lives on one event loop."""

    __slots__ = ("_cursor", "_hub", "_push_config", "_taker", "_task")

    def __init__(self, hub: Hub, push_config: str, cursor: Cursor, taker: PageTaker) -> None:
        self._hub = hub
        self._push_config = push_config
        self._cursor = cursor
        self._taker = taker
        self._task: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Read on, if something may be on disk only and there is room for it."""
        if self._task is None and self._cursor.spilled and self._taker.room() and not self._hub.stopping:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Cancel a running read."""
        await end(self._task)

    async def _run(self) -> None:
        begun: int | None = None
        try:
            while self._cursor.spilled and (limit := self._taker.room()):
                fresh = begun != self._cursor.generation
                if fresh:
                    begun = self._cursor.generation
                    self._cursor.begin_load()
                await self._next(limit, settled=fresh)
        except JournalUnavailableError:
            self._taker.page_failed()
        finally:
            self._cursor.end_load()
            self._task = None

    async def _next(self, limit: int, *, settled: bool) -> None:
        after, generation = self._cursor.loaded_to, self._cursor.generation
        read = await self._hub.reading.page(PageRequest(self._push_config, after, limit), settled=settled)
        if (self._cursor.loaded_to, self._cursor.generation) != (after, generation) or not self._taker.room():
            return  # trimmed, rescanned or held meanwhile: this page is of another time
        pushes = read.page.pushes
        self._taker.take_page(pushes)
        self._cursor.took(
            last_id=pushes[-1].update_id if pushes else None, whole=read.whole, snapshot=read.page.snapshot
        )
        self._taker.page_taken()
