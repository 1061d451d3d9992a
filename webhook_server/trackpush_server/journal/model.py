"""The journal's records. Times are milliseconds since the epoch."""

from enum import IntEnum
from typing import Literal

import msgspec

MOST_AUDITS = 100_000
"""The audit log keeps so many entries, the newest."""
_DAY_BITS = 36
"""Number of low bits of a PostgreSQL update id: the number within the day. The high bits are the day."""


class JournalUnavailableError(Exception):
    """The journal could not store or read. The message says why and what to do."""


class PushState(IntEnum):
    """The state of a push, as stored."""

    PENDING = 0
    DELIVERED = 1
    DEAD = 2
    DROPPED = 3


class NewPush(msgspec.Struct, frozen=True, array_like=True):
    """One push of a new update. With ``drop_late``, a late push is stored as dropped."""

    push_config: str
    drop_late: bool = False


class NewUpdate(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One tracking update with all its pushes; stored atomically."""

    key: bytes
    """16 bytes, unique: see `trackpush_aggregators.updates.update_key`."""
    account: str
    received_at: int
    occurred_at: int | None
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    notification: bytes
    """`trackpush_aggregators.canonical.Notification` as JSON."""
    body: bytes
    """The aggregator's redacted body as JSON."""
    pushes: tuple[NewPush, ...] = ()
    trace: str | None = None
    """W3C ``traceparent`` of the span that received it; None while tracing is off."""
    timeless: bool = False
    """Whether the aggregator sent no event time. Its key is then `trackpush_aggregators.updates.occurrence_key`, and it
    is a duplicate if the last stored update of its account and shipment has the same `IDENTITY` in its key."""
    arrived_at: int = 0
    """When the aggregator sent it, if that is not ``received_at``: an unrecognised body that is parsed again later."""


IDENTITY = slice(5, 11)
"""The bytes of a key that identify the reported event, without its time."""


class Committed(msgspec.Struct, frozen=True):
    """A new update that has reached the disk."""

    update_id: int
    """Ascending in commit order; updates of a shipment are pushed in this order."""
    update: NewUpdate
    late: tuple[str, ...] = ()
    """PushConfigs to which this update is late: an update with a later event time was stored before."""
    dropped: tuple[str, ...] = ()
    """The PushConfigs of ``late`` whose push was stored as dropped."""
    behind: int = 0
    """The highest earlier update id of the same shipment and account that another replica stored and that has a
    pending push; 0 if there is none. A channel that has not read that far reads from the journal first. It must be
    the highest: if a channel has a lower one in memory, an update between the two may still be only on disk."""


class StoredPush(msgspec.Struct, frozen=True, kw_only=True):
    """A push read from the journal, with everything needed to send it."""

    update_id: int
    push_config: str
    key: bytes
    account: str
    shipment: str
    received_at: int
    late: bool
    tries: int
    rejections: int
    due_at: int
    """Earliest time of the next attempt; 0 means immediately."""
    notification: bytes
    body: bytes
    replays: int = 0
    """Number of replays."""
    replayed_at: int = 0
    """Time of the last replay; 0 if it was never replayed."""
    tries_before: int = 0
    """Attempts before the last replay; the retry schedule does not count them."""
    trace: str | None = None
    """See `NewUpdate.trace`."""
    unreadable: str | None = None
    """Why its payload can't be decrypted (a key is missing); then notification and body are empty, and it waits."""


class PageRequest(msgspec.Struct, frozen=True):
    """Requests at most ``limit`` pending pushes of a PushConfig with an update id > ``after``."""

    push_config: str
    after: int
    limit: int


class PendingPage(msgspec.Struct, frozen=True):
    """Pending pushes of one PushConfig in order. ``snapshot`` is the highest update id that this read could see.

    A page with fewer pushes than the limit is complete up to ``snapshot``.
    """

    pushes: tuple[StoredPush, ...]
    snapshot: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one attempt, and the state of its push after it."""

    update_id: int
    push_config: str
    state: PushState
    tries: int
    """Number of this attempt, from 1. (update_id, push_config, tries) identifies the attempt in the journal."""
    rejections: int = 0
    due_at: int = 0
    started_at: int = 0
    duration_ms: float = 0.0
    http_status: int | None = None
    error: str | None = None
    """Why it failed, in one short line. Never contains a header value or a sent body."""
    attempted: bool = True
    """False if the push ended without an attempt (it expired while it waited); then no attempt is stored."""


class PendingConfigs(msgspec.Struct, frozen=True):
    """The PushConfigs with pending pushes up to ``snapshot``, the highest update id that this read could see."""

    push_configs: frozenset[str]
    snapshot: int


class PendingCount(msgspec.Struct, frozen=True):
    """Number of pending pushes of one PushConfig, and when the oldest was received."""

    push_config: str
    count: int
    oldest_received_at: int


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Selects ended pushes of a PushConfig. ``None`` matches all; times are times of receipt."""

    states: tuple[PushState, ...] = (PushState.DEAD,)
    keys: tuple[bytes, ...] | None = None
    """Keys of their updates."""
    awb: str | None = None
    """The update's AWB or the AWB of its forward leg."""
    since: int | None = None
    """Inclusive."""
    until: int | None = None
    """Exclusive."""
    replayed_before: int
    """Excludes pushes that were replayed at this time or later."""


class EndedPush(msgspec.Struct, frozen=True):
    """An ended push, as `ReplayStore.ended` returns it."""

    update_id: int
    state: PushState
    received_at: int
    ended_at: int | None
    error: str | None


class Unpushed(msgspec.Struct, frozen=True, kw_only=True):
    """Selects stored updates without a push for a PushConfig. ``None`` matches all; times are times of receipt."""

    accounts: tuple[str, ...]
    """Only updates of these accounts."""
    awb: str | None = None
    """The update's AWB or the AWB of its forward leg."""
    since: int | None = None
    """Inclusive."""
    until: int | None = None
    """Exclusive."""


class StoredUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A tracking update read from the journal."""

    update_id: int
    account: str
    received_at: int
    notification: bytes
    body: bytes
    unreadable: str | None = None
    """See `StoredPush.unreadable`."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The data to erase: all data of a client (namespace), or an AWB's data of one client or of all."""

    client: str | None = None
    awb: str | None = None


class FoundUpdates(msgspec.Struct, frozen=True):
    """One page of found updates: their ids, and the cursor of the next page; None on the last page."""

    update_ids: tuple[int, ...]
    next_after: int | None


class Erasure(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The record of an erasure. ``ended_at`` is None while it runs, and if it was interrupted."""

    id: int
    subject: str
    reason: str
    begun_at: int
    ended_at: int | None
    updates: int
    pushes: int


class NewAudit(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's action. Must not contain personal data: it is kept longer than updates."""

    at: int
    actor: str
    """Name or subject from the login, ``token`` or ``local``."""
    role: Literal["view", "operate"]
    action: str
    """Name of the operation, such as ``replay.start``."""
    target: str
    """Object of the action, such as ``client acme``; an AWB is given as its digest only."""
    address: str
    """IP address of the caller."""


class AuditRow(NewAudit, frozen=True, kw_only=True):
    """An entry of the audit log."""

    id: int
    """Ascending; newer entries have higher ids."""


class RetentionCutoffs(msgspec.Struct, frozen=True, kw_only=True):
    """Pushes that ended before a cutoff are deleted.

    Updates received since ``delivered_since`` are kept even without pushes, because they identify duplicates.
    """

    delivered_since: int
    """Cutoff of delivered and dropped pushes."""
    dead_since: int
    """Cutoff of dead pushes."""


class Trimmed(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of `RetentionStore.trim` deleted."""

    updates: int = 0
    pushes: int = 0
    seconds: float = 0.0
    """How long the step kept the store busy."""
    next_after: int | None = None
    """Where to continue; None when all old updates were read. Then start the next run from the same place: pushes of
    the last updates may have ended too late to be deleted now."""


class Resealed(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one step of `ReencryptionStore.reseal`; counts are updates."""

    looked: int
    resealed: int
    unreadable: tuple[str, ...] = ()
    """One reason for each update that can't be decrypted; such updates are left unchanged."""
    seconds: float = 0.0
    """How long the step kept the store busy."""
    next_after: int | None = None
    """Where to continue; None at the end."""


class BoundClient(msgspec.Struct, frozen=True):
    """The namespace object that owns a client's names in the journal."""

    uid: str
    generation: str = ""
    """Empty for the first namespace of a name. Otherwise part of its updates' keys, so that an update is never a
    duplicate of a former namespace's update."""
    took_over: str | None = None
    """The UID of a former namespace whose pushes it took over."""


class LostCommits(msgspec.Struct, frozen=True, kw_only=True):
    """The database lost commits that this process had seen, for instance after a failover."""

    kept_to: int
    """Updates up to this id are unchanged; a higher id may now belong to another update."""
    highest: int
    """The highest id that this process had seen."""
    outcomes: int
    """Number of outcomes that were discarded, because their updates may be lost."""

    @property
    def updates(self) -> int | None:
        """Number of lost updates; None if they span several days, because there are gaps between the days' ids."""
        if self.kept_to >> _DAY_BITS != self.highest >> _DAY_BITS and self.kept_to < self.highest:
            return None
        return max(self.highest - self.kept_to, 0)


class JournalStats(msgspec.Struct):
    """Counters and gauges for /metrics."""

    commits: int = 0
    commit_seconds: float = 0.0
    rows: int = 0
    queued: int = 0
    """Updates that currently wait for a commit."""
    last_batch: int = 0
    missing: str | None = None
    """What the journal had lost when this process opened it; None if nothing."""
