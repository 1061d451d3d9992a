"""The window: decides which pending pushes of a PushConfig are in memory, and which are only on disk.

`WindowContents` has the lanes and the bookkeeping about pushes on disk. `capacity` limits the pushes in memory. Pushes
arrive as commits and as pages of the journal. Two cursors read pages: `Arrivals` adds pushes that were never in memory,
in order; `Revisits` re-reads the pushes that `WaitingLanes` has parked on disk. `PayloadLoader` loads unloaded payloads
again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator

from trackpush_server.journal.model import Committed
from trackpush_server.pusher import budget as bounds
from trackpush_server.pusher.arrivals import Arrivals
from trackpush_server.pusher.candidates import has_candidate, next_probe
from trackpush_server.pusher.contents import WindowContents, WindowOwner
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane, Lanes
from trackpush_server.pusher.outcomes import OutcomeRecorder
from trackpush_server.pusher.payload_loader import PayloadLoader
from trackpush_server.pusher.revisit_schedule import RevisitSchedule
from trackpush_server.pusher.revisits import Revisits
from trackpush_server.pusher.state import State
from trackpush_server.pusher.waiting import WaitingLanes


class Window:
    """The window of one PushConfig, on one event loop."""

    __slots__ = ("_arrivals", "_contents", "_hub", "_owner", "_payloads", "_revisits", "_schedule", "waiting")

    def __init__(self, owner: WindowOwner, hub: Hub, outcomes: OutcomeRecorder, *, ordered: bool) -> None:
        self._owner = owner
        self._hub = hub
        self._contents = contents = WindowContents(hub, ordered=ordered)
        self._schedule = schedule = RevisitSchedule(hub, contents.parked, self._begin_revisit)
        self.waiting = WaitingLanes(owner, hub, contents, schedule)
        self._arrivals = Arrivals(owner, hub, contents, waiting=self.waiting, schedule=schedule, outcomes=outcomes)
        self._revisits = Revisits(owner, hub, contents, arrivals=self._arrivals, schedule=schedule)
        self._payloads = PayloadLoader(owner, hub, contents, waiting=self.waiting, outcomes=outcomes)

    # ---- contents

    @property
    def lanes(self) -> Lanes:
        """The lanes in memory. A rebuild replaces the object."""
        return self._contents.lanes

    @property
    def loading(self) -> int:
        """Number of heads whose payload is being read. Each counts like an attempt in flight."""
        return self._payloads.loading

    @property
    def has_more(self) -> bool:
        """Whether there may be pending pushes that are only on disk."""
        return self._contents.has_more

    @property
    def needs_rebuild(self) -> bool:
        """Whether the lanes must be rebuilt when no attempt is in flight."""
        return self._contents.needs_rebuild

    def next_probe(self) -> Lane | None:
        """The lane to probe the endpoint with; None if there is none, or if the disk may have a better one."""
        return next_probe(self.lanes, spilled=self._contents.backlog.spilled)

    # ---- adding pushes

    def offer(self, committed: Committed) -> bool:
        """Add a committed push to memory if there is room; returns whether it was added."""
        return self._arrivals.offer(committed)

    def stored_elsewhere(self, first_id: int) -> None:
        """Read pushes that another replica stored; ``first_id`` is the lowest of their update ids."""
        self._arrivals.stored_elsewhere(first_id)

    def rescan(self, again: Iterable[int] = ()) -> None:
        """Read all pending pushes from disk again; ``again`` are ended pushes that are pending again (replays)."""
        self._contents.rescan(again)

    def look_again(self) -> None:
        """Read the parked pushes again soon: one of them was tried, and others may have waited for it."""
        self._schedule.look_soon()

    def refill(self) -> None:
        """Read more pushes from disk if there is room."""
        contents = self._contents
        if contents.backlog.spilled:
            self._arrivals.read()
        if contents.parked.spilled:
            self._revisits.read()
        elif contents.parked.unsure and self._owner.state is State.OPEN and not has_candidate(contents.lanes):
            self._schedule.look_soon()

    def load(self, lane: Lane) -> None:
        """Load the payload of the head of a lane that is marked running."""
        self._payloads.load(lane)

    def _begin_revisit(self) -> None:
        self._revisits.begin()

    @contextlib.contextmanager
    def watching(self, update_id: int) -> Iterator[Callable[[], bool]]:
        """Within the block, the given function returns whether the push has not ended since its beginning.

        Blocks for the same push do not nest: in the second one, the function returns False.
        """
        watched = self._contents.watched
        if update_id in watched:
            yield lambda: False
            return
        watched.add(update_id)
        try:
            yield lambda: update_id in watched
        finally:
            watched.discard(update_id)

    # ---- removing pushes

    def ended(self, update_id: int) -> None:
        """Record that a push has ended: a read from disk may still show it as pending."""
        self._contents.ended(update_id)

    def shrink(self) -> None:
        """Keep only the pushes that probes need, because the endpoint fails."""
        self._contents.trim(bounds.WINDOW_WHILE_OPEN)

    def let_go(self) -> None:
        """Remove all pushes from memory except running ones."""
        self._contents.trim(0)
        if not self._contents.parked.is_empty:
            self.rescan()

    def rebuild_later(self) -> None:
        """Read no more pushes from disk until `rebuild`."""
        self._contents.needs_rebuild = True

    def rebuild(self, *, ordered: bool) -> None:
        """Replace the lanes and read from disk again. Attempts in flight end in the old lanes."""
        self.lanes.trim(0)
        self._contents.lanes = Lanes(ordered=ordered, budget=self._hub.budget)
        self._contents.needs_rebuild = False
        self._payloads.forget()
        self.rescan()

    async def close(self) -> None:
        """Stop timers and reads."""
        self._schedule.cancel()
        await asyncio.gather(self._arrivals.close(), self._revisits.close(), self._payloads.close())
