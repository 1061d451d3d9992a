"""The journal: the durable store of tracking updates, pushes and attempts. What every adapter must do.

The conformance suite in tests/journal runs against every adapter. Times are milliseconds since the epoch.

Two rules carry docs/guarantees.md. `Journal.append`'s future resolves only after the commit has reached
the disk. And the `on_commit` callback runs in commit order, on the event loop, before any of those futures resolves,
whether or not anyone still waits for them: the dispatcher gets each push from memory, even when the aggregator hung
up meanwhile.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from trackpush_server.journal.inbox import InboxBounds, NewUnrecognised

if TYPE_CHECKING:
    from trackpush_server.journal.lookup import Lookup

MOST_AUDITS = 100_000
"""Entries of the audit log that are kept, the newest."""


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


class Wanted(msgspec.Struct, frozen=True):
    """The next page of a PushConfig: at most ``limit`` pending pushes with an update id > ``after``."""

    push_config: str
    after: int
    limit: int


class Page(msgspec.Struct, frozen=True):
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
    """One short line: why it failed. Never a header value, never a body of ours."""
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


class Ended(msgspec.Struct, frozen=True):
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


class Found(msgspec.Struct, frozen=True):
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


class Keep(msgspec.Struct, frozen=True, kw_only=True):
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
    """Where to go on; None when everything that is old enough was looked at. Look again from the same place then: what
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
    """Where to go on; None when there are no more."""


class JournalStats(msgspec.Struct):
    """Running figures, read by /metrics. Counters only grow."""

    commits: int = 0
    commit_seconds: float = 0.0
    rows: int = 0
    queued: int = 0
    """Entries that wait for the next commit, now."""
    last_batch: int = 0
    missing: str | None = None
    """What the journal lacked, at this start, of what was stored before."""


