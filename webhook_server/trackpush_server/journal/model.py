"""The records of the journal: what goes into it and what comes out. Times are milliseconds since the epoch."""

from enum import IntEnum
from typing import Literal

import msgspec

MOST_AUDITS = 100_000
"""Entries of the audit log that are kept, the newest."""
_DAY_BITS = 36
"""The low bits of an update id in PostgreSQL: its number within a day. The high bits are the day."""


class JournalUnavailableError(Exception):
    """Nothing was stored and nothing will be until the cause is gone. The message says what it is and what to do."""


class PushState(IntEnum):
    """The state of a push, as stored."""

    PENDING = 0
    DELIVERED = 1
    DEAD = 2
    DROPPED = 3


class NewPush(msgspec.Struct, frozen=True, array_like=True):
    """One push of a new update. ``drop_late`` has a late one stored as dropped."""

    push_config: str
    drop_late: bool = False


class NewUpdate(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One tracking update with all its pushes: stored as a whole or not at all."""

    key: bytes
    """16 bytes, unique: see `trackpush_server.updates.update_key`."""
    account: str
    received_at: int
    occurred_at: int | None
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    notification: bytes
    """`trackpush_server.canonical.Notification` as JSON."""
    body: bytes
    """The aggregator's body, JSON, redacted."""
    pushes: tuple[NewPush, ...] = ()
    trace: str | None = None
    """The span that received it, as a W3C ``traceparent``; None while tracing is off."""
    timeless: bool = False
    """Whether it has no time of its own. Its key is then `trackpush_server.updates.occurrence_key`, and it is a
    duplicate if the last update that was stored of its account and shipment has the same `IDENTITY` in its key."""


IDENTITY = slice(5, 11)
"""The bytes of a key that tell what was reported, of whatever time."""


class Committed(msgspec.Struct, frozen=True):
    """A new update that has reached the disk."""

    update_id: int
    """Grows in commit order; one shipment's updates are pushed in this order."""
    update: NewUpdate
    late: tuple[str, ...] = ()
    """PushConfigs for which an update with a later event time was stored before."""
    dropped: tuple[str, ...] = ()
    """Those of ``late`` whose push was stored as dropped."""
    behind: int = 0
    """The highest earlier update id of the same shipment and account that another replica stored and that has a
    pending push; 0 when there is none. A channel that hasn't read up to that one reads from the journal first. The
    highest: with a lower one in memory, another between the two may still be on disk only."""


class StoredPush(msgspec.Struct, frozen=True, kw_only=True):
    """A push read back from the journal, with all that is needed to send it."""

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
    """Not before this time; 0 is at once."""
    notification: bytes
    body: bytes
    replays: int = 0
    """How often it was replayed."""
    replayed_at: int = 0
    """When it was last; 0 is never."""
    tries_before: int = 0
    """Tries before the last replay: the retry schedule counts from there."""
    trace: str | None = None
    """See `NewUpdate.trace`."""
    unreadable: str | None = None
    """Why its payload can't be opened (a key of the encryption is missing): it waits, notification and body empty."""


class PageRequest(msgspec.Struct, frozen=True):
    """The next page of a PushConfig: at most ``limit`` pending pushes with an update id > ``after``."""

    push_config: str
    after: int
    limit: int


class PendingPage(msgspec.Struct, frozen=True):
    """Pending pushes of one PushConfig in order, and the highest update id that this read could have seen.

    A page shorter than the limit has everything that was committed up to ``snapshot``.
    """

    pushes: tuple[StoredPush, ...]
    snapshot: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt came to, and the state of its push after it."""

    update_id: int
    push_config: str
    state: PushState
    tries: int
    """Number of this attempt, from 1. The journal keeps the attempt under (update_id, push_config, tries)."""
    rejections: int = 0
    due_at: int = 0
    started_at: int = 0
    duration_ms: float = 0.0
    http_status: int | None = None
    error: str | None = None
    """One short line: why it failed. Never a header value, never a body that was sent."""
    attempted: bool = True
    """False when the push ended without an attempt (expired while it waited): no attempt row is written."""


class PendingConfigs(msgspec.Struct, frozen=True):
    """The PushConfigs that had anything pending up to ``snapshot``, the highest update id that this read could see."""

    push_configs: frozenset[str]
    snapshot: int


class PendingCount(msgspec.Struct, frozen=True):
    """Pending pushes of one PushConfig, and when the oldest was received (ms)."""

    push_config: str
    count: int
    oldest_received_at: int


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which ended pushes of a PushConfig. ``None`` accepts all; times of receipt."""

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
    """Not those that were replayed at this time or later."""


class EndedPush(msgspec.Struct, frozen=True):
    """A push that has ended, as `Journal.ended` finds it."""

    update_id: int
    state: PushState
    received_at: int


class Unpushed(msgspec.Struct, frozen=True, kw_only=True):
    """Which stored updates without a push for a PushConfig. ``None`` accepts all; times of receipt."""

    accounts: tuple[str, ...]
    """Of these accounts only."""
    awb: str | None = None
    """The update's AWB or the AWB of its forward leg."""
    since: int | None = None
    """Inclusive."""
    until: int | None = None
    """Exclusive."""


class StoredUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A tracking update read back from the journal."""

    update_id: int
    account: str
    received_at: int
    notification: bytes
    body: bytes
    unreadable: str | None = None
    """See `StoredPush.unreadable`."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data is erased: a whole client (namespace), or an AWB, of one client or of all."""

    client: str | None = None
    awb: str | None = None


class FoundUpdates(msgspec.Struct, frozen=True):
    """One look for updates: their ids, and where to continue (None: there are no more)."""

    update_ids: tuple[int, ...]
    next_after: int | None


class Erasure(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The record of an erasure. ``ended_at`` is None while it is under way, or when it was cut short."""

    id: int
    subject: str
    reason: str
    begun_at: int
    ended_at: int | None
    updates: int
    pushes: int


class NewAudit(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked the server to do what. Never personal data: it outlives the retention of updates."""

    at: int
    actor: str
    """A name or subject from the log-in, ``token`` or ``local``."""
    role: Literal["view", "operate"]
    action: str
    """Such as ``replay.start``."""
    target: str
    """What it concerns, such as ``client acme``; an AWB only as its digest."""
    address: str
    """Where the request came from."""


class AuditRow(NewAudit, frozen=True, kw_only=True):
    """An entry of the audit log."""

    id: int
    """Grows; newer is higher."""


class RetentionCutoffs(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: pushes that ended since then; to know repeats, updates received since ``delivered_since``."""

    delivered_since: int
    """Of delivered and dropped pushes."""
    dead_since: int


class Trimmed(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of `Journal.trim` deleted."""

    updates: int = 0
    pushes: int = 0
    seconds: float = 0.0
    """For which the store was busy with it."""
    next_after: int | None = None
    """Where to continue; None when everything that is old enough was read. Then read again from the same place: what
    was received last of that may have ended too late to go already."""


class Resealed(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of `Journal.reseal` came to, in updates."""

    looked: int
    resealed: int
    unreadable: tuple[str, ...] = ()
    """Why, one for each that can't be opened: it stays as it is."""
    seconds: float = 0.0
    """For which the store was busy with it."""
    next_after: int | None = None
    """Where to continue; None at the end."""


class BoundClient(msgspec.Struct, frozen=True):
    """The namespace object that a client's names in the journal belong to."""

    uid: str
    generation: str = ""
    """Empty for the first namespace of its name; else part of the keys of its updates, so that none of them is taken
    for a repeat of an update of a former namespace."""
    took_over: str | None = None
    """The UID of a former namespace whose pushes it got."""


class LostCommits(msgspec.Struct, frozen=True, kw_only=True):
    """The database came back without commits that this process had seen."""

    kept_to: int
    """Updates up to this id are the same as before; any later id may be another update's."""
    highest: int
    """The highest id that this process had seen."""
    outcomes: int
    """Outcomes of updates that may be lost: they were dropped."""

    @property
    def updates(self) -> int | None:
        """How many of the updates seen are missing; None when they are of several days, whose ids have gaps."""
        if self.kept_to >> _DAY_BITS != self.highest >> _DAY_BITS and self.kept_to < self.highest:
            return None
        return max(self.highest - self.kept_to, 0)


class JournalStats(msgspec.Struct):
    """Running figures, read by /metrics. Counters only grow."""

    commits: int = 0
    commit_seconds: float = 0.0
    rows: int = 0
    queued: int = 0
    """Updates that wait for the next commit, now."""
    last_batch: int = 0
    missing: str | None = None
    """What the journal lacked, at this start, of what was stored before."""
