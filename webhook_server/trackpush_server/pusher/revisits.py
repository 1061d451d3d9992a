"""Revisits: reads the parked pushes from the start, and adds those that are due to memory."""

import asyncio
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.model import StoredPush
from trackpush_server.pusher import budget as bounds
from trackpush_server.pusher import capacity
from trackpush_server.pusher.arrivals import Arrivals
from trackpush_server.pusher.contents import WindowContents, WindowOwner
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.page_loader import PageLoader
from trackpush_server.pusher.revisit_schedule import RevisitSchedule
from trackpush_server.pusher.state import HELD


class Revisits:
    """Revisits the parked pushes of one PushConfig, on one event loop. Receives the pages of the cursor `Parked`."""

    __slots__ = ("_arrivals", "_contents", "_hub", "_loop", "_owner", "_pages", "_schedule")

    def __init__(
        self,
        owner: WindowOwner,
        hub: Hub,
        contents: WindowContents,
        *,
        arrivals: Arrivals,
        schedule: RevisitSchedule,
    ) -> None:
        self._owner = owner
        self._hub = hub
        self._contents = contents
        self._arrivals = arrivals
        self._schedule = schedule
        self._loop = asyncio.get_running_loop()
        self._pages = PageLoader(hub, owner.name, contents.parked, self)

    def begin(self) -> None:
        """Start a revisit if one is due."""
        parked = self._contents.parked
        delay = parked.wait(self._loop.time())
        if delay is None or self._owner.state in HELD:
            return
        if delay > 0:
            self._schedule.plan()
            return
        parked.begin()
        self._pages.read()

    def read(self) -> None:
        """Read the next page, if a revisit is running and there is room."""
        self._pages.read()

    def room(self) -> int:
        """Maximum size of the next page."""
        return capacity.revisit_size(self._contents, self._owner.state, self._hub.budget)

    def take_page(self, page: Sequence[StoredPush]) -> None:
        """Add the due pushes to memory, and keep the lanes of the others parked."""
        contents = self._contents
        limit = contents.backlog.loaded_to if contents.backlog.spilled else None
        for stored in page:
            if limit is not None and stored.update_id > limit:
                contents.parked.is_complete = True  # the backlog's cursor reads the following pushes
                return
            if (
                stored.update_id not in contents.lanes
                and not contents.parked.is_stale(stored.update_id)
                and stored.account not in self._hub.suspended_accounts
            ):
                self._revisit(stored)

    def page_taken(self) -> None:
        """End the revisit after its last page, and start the added pushes."""
        if self._contents.parked.is_complete:
            self._contents.parked.end(self._loop.time())
            self._schedule.plan()
        self._arrivals.page_taken()

    def page_failed(self) -> None:
        self._arrivals.page_failed()

    async def close(self) -> None:
        """Cancel a running read."""
        await self._pages.close()

    def _revisit(self, stored: StoredPush) -> None:
        arrivals, parked, lanes = self._arrivals, self._contents.parked, self._contents.lanes
        if arrivals.due_at(stored) < stored.due_at:  # the stored due time is wrong, and it has waited long enough
            stored = msgspec.structs.replace(stored, due_at=0)
        key = lanes.key_of(stored.account, stored.shipment, stored.update_id)
        is_refused = stored.rejections > 0 or stored.unreadable is not None
        if lanes.get(key) is not None:
            arrivals.take(stored)
        elif parked.leave_behind(key):
            return
        elif (delay := arrivals.delay(stored)) > 0:
            parked.leave(key, self._loop.time() + delay, is_refused=is_refused)
        elif stored.unreadable is not None or (arrivals.waits_for_endpoint(stored) and not self._is_wanted(stored)):
            parked.leave(key, None, is_refused=is_refused)
        else:
            arrivals.take(stored)

    def _is_wanted(self, stored: StoredPush) -> bool:
        """Whether an open endpoint needs this push for its probes."""
        lanes = self._contents.lanes
        if not len(lanes):
            return True
        return stored.rejections == 0 and capacity.sendable(lanes) < bounds.WINDOW_WHILE_OPEN