class Appender(Protocol):
    """What the receiver needs of a journal, in this process or in another."""

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be stored now, or None."""
        ...

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        """Store one request's updates, all or none; resolves, after the commit, to how many were new.

        The future fails with JournalUnavailableError when they could not be stored.

        Raises:
            JournalUnavailableError: at once, when the journal is unavailable or its queue is full.
        """
        ...

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        """Keep one request's unrecognised bodies, all or none; how many were new, after the commit.

        A body that the account sent before is counted with it. `Journal.inbox_bounds` hold after the commit.

        Raises:
            JournalUnavailableError: they could not be stored, or too many wait.
        """
        ...


class Journal(Appender, Protocol):
    """The port. All methods are called on the event loop and never block it."""

    stats: JournalStats
    on_commit: Callable[[Sequence[Committed]], None]
    """Set before `start`. Called on the loop, in commit order, once per commit that stored new updates."""
    on_batch: Callable[[float, int], None]
    """Called on the loop after each commit with its duration in seconds and its number of rows (for histograms)."""
    on_state: Callable[[str | None], None]
    """Called on the loop when the journal becomes unavailable (with the reason) or available again (None)."""
    on_elsewhere: Callable[[str, int], None]
    """Called on the loop: another replica stored pushes of this PushConfig; the lowest of their update ids."""
    on_replayed: Callable[[str, Sequence[int]], None]
    """Called on the loop: another replica made these pushes of a PushConfig pending again."""
    on_erased: Callable[[frozenset[int]], None]
    """Called on the loop: another replica erased these updates."""
    on_dropped: Callable[[str, int], None]
    """Called on the loop: so many unrecognised bodies of an account had to go, as `inbox_bounds` were reached."""
    inbox_bounds: InboxBounds

    @property
    def lookup(self) -> "Lookup":
        """What people read through. Closed with the journal."""
        ...

    @property
    def size_bytes(self) -> int:
        """What it takes on the disk; 0 where nobody here can know."""
        ...

    async def start(self) -> None:
        """Open and migrate. A store that can't be opened leaves the journal unavailable; it goes on trying."""
        ...

    async def close(self) -> None:
        """Write what is queued, then close."""
        ...

    def record(self, outcome: Outcome) -> None:
        """Store an outcome with the next commit. Kept in memory and tried again while the journal is unavailable."""
        ...

    @property
    def outcomes_waiting(self) -> int:
        """How many outcomes are not on disk yet. The dispatcher pauses when this grows."""
        ...

    async def flush(self) -> None:
        """Return when everything that was handed over before is on disk."""
        ...

    async def pending(self, wanted: Sequence[Wanted]) -> tuple[Page, ...]:
        """Pages of pending pushes from disk, one for each that is wanted, all of one snapshot."""
        ...

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        """Those of the given pushes that are still pending, by update id."""
        ...

    async def expire(self, push_config: str, *, received_before: int, limit: int) -> int:
        """Mark at most ``limit`` pending pushes that were received before then as dead; how many it were."""
        ...

    async def pending_configs(self) -> PendingConfigs:
        """Which PushConfigs have anything pending at all; costs by their number, not by that of their pushes."""
        ...

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        """The backlog of each PushConfig that has one."""
        ...

    async def trim(self, keep: Keep, *, after: int, limit: int) -> Trimmed:
        """Look at the next ``limit`` updates with id > ``after`` and delete what is kept no longer of them.

        Pending pushes stay, and with them their updates. An update goes with the last of its pushes.
        """
        ...

    async def push_configs(self) -> tuple[str, ...]:
        """Every PushConfig that the journal has ever held a push of."""
        ...

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[Ended, ...]:
        """The next ended pushes that match, with update_id > after, in order; never those of erased updates.

        Fewer than ``limit`` mean that there are no more.
        """
        ...

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        """Make ended pushes pending again, late where a newer one of the shipment was delivered; how many it were.

        Those that are pending, erased, or were replayed at ``replayed_before`` or later stay as they are.
        """
        ...

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> Found:
        """Look for updates without a push for this PushConfig, with id > after, in order; looks at ``limit`` at most.

        Never those of erased updates. By AWB, one look finds all.
        """
        ...

    async def read_updates(self, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
        """Those of the given updates that are stored and not erased, in order."""
        ...

    async def add_pushes(self, push_config: str, update_ids: Sequence[int], *, now: int) -> int:
        """Add pending pushes to stored updates, as replays: see `replay` for when one is late; how many were added.

        Updates that have a push for this PushConfig, were erased or are not stored any more get none.
        """
        ...

    async def reseal(self, *, after: int, limit: int) -> Resealed:
        """Look at the next ``limit`` updates with id > ``after``; store anew what isn't sealed as it would be now."""
        ...

    async def forget_unrecognised(self, keys: Sequence[bytes]) -> int:
        """Delete these unrecognised bodies; how many it were."""
        ...

    async def expire_unrecognised(self, *, received_before: int, limit: int) -> int:
        """Delete at most ``limit`` unrecognised bodies that came last before then; how many it were."""
        ...

    async def reseal_unrecognised(self, *, after: int, limit: int) -> Resealed:
        """As `reseal`, for unrecognised bodies."""
        ...

    async def scrub(self) -> None:
        """See that nothing that was deleted or replaced is left in free pages or logs."""
        ...

    async def find_erasable(self, subject: Subject, *, after: int, limit: int) -> Found:
        """Look for updates of a subject that aren't erased, with id > after, in order; looks at ``limit`` at most."""
        ...

    async def begin_erasure(self, subject: str, reason: str, *, now: int) -> int:
        """Write down that an erasure has begun; its number."""
        ...

    async def erase(self, erasure: int, update_ids: Sequence[int], *, now: int) -> int:
        """Erase what these updates tell of people, drop their pending pushes, count both; how many updates it were."""
        ...

    async def end_erasure(self, erasure: int, *, now: int) -> None:
        """See that nothing erased is left in free pages or logs, then write down that it is done."""
        ...

    async def erasures(self, *, limit: int) -> tuple[Erasure, ...]:
        """The records, newest first."""
        ...

    async def audit(self, entry: NewAudit) -> None:
        """Add to the audit log; returns when it is on disk. The newest `MOST_AUDITS` are kept.

        Raises:
            JournalUnavailableError: it could not be stored: then what it tells of must not be done.
        """
        ...
