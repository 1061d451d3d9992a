"""The journal's roles: what each of its users needs of it, and what every adapter must do.

The journal is the durable store of tracking updates, pushes and attempts. A user takes the roles that it needs in its
constructor, so its type says what it can do to the journal, and its tests need a fake of that much only.
The conformance suite in tests/journal runs against every adapter. Times are milliseconds since the epoch. All methods
are called on the event loop and never block it.

Two rules carry docs/guarantees.md. `UpdateLog.append`'s future resolves only after the commit has reached the disk.
And `JournalListener.on_commit` runs in commit order, on the event loop, before any of those futures resolves, whether
or not anyone still waits for them: the dispatcher gets each push from memory, even when the aggregator hung up
meanwhile.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from trackpush_api.routing import Tenant
from trackpush_server.journal.inbox import InboxBounds, NewUnrecognised
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import (
    BoundClient,
    EndedPush,
    Erasure,
    FoundUpdates,
    JournalStats,
    NewAudit,
    NewUpdate,
    Outcome,
    PageRequest,
    PendingConfigs,
    PendingCount,
    PendingPage,
    Resealed,
    RetentionCutoffs,
    Selection,
    StoredPush,
    StoredUpdate,
    Subject,
    Trimmed,
    Unpushed,
)
from trackpush_server.journal.search import JournalSearch


class UpdateLog(Protocol):
    """Stores what the receiver took, in this process or in another."""

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

        A body that the account sent before is counted with it. `InboxStore.bounds` hold after the commit.

        Raises:
            JournalUnavailableError: they could not be stored, or too many wait.
        """
        ...


class PushQueue(Protocol):
    """Pending pushes, and the outcomes of attempts: for the dispatcher."""

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

    async def pending(self, wanted: Sequence[PageRequest]) -> tuple[PendingPage, ...]:
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


class BacklogStore(Protocol):
    """How many pushes wait, and their end without an attempt."""

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        """The backlog of each PushConfig that has one."""
        ...

    async def drop(self, push_config: str, *, reason: str, now: int, limit: int) -> int:
        """Mark at most ``limit`` pending pushes as dropped, the oldest first; how many it were."""
        ...


class ReplayStore(Protocol):
    """Ended pushes, and updates without a push, that are to be sent again."""

    async def push_configs(self) -> tuple[str, ...]:
        """Every PushConfig that the journal has ever held a push of."""
        ...

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[EndedPush, ...]:
        """The next ended pushes that match, with update_id > after, in order; never those of erased updates.

        Fewer than ``limit`` are the last ones.
        """
        ...

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        """Make ended pushes pending again, late where a newer one of the shipment was delivered; how many it were.

        Those that are pending, erased, or were replayed at ``replayed_before`` or later stay as they are.
        """
        ...

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> FoundUpdates:
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


class ErasureStore(Protocol):
    """Finds and erases personal data, and keeps a record of each erasure."""

    async def find(self, subject: Subject, *, after: int, limit: int) -> FoundUpdates:
        """Look for updates of a subject that aren't erased, with id > after, in order; looks at ``limit`` at most."""
        ...

    async def begin(self, subject: str, reason: str, *, now: int) -> int:
        """Write down that an erasure has begun; its number."""
        ...

    async def erase(self, erasure: int, update_ids: Sequence[int], *, now: int) -> int:
        """Erase what these updates tell of people, drop their pending pushes, count both; how many updates it were."""
        ...

    async def end(self, erasure: int, *, now: int) -> None:
        """See that nothing erased is left in free pages or logs, then write down that it is done."""
        ...

    async def records(self, *, limit: int) -> tuple[Erasure, ...]:
        """The records, newest first."""
        ...


