"""The data of a window: the lanes in memory, and bookkeeping about pushes that are only on disk."""

from collections.abc import Iterable
from typing import Protocol

from trackpush_api.routing import Retry
from trackpush_server.pusher.backlog import Backlog
from trackpush_server.pusher.endpoint import Endpoint
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane, Lanes
from trackpush_server.pusher.parked import Parked
from trackpush_server.pusher.state import State


class WindowOwner(Protocol):
    """The part of the channel that the window's classes use."""

    name: str

    @property
    def state(self) -> State:
        """The state of the endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint's state and limits."""

    @property
    def retry(self) -> Retry:
        """The retry policy."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is in flight."""
        ...

    def start(self, lane: Lane) -> None:
        """Send the head of a lane that is already marked running, out of order."""

    def start_ready(self, *, refill: bool = True) -> None:
        """Start as many ready pushes as the limits allow; ``refill``: then read more from the journal."""

    def plan_probe(self, delay: float) -> None:
        """Plan a probe: memory may have a new candidate."""

    def wake_in(self, seconds: float) -> None:
        """Check for work again after this many seconds, or earlier."""


class WindowContents:
    """The lanes, the backlog and the parked pushes of one PushConfig, shared by the window's classes."""

    __slots__ = ("backlog", "lanes", "needs_rebuild", "parked", "watched")

    def __init__(self, hub: Hub, *, ordered: bool) -> None:
        self.lanes = Lanes(ordered=ordered, budget=hub.budget)
        """A rebuild replaces this object; attempts in flight then end in the old one."""
        self.needs_rebuild = False
        """Whether the lanes must be rebuilt when no attempt is in flight."""
        self.backlog = Backlog(alone=hub.ownership.alone)
        self.parked = Parked()
        self.watched: set[int] = set()
        """Update ids of the pushes to try now, while they are read; an id is removed when its push ends."""

    @property
    def has_more(self) -> bool:
        """Whether there may be pending pushes that are only on disk."""
        return self.backlog.spilled or not self.parked.is_empty

    def ended(self, update_id: int) -> None:
        """Record that a push has ended: a read from disk may still show it as pending."""
        self.backlog.ended(update_id)
        self.parked.ended(update_id)
        self.watched.discard(update_id)

    def trim(self, keep: int) -> None:
        """Remove all pushes from memory except the ``keep`` oldest and the running ones."""
        on_disk = self.lanes.trim(keep)
        if on_disk is not None:
            self.backlog.spill(on_disk + 1)

    def rescan(self, again: Iterable[int] = ()) -> None:
        """Read all pending pushes from disk again; ``again`` are ended pushes that are pending again (replays)."""
        self.backlog.rescan(again)
        self.parked.clear()
