"""What all channels share: the journal, the transport, the clock, chance, and the memory budget."""

from collections.abc import Callable
from dataclasses import dataclass, field

from trackpush_server.journal.port import Journal
from trackpush_server.outbound.port import Transport
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.flusher import Flusher
from trackpush_server.pusher.observer import PushObserver

MOST_UNWRITTEN_OUTCOMES = 1000
"""With more outcomes than this not on disk, no new attempt starts: after a crash each would be sent again."""


@dataclass(kw_only=True)
class Hub:
    """Shared by the dispatcher and its channels; lives on one event loop."""

    journal: Journal
    transport: Transport
    observer: PushObserver
    wall: Callable[[], float]
    """Seconds since the epoch."""
    chance: Callable[[], float]
    """Uniform in [0, 1)."""
    budget: Budget = field(default_factory=Budget)
    stopping: bool = False
    suspended_accounts: frozenset[str] = frozenset()
    flusher: Flusher = field(init=False)

    def __post_init__(self) -> None:
        self.flusher = Flusher(self.journal)

    @property
    def may_start(self) -> bool:
        """Whether attempts may start at all."""
        return not self.stopping and self.journal.outcomes_waiting <= MOST_UNWRITTEN_OUTCOMES
