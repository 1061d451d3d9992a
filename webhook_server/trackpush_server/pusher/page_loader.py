"""Reads pages of a PushConfig's pending pushes from disk into memory, as long as there is room."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError, PageRequest, StoredPush
from trackpush_server.pusher.hub import Hub


class Cursor(Protocol):
    """The read position. Implemented by `Backlog` and `Parked`."""

    spilled: bool
    loaded_to: int
    generation: int

    def begin_load(self) -> None:
        """Called before a read."""

    def end_load(self) -> None:
        """Called after the read's pages were processed."""

    def took(self, *, last_id: int | None, whole: bool, snapshot: int) -> None:
        """Called after a page was processed, to advance the cursor."""


class PageTaker(Protocol):
    """Adds the pages to memory. Implemented by `Arrivals` and `Revisits`."""

    def room(self) -> int:
        """Maximum size of the next page; 0 means don't read."""
        ...

    def take_page(self, page: Sequence[StoredPush]) -> None:
        """Add the pushes of a page."""

    def page_taken(self) -> None:
        """Called after `take_page`, when the cursor was advanced."""

    def page_failed(self) -> None:
        """Called if the journal can't be read."""


class PageLoader:
    """Reads pages on one event loop; at most one read at a time."""

    __slots__ = ("_cursor", "_hub", "_push_config", "_taker", "_task")

    def __init__(self, hub: Hub, push_config: str, cursor: Cursor, taker: PageTaker) -> None:
        self._hub = hub
        self._push_config = push_config
        self._cursor = cursor
        self._taker = taker
        self._task: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Read the next page, if there may be pushes that are only on disk and there is room."""
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
            return  # the window was trimmed, rescanned or held during the read, so this page is obsolete
        pushes = read.page.pushes
        self._taker.take_page(pushes)
        self._cursor.took(
            last_id=pushes[-1].update_id if pushes else None, whole=read.whole, snapshot=read.page.snapshot
        )
        self._taker.page_taken()
