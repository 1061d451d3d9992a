"""Reads of pending pushes for all channels: concurrent callers share flushes and statements.

Two crowds come here. Channels that begin (at the server's start, or when their slot is gained) look at the disk before
they take anything from memory, and with thousands of PushConfigs hardly one has a backlog: one look tells which.
And where several replicas store, each commit of another brings news for some channels, a few pushes for each.
"""

import asyncio

import msgspec

from trackpush_runtime.background import end
from trackpush_server.journal.model import PageRequest, PendingPage
from trackpush_server.journal.ports import PushQueue

_MANY = 16
"""So many begin at once that a look over all PushConfigs costs less than a page of each."""
_TOGETHER = 32
"""Pages in one statement."""
_MOST_PUSHES = 512
"""In one statement: bounds for how long the loop is busy with them."""


class Read(msgspec.Struct, frozen=True):
    """A page, and whether it is all that was pending after where it began, up to its snapshot."""

    page: PendingPage
    whole: bool


class _Asked(msgspec.Struct, frozen=True, eq=False):
    wanted: PageRequest
    settled: bool
    done: asyncio.Future[Read]


class Reading:
    """Runs at most one round of reads at a time; callers that arrive meanwhile share the next. For one event loop."""

    def __init__(self, journal: PushQueue) -> None:
        self._journal = journal
        self._waiting: list[_Asked] = []
        self._task: asyncio.Task[None] | None = None

    async def page(self, wanted: PageRequest, *, settled: bool) -> Read:
        """The next pending pushes, possibly fewer than the limit.

        ``settled``: with the outcomes that were recorded before the call.

        Raises:
            JournalUnavailableError: the disk can't be written or read.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(wanted, settled, loop.create_future())
        self._waiting.append(asked)
        if self._task is None:
            self._task = loop.create_task(self._run())
        return await asked.done

    async def stop(self) -> None:
        """Cancel pending reads; callers are shutting down."""
        await end(self._task)

    async def _run(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                try:
                    await self._round(asked)
                except Exception as error:  # noqa: BLE001  any failure belongs to the callers
                    for request in asked:
                        if not request.done.done():
                            request.done.set_exception(error)
        finally:
            self._task = None

    async def _round(self, asked: list[_Asked]) -> None:
        if any(request.settled for request in asked):
            await self._journal.flush()
        if sum(not request.wanted.after for request in asked) >= _MANY:
            asked = await self._without_empty(asked)
        for first in range(0, len(asked), _TOGETHER):
            await self._pages(asked[first : first + _TOGETHER])

    async def _without_empty(self, asked: list[_Asked]) -> list[_Asked]:
        """Answer those that begin and have nothing at all; the others."""
        found = await self._journal.pending_configs()
        nothing = Read(PendingPage((), found.snapshot), whole=True)
        others = []
        for request in asked:
            if request.wanted.after or request.wanted.push_config in found.push_configs:
                others.append(request)
            elif not request.done.done():
                request.done.set_result(nothing)
        return others

    async def _pages(self, asked: list[_Asked]) -> None:
        most = _MOST_PUSHES // len(asked)
        wanted = [msgspec.structs.replace(request.wanted, limit=min(request.wanted.limit, most)) for request in asked]
        pages = await self._journal.pending(wanted)
        for request, asking, page in zip(asked, wanted, pages, strict=True):
            if not request.done.done():
                request.done.set_result(Read(page, whole=len(page.pushes) < asking.limit))
