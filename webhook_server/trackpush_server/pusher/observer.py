"""The pusher's observer, a Protocol. With it, the pusher imports neither metrics nor logging."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trackpush_server.journal.model import Committed, Outcome


class PushObserver(Protocol):
    """Called on the event loop; must be cheap and never raise."""

    def committed(self, committed: Sequence[Committed]) -> None:
        """Called when new updates are on disk."""
        ...

    def attempted(self, push_config: str, result: str, seconds: float, trace: str | None = None) -> None:
        """Called when an attempt ended.

        ``result``: a status class (``2xx``…) or a Failure's value; ``trace``: see `NewUpdate.trace`.
        """
        ...

    def ended(self, push_config: str, state: str, age_seconds: float, trace: str | None = None) -> None:
        """Called when a push ended. ``state``.

        ``delivered``, ``dead`` or ``dropped``; ``age_seconds``: since its update was received.
        """
        ...

    def expired(self, push_config: str, number: int) -> None:
        """Called when ``number`` pushes on disk, which are not in memory, became dead because they were too old."""
        ...

    def recorded(self, key: bytes, shipment: str, outcome: Outcome) -> None:
        """Called when an outcome is passed to the journal; ``key`` is the key of the push's update."""
        ...

    def failed(self, push_config: str, push_id: str, *, tries: int, reason: str, next_in: float | None) -> None:
        """Called when an attempt failed; ``next_in``: seconds until the next attempt, None if the push is dead."""
        ...

    def changed(self, push_config: str, state: str, reason: str) -> None:
        """Called when the endpoint's state changed; ``state`` as in `ChannelSnapshot.breaker`."""
        ...


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """The problem of a PushConfig whose pushes are not being delivered."""

    push_config: str
    gone: bool
    """Whether the endpoint responded with 410."""
    is_open: bool = True
    """Whether its breaker is open: one push probes the endpoint, the others wait."""
    is_hopeless: bool = False
    """Whether no retry can succeed, because the configuration is wrong."""
    since: float
    """Start of the problem, in seconds since the epoch."""
    cause: str
    """The cause of the last failed attempt, see `policy.cause`."""
    failures: int
    """Number of failures in a row."""


class EndpointHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an endpoint works, for an observer that remembers how it was before."""

    trouble: Trouble | None = None
    delivered_at: float | None = None
    """If no attempt failed since the last delivery: its time, in seconds since the epoch. None: not known yet."""


class ChannelSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one channel for /metrics and the console. Times are seconds since the epoch."""

    push_config: str
    in_memory: int
    in_flight: int
    lanes: int
    concurrency: int
    """Maximum number of concurrent attempts now; below the configured limit while an endpoint recovers."""
    spilled: bool
    """Whether pending pushes wait on disk beyond those in memory."""
    breaker: str
    """``closed``, ``open``, ``gone``, ``suspended`` or ``unconfigured``: see `state.State`."""
    reason: str
    since: float = 0.0
    """When this state was entered; 0 if it is the initial state."""
    next_try_at: float | None
    consecutive_failures: int
    last_success_at: float | None
    failing_since: float | None = None
    """Start of the reported failure of the endpoint; None if it is not failing. The same as `Trouble.since`."""
    ready_since: float | None = None
    """When the next push became sendable; None while the client delays it: failure, rate limit or Retry-After."""
