"""The journal's ports, one Protocol per role. Every adapter implements all of them.

The journal is the durable store of tracking updates, pushes and attempts. A class takes only the roles that it needs
as constructor arguments. So its signature shows how it uses the journal, and its tests need only a small fake.
The conformance suite in tests/journal runs against every adapter. Times are milliseconds since the epoch. All methods
run on the event loop and never block it.

docs/guarantees.md depends on two rules. `UpdateLog.append`'s future resolves only after the commit has reached the
disk. `JournalListener.on_commit` runs in commit order, on the event loop, before any of those futures resolves, even
if nobody awaits them any more: the dispatcher then gets each push although the aggregator has disconnected.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from trackpush_api.routing import Tenant
from trackpush_server.journal.announcements import (
    Announced,
    AnnouncedEvent,
    AnnouncementRows,
    CollectedEvent,
    SubjectTotal,
    TargetState,
)
from trackpush_server.journal.config_history import ConfigHead, NewConfigEntry, StoredFields
from trackpush_server.journal.inbox import InboxBounds, NewUnrecognised
from trackpush_server.journal.last_updates import LastUpdates
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
from trackpush_server.journal.portal_changes import ChangeRow, ChangeState, NewChange, WaitingChange
from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.journal.rollups import NewTally
from trackpush_server.journal.search import JournalSearch


class UpdateLog(Protocol):
    """Stores received updates and unrecognised bodies. For the receiver, in this process or in another."""

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be stored now, or None."""
        ...

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        """Store one request's updates atomically; after the commit, resolves to the number of new updates.

        The future fails with JournalUnavailableError when they could not be stored.

        Raises:
            JournalUnavailableError: at once, when the journal is unavailable or its queue is full.
        """
        ...

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        """Store one request's unrecognised bodies atomically; returns the number of new bodies after the commit.

        A body that the account sent before only increases that body's counter. The commit enforces `InboxStore.bounds`.

        Raises:
            JournalUnavailableError: the bodies could not be stored, or the queue is full.
        """
        ...


class PushQueue(Protocol):
    """Pending pushes and the outcomes of attempts. For the dispatcher."""

    def record(self, outcome: Outcome) -> None:
        """Store an outcome with the next commit. While the journal is unavailable, it stays queued in memory."""
        ...

    @property
    def outcomes_waiting(self) -> int:
        """Number of outcomes that are not on disk yet. If it grows too large, the dispatcher pauses."""
        ...

    async def flush(self) -> None:
        """Return when all entries queued before this call are on disk."""
        ...

    async def pending(self, wanted: Sequence[PageRequest]) -> tuple[PendingPage, ...]:
        """Read pages of pending pushes, one per request, all from one snapshot."""
        ...

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        """Read the given pushes that are still pending, by update id."""
        ...

    async def expire(self, push_config: str, *, received_before: int, limit: int) -> int:
        """Mark at most ``limit`` pending pushes that were received before then as dead; returns their number."""
        ...

    async def pending_configs(self) -> PendingConfigs:
        """The PushConfigs with pending pushes. The cost depends on the number of PushConfigs, not of pushes."""
        ...


class BacklogStore(Protocol):
    """Counts and drops pending pushes."""

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        """The number of pending pushes of each PushConfig that has any."""
        ...

    async def drop(self, push_config: str, *, reason: str, now: int, limit: int) -> int:
        """Mark at most ``limit`` pending pushes as dropped, the oldest first; returns their number."""
        ...


