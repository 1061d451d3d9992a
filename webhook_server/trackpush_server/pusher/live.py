"""What a running server knows about one pending push and its PushConfig, beyond the journal's row. Pure values."""

from enum import Enum

import msgspec

from trackpush_server.pusher.state import State


class Place(Enum):
    """Where a pending push is, as the process knows it."""

    SENDING = "sending"
    """Its attempt is in flight, or its payload is being read for one."""
    READY = "ready"
    """It is the head of its lane, and waits for a free slot or a rate token."""
    WAITING = "waiting"
    """It is the head of its lane, and waits for its retry or for its endpoint."""
    UNREADABLE = "unreadable"
    """It is the head of its lane, and its payload can't be decrypted."""
    BEHIND = "behind"
    """An earlier push of its lane is in memory."""
    ON_DISK = "on disk"
    """It is not in memory: the journal knows whether an earlier push of its lane is pending."""


class LivePush(msgspec.Struct, frozen=True, kw_only=True):
    """The live facts about one pending push. Times are seconds since the epoch."""

    state: State
    """Of its endpoint, see `state.State`; ``UNCONFIGURED`` if its PushConfig is not in the routing table."""
    reason: str = ""
    """Cause of the state or of the reported failure. Contains no text from the endpoint."""
    since: float | None = None
    """When the state was entered, or the failure began; None if unknown."""
    failures: int = 0
    """Failed attempts in a row, of any push to this endpoint."""
    next_probe_at: float | None = None
    is_suspended: bool = False
    """Whether its PushConfig is suspended; also known for a PushConfig whose pushes another replica sends."""
    is_account_suspended: bool = False
    is_ordered: bool = True
    """Whether the pushes of a shipment are sent one after the other."""
    owner: str | None = None
    """Name of the replica that sends its pushes, if it is another one and known."""
    paused_until: float | None = None
    """End of the pause that the endpoint asked for (Retry-After); None without one."""
    rate_limited_until: float | None = None
    """When the rate limit allows the next attempt; None if it does not delay one now."""
    in_flight: int = 0
    concurrency: int = 0
    """Maximum number of concurrent attempts now."""
    is_held_back: bool = False
    """Whether the server starts no attempts now: it ends, or its journal can't store outcomes fast enough."""
    place: Place = Place.ON_DISK
    behind: str | None = None
    """Id of the head of its lane, if it is another push in memory."""
    last_attempt_at: float | None = None
    configured_at: float | None = None
    """Since when this process sends with the present version of the PushConfig; None if it does not send."""

    @property
    def needs_journal(self) -> bool:
        """Whether only the journal can say which push its lane waits for."""
        sends = self.state in {State.CLOSED, State.ELSEWHERE}
        return sends and self.is_ordered and not self.is_suspended and self.place is Place.ON_DISK


GONE_WITH_NAMESPACE = "@"
"""Part of the name of a PushConfig whose namespace was deleted: see `journal.tenants`."""
