"""Reads released payloads again, those of many pushes with one read."""

import asyncio

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError, StoredPush
from trackpush_server.pusher.contents import WindowContents, WindowOwner
from trackpush_server.pusher.hub import PAUSE, RELOAD_AFTER_FAULT, Hub
from trackpush_server.pusher.lanes import Lane, Lanes
from trackpush_server.pusher.outcomes import OutcomeRecorder
from trackpush_server.pusher.state import State
from trackpush_server.pusher.waiting import WaitingLanes

_MOST = 256
"""In one read."""


class PayloadLoader:
    """Of one PushConfig. Lives on one event loop."""

    __slots__ = ("_contents", "_hub", "_outcomes", "_owner", "_task", "_waiting", "_wanted", "loading")

    def __init__(
        self,
        owner: WindowOwner,
        hub: Hub,
        contents: WindowContents,
        *,
        waiting: WaitingLanes,
        outcomes: OutcomeRecorder,
    ) -> None:
        self._owner = owner
        self._hub = hub
        self._contents = contents
        self._waiting = waiting
        self._outcomes = outcomes
        self._wanted: list[tuple[Lanes, Lane]] = []
        self._task: asyncio.Task[None] | None = None
        self.loading = 0
        """Heads of the present lanes whose payload is being read; each is as good as an attempt under way."""

    def load(self, lane: Lane) -> None:
        """Read the payload of the head of a lane that is marked running."""
        self.loading += 1
        self._wanted.append((self._contents.lanes, lane))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self) -> None:
        """The lanes were made again: what is being read is for those before."""
        self.loading = 0

    async def close(self) -> None:
        """Cancel a running read."""
        await end(self._task)

    async def _run(self) -> None:
        try:
            while self._wanted:
                batch = self._wanted[:_MOST]
                ids = [lane.head.update_id for _, lane in batch]
                stored = await self._hub.journal.fetch(self._owner.name, ids)
                self._wanted = self._wanted[len(batch) :]
                for lanes, lane in reversed(batch):  # each goes to the front of the ready ones
                    self._loaded(lanes, lane, stored.get(lane.head.update_id))
        except JournalUnavailableError:
            wanted, self._wanted = self._wanted, []
            for lanes, lane in wanted:
                self._failed(lanes, lane)
        finally:
            self._task = None
        self._owner.start_ready()

    def _loaded(self, lanes: Lanes, lane: Lane, stored: StoredPush | None) -> None:
        """``stored`` is the head as it is on disk, None when it isn't pending there any more."""
        if lanes is not self._contents.lanes:
            lanes.end_head(lane)
            return
        self.loading -= 1
        if stored is None:  # erased meanwhile
            if lanes.end_head(lane):
                lanes.resume(lane)
        elif stored.unreadable is not None:
            self._outcomes.record_unreadable(lane, stored.unreadable)
            self._waiting.wait(lane, None)
            self._owner.plan_probe(PAUSE)
        else:
            lanes.load(lane.head, stored.notification, stored.body)
            self._send_first(lanes, lane)

    def _send_first(self, lanes: Lanes, lane: Lane) -> None:
        """It has had its turn already: it is next, and a probe is sent at once."""
        if self._owner.state is State.OPEN and self._owner.is_idle:
            self._owner.start(lane)
        else:
            lanes.resume(lane, first=True)

    def _failed(self, lanes: Lanes, lane: Lane) -> None:
        if lanes is self._contents.lanes:
            self.loading -= 1
            self._waiting.wait(lane, RELOAD_AFTER_FAULT)
        else:
            lanes.end_head(lane)