class ReencryptionStore(Protocol):
    """Encrypts again what is not stored as the current configuration says."""

    async def reseal(self, *, after: int, limit: int) -> Resealed:
        """Read the next ``limit`` updates with id > ``after``; encrypt those not sealed as they would be now."""
        ...

    async def reseal_unrecognised(self, *, after: int, limit: int) -> Resealed:
        """As `reseal`, for unrecognised bodies."""
        ...

    async def scrub(self) -> None:
        """See that nothing that was deleted or replaced is left in free pages or logs."""
        ...


class RetentionStore(Protocol):
    """Deletes what is old enough."""

    async def trim(self, keep: RetentionCutoffs, *, after: int, limit: int) -> Trimmed:
        """Look at the next ``limit`` updates with id > ``after`` and delete what is kept no longer of them.

        Pending pushes stay, and with them their updates. An update goes with the last of its pushes.
        """
        ...

    async def expire_unrecognised(self, *, received_before: int, limit: int) -> int:
        """Delete at most ``limit`` unrecognised bodies that came last before then; how many it were."""
        ...


class InboxStore(Protocol):
    """Unrecognised bodies. `UpdateLog` adds to them, `JournalSearch` lists them."""

    bounds: InboxBounds
    """How many are kept."""

    async def forget(self, keys: Sequence[bytes]) -> int:
        """Delete these unrecognised bodies; how many it were."""
        ...


class TenantStore(Protocol):
    """Binds what is stored to namespace objects."""

    async def bind(self, wanted: Mapping[str, Sequence[Tenant]]) -> dict[str, BoundClient]:
        """Bind clients to these namespace objects, by name; see `trackpush_server.journal.tenants`.

        What belongs to a former namespace of the same name gets the client name ``NAME@UID``: it is found and listed
        under that name, and no longer under the namespace's. What was handed over before is stored first, so that it
        belongs to the former namespace.
        """
        ...


class AuditLog(Protocol):
    """Who asked the server to do what."""

    async def add(self, entry: NewAudit) -> None:
        """Add an entry; returns when it is on disk. The newest `MOST_AUDITS` are kept.

        Raises:
            JournalUnavailableError: it could not be stored: then what it tells of must not be done.
        """
        ...


class JournalStatus(Protocol):
    """For metrics and health checks."""

    @property
    def stats(self) -> JournalStats:
        """Running figures."""
        ...

    @property
    def alive(self) -> bool:
        """Whether the writer runs."""
        ...

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be stored now, or None."""
        ...

    @property
    def outcomes_waiting(self) -> int:
        """How many outcomes are not on disk yet."""
        ...

    @property
    def size_bytes(self) -> int:
        """What it takes on the disk; 0 where nobody here can know."""
        ...


class Journal(JournalStatus, Protocol):
    """One journal: its roles, and its life."""

    @property
    def updates(self) -> UpdateLog:
        """For the receiver."""
        ...

    @property
    def pushes(self) -> PushQueue:
        """For the dispatcher."""
        ...

    @property
    def backlog(self) -> BacklogStore:
        """For metrics, and for drops."""
        ...

    @property
    def replays(self) -> ReplayStore:
        """For replays."""
        ...

    @property
    def erasures(self) -> ErasureStore:
        """For erasures."""
        ...

    @property
    def encryption(self) -> ReencryptionStore:
        """For the job that encrypts again."""
        ...

    @property
    def retention(self) -> RetentionStore:
        """For retention."""
        ...

    @property
    def inbox(self) -> InboxStore:
        """For the jobs that empty the inbox."""
        ...

    @property
    def tenants(self) -> TenantStore:
        """For `Tenancy`."""
        ...

    @property
    def audit(self) -> AuditLog:
        """For the admin API."""
        ...

    @property
    def search(self) -> JournalSearch:
        """For what people read. Closed with the journal."""
        ...

    def subscribe(self, listener: JournalListener) -> None:
        """Announce everything to this listener, too. Before `start`: what was announced before is not repeated."""
        ...

    async def start(self) -> None:
        """Open and migrate. A store that can't be opened leaves the journal unavailable; it keeps trying."""
        ...

    async def close(self) -> None:
        """Write what is queued, then close."""
        ...
