"""Adds pushes to memory: those just committed, and pages of the backlog."""

import asyncio
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.model import Committed, StoredPush
from trackpush_server.pusher import capacity, conversions, policy
from trackpush_server.pusher.contents import WindowContents, WindowOwner
from trackpush_server.pusher.hub import RELOAD_AFTER_FAULT, Hub
from trackpush_server.pusher.lanes import Lane, PendingPush
from trackpush_server.pusher.outcomes import OutcomeRecorder
from trackpush_server.pusher.page_loader import PageLoader
from trackpush_server.pusher.revisit_schedule import RevisitSchedule
from trackpush_server.pusher.state import State
from trackpush_server.pusher.waiting import WaitingLanes


class Arrivals:
    """Adds the pushes of one PushConfig, on one event loop. Receives the pages of the backlog's cursor."""

    __slots__ = ("_contents", "_hub", "_loop", "_outcomes", "_owner", "_pages", "_schedule", "_waiting")

    def __init__(
        self,
        owner: WindowOwner,
        hub: Hub,
        contents: WindowContents,
        *,
        waiting: WaitingLanes,
        schedule: RevisitSchedule,
        outcomes: OutcomeRecorder,
    ) -> None:
        self._owner = owner
        self._hub = hub
        self._contents = contents
        self._waiting = waiting
        self._schedule = schedule
        self._outcomes = outcomes
        self._loop = asyncio.get_running_loop()
        self._pages = PageLoader(hub, owner.name, contents.backlog, self)

    # ---- commits

    def offer(self, committed: Committed) -> bool:
        """Add a committed push to memory if there is room; returns whether it was added."""
        backlog, update = self._contents.backlog, committed.update
        if committed.behind > backlog.loaded_to:
            backlog.stored_elsewhere(committed.behind)
        if not backlog.admits(committed.update_id):
            self._pages.read()
            return False
        if update.account in self._hub.suspended_accounts:
            return False
        if self._skips(update.account, update.shipment, committed.update_id):
            return False
        if not capacity.has_room(self._contents.lanes, self._owner.state, self._hub.budget):
            backlog.spill(committed.update_id)
            return False
        self._add(conversions.committed(committed, self._owner.name))
        return True

    def stored_elsewhere(self, first_id: int) -> None:
        """Read pushes that another replica stored; ``first_id`` is the lowest of their update ids."""
        self._contents.backlog.stored_elsewhere(first_id)
        self._pages.read()

    def _add(self, push: PendingPush) -> Lane | None:
        """Add a push to its lane; returns the lane if it is new."""
        lanes = self._contents.lanes
        lane = lanes.add(push)
        if lane is None and self._waiting.are_too_many:
            self._waiting.park_if_crowded(lanes.get(lanes.key_of(push.account, push.shipment, push.update_id)))
        return lane

    def _skips(self, account: str, shipment: str, update_id: int) -> bool:
        """Whether a push must stay on disk, because its lane is parked."""
        parked = self._contents.parked
        if parked.is_empty:
            return False
        key = self._contents.lanes.key_of(account, shipment, update_id)
        if not parked.holds(key):
            return False
        parked.skip(key, self._loop.time())
        self._schedule.plan()
        return True

    # ---- pages

    def read(self) -> None:
        """Read the next page, if there may be pushes that are only on disk and there is room."""
        self._pages.read()

    def room(self) -> int:
        """Maximum size of the next page."""
        return capacity.page_size(self._contents, self._owner.state, self._hub.budget)

    def take_page(self, page: Sequence[StoredPush]) -> None:
        """Add the pushes of a page that are not in memory yet."""
        contents = self._contents
        for stored in page:
            if (
                stored.update_id in contents.lanes
                or contents.backlog.is_stale(stored.update_id)
                or stored.account in self._hub.suspended_accounts
                or self._skips(stored.account, stored.shipment, stored.update_id)
            ):
                continue
            self.take(msgspec.structs.replace(stored, due_at=self.due_at(stored)))

    def page_taken(self) -> None:
        """Start the pushes of the page."""
        self._owner.plan_probe(0.0)
        self._owner.start_ready(refill=False)

    def page_failed(self) -> None:
        """Plan another read soon, because the journal could not be read."""
        self._owner.wake_in(RELOAD_AFTER_FAULT)

    async def close(self) -> None:
        """Cancel a running read."""
        await self._pages.close()

    # ---- a stored push

    def take(self, stored: StoredPush) -> None:
        """Add a stored push to memory, as ready or waiting."""
        push = conversions.stored(stored)
        self._owner.endpoint.read_back(push, self._owner.retry, self._hub.wall())
        lane = self._add(push)
        if lane is None:
            return
        if stored.unreadable is not None:
            self._outcomes.record_unreadable(lane, stored.unreadable)
            self._waiting.wait(lane, None)
        elif (delay := self.delay(stored)) > 0:
            self._waiting.wait(lane, delay)
        elif self.waits_for_endpoint(stored):
            self._waiting.wait(lane, None)

    def due_at(self, stored: StoredPush) -> int:
        """The due time of a push, limited in case it was computed with a wrong clock."""
        now, tries = int(self._hub.wall() * 1000), stored.tries - stored.tries_before
        wait = policy.stored_wait(self._owner.retry, tries, stored.due_at, now)
        return min(stored.due_at, now + int(wait * 1000))

    def delay(self, stored: StoredPush) -> float:
        """Seconds until a push is due by its retry schedule; negative if it is overdue."""
        return stored.due_at / 1000 - self._hub.wall()

    def waits_for_endpoint(self, stored: StoredPush) -> bool:
        """Whether a push that was already tried must wait until the breaker closes.

        An endpoint that rejects pushes responds again, even if its breaker is open. Then pushes that it has not
        rejected are tried at once, and pushes whose rejections are proven to be their own fault follow their schedule.
        """
        if self._owner.state is not State.OPEN or stored.tries == stored.tries_before:
            return False
        is_unproven = stored.rejections == 1
        return is_unproven or not self._owner.endpoint.refuses