class ReplayStore(Protocol):
    """Finds ended pushes, and updates without a push, and makes them pending."""

    async def push_configs(self) -> tuple[str, ...]:
        """All PushConfigs that ever had a push."""
        ...

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[EndedPush, ...]:
        """The next matching ended pushes with update_id > after, in order; excludes erased updates.

        If it returns fewer than ``limit``, there are no more.
        """
        ...

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        """Make ended pushes pending again; returns their number.

        A push becomes late if a newer one of its shipment was delivered. Pushes that are pending or erased, or that
        were replayed at ``replayed_before`` or later, are not changed.
        """
        ...

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> FoundUpdates:
        """Find updates without a push for this PushConfig, with id > after, in order; reads at most ``limit`` updates.

        Excludes erased updates. With an AWB, one call finds all.
        """
        ...

    async def read_updates(self, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
        """Read the given updates that are stored and not erased, in order."""
        ...

    async def add_pushes(self, push_config: str, update_ids: Sequence[int], *, now: int) -> int:
        """Add pending pushes to stored updates, as replays; returns their number. `replay` says when one is late.

        Skips updates that have a push for this PushConfig, are erased, or are not stored any more.
        """
        ...


class ErasureStore(Protocol):
    """Finds and erases personal data, and records each erasure."""

    async def find(self, subject: Subject, *, after: int, limit: int) -> FoundUpdates:
        """Find a subject's updates that aren't erased, with id > after, in order; reads at most ``limit`` updates."""
        ...

    async def begin(self, subject: str, reason: str, *, now: int) -> int:
        """Record the start of an erasure; returns its id."""
        ...

    async def erase(self, erasure: int, update_ids: Sequence[int], *, now: int) -> int:
        """Erase the personal data of these updates and drop their pending pushes; returns the number of updates.

        Adds both numbers to the erasure's record.
        """
        ...

    async def end(self, erasure: int, *, now: int) -> None:
        """Remove erased data from free pages and logs, then record the end of the erasure."""
        ...

    async def records(self, *, limit: int) -> tuple[Erasure, ...]:
        """The records, newest first."""
        ...


class ReencryptionStore(Protocol):
    """Re-encrypts values that are not stored as the current encryption configuration requires."""

    async def reseal(self, *, after: int, limit: int) -> Resealed:
        """Read the next ``limit`` updates with id > ``after``; re-encrypt those not sealed with the current key."""
        ...

    async def reseal_unrecognised(self, *, after: int, limit: int) -> Resealed:
        """Does the same as `reseal` for unrecognised bodies."""
        ...

    async def scrub(self) -> None:
        """Remove deleted and replaced data from free pages and logs."""
        ...


class RetentionStore(Protocol):
    """Deletes records after their retention."""

    async def trim(self, keep: RetentionCutoffs, *, after: int, limit: int) -> Trimmed:
        """Read the next ``limit`` updates with id > ``after`` and delete their expired pushes and attempts.

        Keeps pending pushes and their updates. Deletes an update together with the last of its pushes.
        """
        ...

    async def expire_unrecognised(self, *, received_before: int, limit: int) -> int:
        """Delete at most ``limit`` unrecognised bodies whose latest arrival was before then; returns their number."""
        ...

    async def expire_portal_links(self, *, expired_before: int, limit: int) -> int:
        """Delete at most ``limit`` links to the portal that expired before then; returns their number."""
        ...


class InboxStore(Protocol):
    """Bounds and deletes unrecognised bodies. `UpdateLog` adds them, `JournalSearch` lists them."""

    bounds: InboxBounds

    async def forget(self, keys: Sequence[bytes]) -> int:
        """Delete these unrecognised bodies; returns the number deleted."""
        ...


class TenantStore(Protocol):
    """Binds clients' names to namespace objects."""

    async def bind(self, wanted: Mapping[str, Sequence[Tenant]]) -> dict[str, BoundClient]:
        """Bind clients, given by name, to these namespace objects; see `trackpush_server.journal.tenants`.

        Records of a former namespace of the same name get the client name ``NAME@UID`` and are found only under that
        name. Entries queued before this call are stored first, so that they belong to the former namespace.
        """
        ...


class LastUpdateStore(Protocol):
    """Stores when each account's aggregator last sent an update. `UpdateLog` stores these times with its commits."""

    async def serve(self, accounts: Sequence[str], *, now: int, again: bool) -> None:
        """Record that these accounts are served since ``now``.

        An account that has such a time keeps it, and one that has an update was served then. An account that is served
        ``again``, because it was deleted and created again, gets the new time in any case.
        """
        ...

    async def listen(self, *, now: int) -> LastUpdates:
        """Record that a server can receive updates, and read all times. `listened` defines the rules.

        If the clock was set back, times after ``now`` become ``now``.
        """
        ...


class RollupStore(Protocol):
    """Counts of updates and pushes by the hour. `JournalSearch.rollups` reads them."""

    async def add(self, tallies: Sequence[NewTally], *, at: int) -> None:
        """Add these numbers to the bucket that starts at ``at``; returns when they are on disk.

        Each pair of subject and name occurs once. Leaves out accounts and PushConfigs that the journal does not know.

        Raises:
            JournalUnavailableError: they could not be stored; over a network it may be unknown whether they are.
        """
        ...

    async def merge(self, *, now: int) -> None:
        """Merge rows that nobody needs by the hour any more, and delete old ones.

        Raises:
            JournalUnavailableError: nothing was merged.
        """
        ...


class PortalChangeStore(Protocol):
    """Changes of PushConfigs that clients' people asked for in the portal."""

    async def add(self, change: NewChange) -> None:
        """Store a change as waiting; returns when it is on disk. It supersedes a waiting one of the same PushConfig.

        Raises:
            TooManyChangesError: too many changes wait, see `MOST_WAITING` and `MOST_WAITING_IN_ALL`.
            JournalUnavailableError: it could not be stored.
        """
        ...

    async def waiting(self, *, limit: int) -> tuple[WaitingChange, ...]:
        """Waiting changes with their credentials, the oldest first."""
        ...

    async def find(self, change: str) -> ChangeRow | None:
        """A change, without its credentials."""
        ...

    async def settle(self, change: str, state: ChangeState, message: str, *, now: int) -> ChangeRow | None:
        """End a change and delete its credentials; returns its row, or None if it does not exist.

        A change that has ended keeps its state, so a repeated call changes nothing.
        """
        ...

    async def expire(self, *, before: int, now: int) -> int:
        """Refuse changes that were made before then and still wait; returns their number."""
        ...

    async def recent(self, client: str, *, namespace_uid: str, limit: int) -> tuple[ChangeRow, ...]:
        """The newest changes of a client, without credentials. Those of another namespace object are left out."""
        ...


class AnnouncementStore(Protocol):
    """What was announced to people, and the messages that are not sent yet.

    All methods raise JournalUnavailableError if the store can't be read or written; over a network it may be unknown
    whether something was written. Then read again.
    """

    async def adopt(self, targets: Sequence[str], baseline: Sequence[Announced], *, now: int) -> None:
        """Record that a server is configured with these targets.

        ``baseline``: rows with version 1 of targets that may be new; those of other targets are ignored.
        """
        ...

    async def read(self) -> AnnouncementRows:
        """All targets, and what was announced to each."""
        ...

    async def totals(self) -> tuple[SubjectTotal, ...]:
        """Number of dead pushes of each PushConfig, and of unrecognised bodies of each account, that has any."""
        ...

    async def record(self, changed: Sequence[Announced], events: Sequence[tuple[str, AnnouncedEvent]]) -> bool:
        """Store changed rows, each with its next version, and the events of these changes by target; all or nothing.

        Returns False, and stores nothing, if a row was changed by somebody else since it was read.
        """
        ...

    async def collected(self, target: str) -> tuple[CollectedEvent, ...]:
        """The events that wait for the target's next message, in order."""
        ...

    async def put(self, state: TargetState, *, body: bytes | None = None, includes: int = 0) -> bool:
        """Store a target's state with its next version; returns False if somebody else changed it since it was read.

        ``body`` is the body of a new message, which contains the collected events up to the number ``includes``: they
        are removed in the same transaction. Without a message_id, the body is removed.
        """
        ...

    async def body(self, target: str, message_id: str) -> bytes | None:
        """The body of the target's message; None if this message does not wait any more."""
        ...

    async def tidy(self, *, now: int) -> None:
        """Forget targets that no server is configured with, and what was announced long ago."""
        ...


class ConfigHistoryStore(Protocol):
    """The history of the configuration. `JournalSearch.config_history` reads it."""

    async def head(self, *, since: int) -> ConfigHead | None:
        """The newest entry, and the revisions of the entries since then; None if there is no entry."""
        ...

    async def resources(self) -> dict[str, StoredFields]:
        """The fields of each resource as of the newest entry, by ``Kind namespace/name``."""
        ...

    async def append(
        self, entry: NewConfigEntry, *, after: int, resources: Mapping[str, StoredFields], gone: Sequence[str]
    ) -> bool:
        """Add an entry after the entry with this id (0: as the first one), with the changed and removed resources.

        Returns False, and stores nothing, if another entry is the newest one: another replica stored it. The history
        keeps the newest `MOST_ENTRIES`.

        Raises:
            JournalUnavailableError: it could not be stored.
        """
        ...


class AuditLog(Protocol):
    """Stores operators' actions."""

    async def add(self, entry: NewAudit) -> None:
        """Add an entry; returns when it is on disk. The log keeps the newest `MOST_AUDITS`.

        Raises:
            JournalUnavailableError: the entry could not be stored. The caller must not perform the action.
        """
        ...


class PortalLinkStore(Protocol):
    """Stores the links to the portal, and the key that signs them. For `PortalLinks`."""

    async def key(self, fresh: bytes) -> bytes:
        """The key; if there is none yet, ``fresh`` becomes it."""
        ...

    async def add(self, link: PortalLink) -> None:
        """Store a new link; returns when it is on disk."""
        ...

    async def find(self, link_id: str) -> PortalLink | None:
        """Read one link, also an expired or revoked one."""
        ...

    async def of_client(self, client: str | None, *, limit: int) -> tuple[PortalLink, ...]:
        """The links of a client, or of all current clients; the newest first."""
        ...

    async def revoke(self, link_id: str, *, now: int) -> PortalLink | None:
        """Revoke a link, if it was not revoked before, and return it; None if there is no such link."""
        ...


class JournalStatus(Protocol):
    """The journal's state, for metrics and health checks."""

    @property
    def stats(self) -> JournalStats:
        """Counters and gauges."""
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
        """Number of outcomes that are not on disk yet."""
        ...

    @property
    def size_bytes(self) -> int:
        """Size on disk; 0 if unknown."""
        ...


class Journal(JournalStatus, Protocol):
    """One journal: its roles, and its lifecycle."""

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
        """For metrics and for the drop operation."""
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
        """For the re-encryption job."""
        ...

    @property
    def retention(self) -> RetentionStore:
        """For the retention job."""
        ...

    @property
    def inbox(self) -> InboxStore:
        """For the operations on the inbox."""
        ...

    @property
    def tenants(self) -> TenantStore:
        """For `Tenancy`."""
        ...

    @property
    def last_updates(self) -> LastUpdateStore:
        """For the silence watch."""
        ...

    @property
    def rollups(self) -> RollupStore:
        """For `RollupCounts`."""
        ...

    @property
    def portal_links(self) -> PortalLinkStore:
        """For `PortalLinks`."""
        ...

    @property
    def portal_changes(self) -> PortalChangeStore:
        """For the portal, and for the operations that apply its changes."""
        ...

    @property
    def announcements(self) -> AnnouncementStore:
        """For `Announcer`."""
        ...

    @property
    def config_history(self) -> ConfigHistoryStore:
        """For `ConfigRecorder`."""
        ...

    @property
    def audit(self) -> AuditLog:
        """For the admin API."""
        ...

    @property
    def search(self) -> JournalSearch:
        """For the admin API and the console. `close` closes it, too."""
        ...

    def subscribe(self, listener: JournalListener) -> None:
        """Add a listener. Call it before `start`: earlier events are not repeated."""
        ...

    async def start(self) -> None:
        """Open and migrate the store. If that fails, the journal is unavailable and retries in the background."""
        ...

    async def close(self) -> None:
        """Write the queued entries, then close."""
        ...
