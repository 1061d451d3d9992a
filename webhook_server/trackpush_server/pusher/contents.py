"""The parts of a window: the lanes in memory, and the knowledge about pushes that are only on disk."""

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
    """What the parts of the window need of their channel."""

    name: str

    @property
    def state(self) -> State:
        """The state of the endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint's state and limits."""

    @property
    def retry(self) -> Retry:
        """How its pushes are tried again."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is under way."""
        ...

    def start(self, lane: Lane) -> None:
        """Start a lane that is marked running, out of turn."""

    def start_ready(self, *, refill: bool = True) -> None:
        """Start the pushes that may start."""

    def plan_probe(self, delay: float) -> None:
        """There may be another push to probe with."""

    def wake_in(self, seconds: float) -> None:
        """Look again after this many seconds, or earlier."""


class WindowContents:
    """Of one PushConfig. The parts of its window share it."""

    __slots__ = ("backlog", "lanes", "needs_rebuild", "parked")

    def __init__(self, hub: Hub, *, ordered: bool) -> None:
        self.lanes = Lanes(ordered=ordered, budget=hub.budget)
        """Others after a rebuild: what is under way ends in the old ones."""
        self.needs_rebuild = False
        """Whether the lanes are to be made again as soon as no attempt is under way."""
        self.backlog = Backlog(alone=hub.ownership.alone)
        self.parked = Parked()

    @property
    def has_more(self) -> bool:
        """Whether pending pushes may be on disk only."""
        return self.backlog.spilled or not self.parked.is_empty

    def ended(self, update_id: int) -> None:
        """A push has ended; its outcome may not be on disk yet."""
        self.backlog.ended(update_id)
        self.parked.ended(update_id)

    def trim(self, keep: int) -> None:
        """Keep only the oldest pushes, and running ones."""
        on_disk = self.lanes.trim(keep)
        if on_disk is not None:
            self.backlog.spill(on_disk + 1)

    def rescan(self, again: Iterable[int] = ()) -> None:
        """Read everything pending from disk again; ``again`` had ended and are pending once more."""
        self.backlog.rescan(again)
        self.parked.clear()
