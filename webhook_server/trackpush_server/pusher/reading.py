"""Reads pending pushes for all channels: concurrent callers share flushes and statements.

Many reads come at once in two cases. First, when channels start (at the server's start, or when this server gains their
slot), each reads from disk before it sends anything. Usually only few of thousands of PushConfigs have a backlog, and
one statement finds these. Second, with several replicas, each commit of another replica makes some channels read a few
pushes.
"""

import asyncio

import msgspec

from trackpush_runtime.background import end
from trackpush_server.journal.model import PageRequest, PendingPage
from trackpush_server.journal.ports import PushQueue

_MANY = 16
"""If at least this many channels start at once, one query for all PushConfigs with pending pushes is cheaper than a
page for each.
"""
_TOGETHER = 32
"""Pages per statement."""
_MOST_PUSHES = 512
"""Pushes per statement. Bounds how long their processing blocks the event loop."""


class Read(msgspec.Struct, frozen=True):
    """A page. ``whole`` means that it has all pushes after its start that were pending in its snapshot."""

    page: PendingPage
    whole: bool


class _Asked(msgspec.Struct, frozen=True, eq=False):
    wanted: PageRequest
    settled: bool
    done: asyncio.Future[Read]


class Reading:
    """Runs one round of reads at a time; callers that arrive during a round share the next one.

    Lives on one event loop.
    """

    def __init__(self, journal: PushQueue) -> None:
        self._journal = journal
        self._waiting: list[_Asked] = []
        self._task: asyncio.Task[None] | None = None

    async def page(self, wanted: PageRequest, *, settled: bool) -> Read:
        """Read the next pending pushes, possibly fewer than the limit.

        With ``settled``, flush first, so that the page reflects all outcomes recorded before the call.

        Raises:
            JournalUnavailableError: the journal can't be written or read.
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
        """Resolve the first pages of PushConfigs without pending pushes; returns the other requests."""
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
