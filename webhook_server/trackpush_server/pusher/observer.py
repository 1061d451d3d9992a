"""The pusher's observer: one Protocol, so that the pusher knows no metrics and no logs."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trackpush_server.journal.model import Committed, Outcome


class PushObserver(Protocol):
    """Called on the event loop; must be cheap and never raise."""

    def committed(self, committed: Sequence[Committed]) -> None:
        """New updates are on disk."""
        ...

    def attempted(self, push_config: str, result: str, seconds: float, trace: str | None = None) -> None:
        """One attempt ended. ``result`` is a status class (``2xx``…) or a Failure's value; see `NewUpdate.trace`."""
        ...

    def ended(self, push_config: str, state: str, age_seconds: float, trace: str | None = None) -> None:
        """A push ended as ``delivered`` or ``dead``, this long after its update was received."""
        ...

    def recorded(self, key: bytes, shipment: str, outcome: Outcome) -> None:
        """An outcome goes to the journal; ``key`` is its update's."""
        ...

    def failed(self, push_config: str, push_id: str, *, tries: int, reason: str, next_in: float | None) -> None:
        """An attempt failed; ``next_in`` seconds until the next, None when the push is dead."""
        ...

    def changed(self, push_config: str, state: str, reason: str) -> None:
        """The endpoint's state changed: see `ChannelSnapshot.breaker`."""
        ...


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """A PushConfig to which nothing is delivered now, though it should be."""

    push_config: str
    gone: bool
    """It answered 410."""
    is_open: bool = True
    """Whether its breaker is open: one push probes the endpoint, the others wait."""
    is_hopeless: bool = False
    """Whether no retry can help, because its configuration is at fault."""
    since: float
    """Seconds since the epoch."""
    cause: str
    """What the last attempt came to, see `policy.cause`."""
    failures: int
    """In a row."""


class ChannelSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One PushConfig's delivery, as /metrics and the console show it. Times: seconds since the epoch."""

    push_config: str
    in_memory: int
    in_flight: int
    lanes: int
    concurrency: int
    """How many attempts may run at once now; below the configured bound while an endpoint recovers."""
    spilled: bool
    """Whether pending pushes wait on disk beyond those in memory."""
    breaker: str
    """``closed``, ``open``, ``gone``, ``suspended`` or ``unconfigured``: see `state.State`."""
    reason: str
    since: float = 0.0
    """Since when it is in this state; 0 is from the start."""
    next_try_at: float | None
    consecutive_failures: int
    last_success_at: float | None
    failing_since: float | None = None
    """Since when nothing is delivered though it should be; None while all is well. What `Trouble` says, too."""
    ready_since: float | None = None
    """When the head became sendable; None while the client itself delays it."""
