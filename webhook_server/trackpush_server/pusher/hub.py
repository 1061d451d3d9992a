"""Shared by all channels: the journal, the transport, the clock, chance, and the memory budget."""

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
from trackpush_server.tracing.port import Tracing

PAUSE = 0.2
"""Seconds until to look again whether attempts may start."""
RELOAD_AFTER_FAULT = 1.0
"""Seconds until to read again what the journal couldn't give."""
MOST_UNWRITTEN_OUTCOMES = 1000
"""With more outcomes than this not on disk, no new attempt starts: after a crash each would be sent again."""


@dataclass(kw_only=True)
class Hub:
    """Shared by the dispatcher and its channels; lives on one event loop."""

    journal: PushQueue
    transport: Transport
    observer: PushObserver
    wall: Callable[[], float]
    """Seconds since the epoch."""
    chance: Callable[[], float]
    """Uniform in [0, 1)."""
    ownership: Ownership
    tracing: Tracing | None = None
    budget: Budget = field(default_factory=Budget)
    owned: set[int] = field(default_factory=set)
    """Slots whose pushes may be sent from here: held, and not about to be handed over."""
    stopping: bool = False
    quotes: bool = True
    """Whether the journal keeps what endpoints answered to failed attempts. Not where bodies are encrypted: it may
    repeat what it was sent."""
    suspended_accounts: frozenset[str] = frozenset()
    in_flight: int = 0
    """Attempts under way, over all channels."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, once stopping, when no attempt is under way."""
    on_left: Callable[[], None] = field(default=lambda: None)
    """Called when a channel that is no longer sent from here has no attempt under way any more."""
    flusher: Flusher = field(init=False)
    reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        self.flusher = Flusher(self.journal)
        self.reading = Reading(self.journal)

    @property
    def may_start(self) -> bool:
        """Whether attempts may start at all."""
        return not self.stopping and self.journal.outcomes_waiting <= MOST_UNWRITTEN_OUTCOMES

    def owns(self, slot: int) -> bool:
        """Whether pushes of the PushConfigs in this slot are sent from here."""
        return self.ownership.alone or slot in self.owned

    def stop(self) -> None:
        """Start no attempt from now on."""
        self.stopping = True
        if not self.in_flight:
            self.idle.set()

    def attempt_ended(self) -> None:
        """Count one attempt less under way."""
        self.in_flight -= 1
        if self.stopping and not self.in_flight:
            self.idle.set()
