"""Reads unloaded payloads from the journal again, many with one read."""

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
"""Maximum payloads per read."""


class PayloadLoader:
    """Loads the payloads of one PushConfig, on one event loop."""

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
        """Number of heads (of the current lanes) whose payload is being read. Each counts like an attempt in flight."""

    def load(self, lane: Lane) -> None:
        """Read the payload of the head of a lane that is marked running."""
        self.loading += 1
        self._wanted.append((self._contents.lanes, lane))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self) -> None:
        """Reset `loading` after a rebuild: the running reads are for the old lanes."""
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
                for lanes, lane in reversed(batch):  # reversed, because each is put before the other ready lanes
                    self._loaded(lanes, lane, stored.get(lane.head.update_id))
        except JournalUnavailableError:
            wanted, self._wanted = self._wanted, []
            for lanes, lane in wanted:
                self._failed(lanes, lane)
        finally:
            self._task = None
        self._owner.start_ready()

    def _loaded(self, lanes: Lanes, lane: Lane, stored: StoredPush | None) -> None:
        """Handle one result; ``stored`` is the head on disk, None if it is not pending any more."""
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
        """Send the head next, because it was already next before the read; send a probe immediately."""
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
