"""What all channels share: the journal, the transport, the clock, randomness, and the memory budget."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from trackpush_server.journal.ports import PushQueue
from trackpush_server.journal.slots import Ownership
from trackpush_server.outbound.port import Transport
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.flusher import Flusher
from trackpush_server.pusher.observer import PushObserver
from trackpush_server.pusher.reading import Reading
from trackpush_server.pusher.recent_answers import RecentAnswers
from trackpush_server.tracing.port import Tracing

PAUSE = 0.2
"""Seconds until the next check whether attempts may start."""
RELOAD_AFTER_FAULT = 1.0
"""Seconds until a read of the journal is repeated after it failed."""
MOST_UNWRITTEN_OUTCOMES = 1000
"""No attempt starts while more outcomes than this are not on disk: after a crash, each of these pushes is sent again.
"""


@dataclass(kw_only=True)
class Hub:
    """Shared by the dispatcher and its channels, on one event loop."""

    journal: PushQueue
    transport: Transport
    observer: PushObserver
    wall: Callable[[], float]
    """Seconds since the epoch."""
    chance: Callable[[], float]
    """Returns a random number, uniform in [0, 1)."""
    ownership: Ownership
    tracing: Tracing | None = None
    budget: Budget = field(default_factory=Budget)
    answers: RecentAnswers = field(default_factory=RecentAnswers)
    owned: set[int] = field(default_factory=set)
    """Slots whose pushes this server may send: it holds them and does not hand them over."""
    stopping: bool = False
    quotes: bool = True
    """Whether the journal stores the responses to failed attempts. False if bodies are encrypted: a response may repeat
    the body.
    """
    suspended_accounts: frozenset[str] = frozenset()
    in_flight: int = 0
    """Number of attempts in flight, over all channels."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after `stop` when no attempt is in flight."""
    on_left: Callable[[], None] = field(default=lambda: None)
    """Called when a channel of a slot that is handed over becomes idle."""
    flusher: Flusher = field(init=False)
    reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        self.flusher = Flusher(self.journal)
        self.reading = Reading(self.journal)

    @property
    def may_start(self) -> bool:
        """Whether any attempt may start now."""
        return not self.stopping and self.journal.outcomes_waiting <= MOST_UNWRITTEN_OUTCOMES

    def owns(self, slot: int) -> bool:
        """Whether this server sends the pushes of the PushConfigs in this slot."""
        return self.ownership.alone or slot in self.owned

    def stop(self) -> None:
        """Start no further attempts."""
        self.stopping = True
        if not self.in_flight:
            self.idle.set()

    def attempt_ended(self) -> None:
        """Subtract one from the attempts in flight."""
        self.in_flight -= 1
        if self.stopping and not self.in_flight:
            self.idle.set()
