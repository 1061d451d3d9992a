"""The window: which of a PushConfig's pending pushes are in memory, as lanes, and which are on disk only.

`WindowContents` holds the lanes, and what is known of the disk. `capacity` says how much may be in memory. Pushes come
as commits and as pages of the journal. Two cursors read pages: `Arrivals` brings what was never in memory, in order;
`Revisits` looks again at what `WaitingLanes` put back on disk to wait there. `PayloadLoader` reads payloads back that
were let go.
"""

import asyncio
from collections.abc import Iterable

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
    """Of one PushConfig. Lives on one event loop."""

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

    # ---- what is in it

    @property
    def lanes(self) -> Lanes:
        """The lanes in memory; others after a rebuild."""
        return self._contents.lanes

    @property
    def loading(self) -> int:
        """Heads whose payload is being read back; each is as good as an attempt under way."""
        return self._payloads.loading

    @property
    def has_more(self) -> bool:
        """Whether pending pushes may be on disk only."""
        return self._contents.has_more

    @property
    def needs_rebuild(self) -> bool:
        """Whether the lanes are to be made again as soon as no attempt is under way."""
        return self._contents.needs_rebuild

    def next_probe(self) -> Lane | None:
        """The head to probe the endpoint with; None where there is none, or a better one may be on disk."""
        return next_probe(self.lanes, spilled=self._contents.backlog.spilled)

    # ---- pushes come in

    def offer(self, committed: Committed) -> bool:
        """Take a committed push if there is room; True when it is in memory."""
        return self._arrivals.offer(committed)

    def stored_elsewhere(self, first_id: int) -> None:
        """Another replica stored pushes, this one the first of them."""
        self._arrivals.stored_elsewhere(first_id)

    def rescan(self, again: Iterable[int] = ()) -> None:
        """Read everything pending from disk again; ``again`` had ended and are pending once more."""
        self._contents.rescan(again)

    def refill(self) -> None:
        """Read on from disk where there is room."""
        contents = self._contents
        if contents.backlog.spilled:
            self._arrivals.read()
        if contents.parked.spilled:
            self._revisits.read()
        elif contents.parked.unsure and self._owner.state is State.OPEN and not has_candidate(contents.lanes):
            self._schedule.look_soon()

    def load(self, lane: Lane) -> None:
        """Read back the payload of the head of a lane that is marked running."""
        self._payloads.load(lane)

    def _begin_revisit(self) -> None:
        self._revisits.begin()

    # ---- letting go

    def ended(self, update_id: int) -> None:
        """A push has ended; its outcome may not be on disk yet."""
        self._contents.ended(update_id)

    def shrink(self) -> None:
        """The endpoint fails: keep what its probes need."""
        self._contents.trim(bounds.WINDOW_WHILE_OPEN)

    def let_go(self) -> None:
        """Keep nothing but what is under way."""
        self._contents.trim(0)
        if not self._contents.parked.is_empty:
            self.rescan()

    def rebuild_later(self) -> None:
        """Take nothing more from disk until the lanes are made again."""
        self._contents.needs_rebuild = True

    def rebuild(self, *, ordered: bool) -> None:
        """Start again from the disk; what is under way ends in the old lanes."""
        self.lanes.trim(0)
        self._contents.lanes = Lanes(ordered=ordered, budget=self._hub.budget)
        self._contents.needs_rebuild = False
        self._payloads.forget()
        self.rescan()

    async def close(self) -> None:
        """Stop timers and reads."""
        self._schedule.cancel()
        await asyncio.gather(self._arrivals.close(), self._revisits.close(), self._payloads.close())
