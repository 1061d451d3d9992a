"""The PostgreSQL adapter: bounds what is queued, turns the writer's news into calls, and puts the parts together."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import msgspec

from trackpush_api.routing import Tenant, namespace_of
from trackpush_server.journal.append_queue import AppendQueue
from trackpush_server.journal.inbox import InboxBounds, NewUnrecognised
from trackpush_server.journal.listener import JournalListener, JournalListeners
from trackpush_server.journal.model import (
    MOST_AUDITS,
    BoundClient,
    Ended,
    Erasure,
    Found,
    JournalStats,
    JournalUnavailableError,
    Keep,
    LostCommits,
    NewAudit,
    NewUpdate,
    Outcome,
    Page,
    PendingConfigs,
    PendingCount,
    Resealed,
    Selection,
    StoredPush,
    StoredUpdate,
    Subject,
    Trimmed,
    Unpushed,
    Wanted,
)
from trackpush_server.journal.postgres import erasing, inbox, pages, resealing, tenants, unpushed
from trackpush_server.journal.postgres.clock import SharedClock
from trackpush_server.journal.postgres.history import History
from trackpush_server.journal.postgres.housekeeping import Housekeeping
from trackpush_server.journal.postgres.lookup import PostgresLookup
from trackpush_server.journal.postgres.names import NameIds
from trackpush_server.journal.postgres.news import ChangeFeed
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.queue import Queue
from trackpush_server.journal.postgres.retention import PartitionRetention
from trackpush_server.journal.postgres.session import Connector
from trackpush_server.journal.postgres.writer import PostgresWriter
from trackpush_server.journal.queries import load
from trackpush_server.journal.sealing import Sealer

_SQL = load(f"{__package__}.sql", "reading")
_REPLAY = load(f"{__package__}.sql", "replay")
_T = TypeVar("_T")


class PostgresJournal:
    """A journal in a database. See `trackpush_server.journal.port.Journal`.

    ``replica`` is this process's number in ``trackpush.replicas`` if several share the database:
    then outcomes count only while the slot of their PushConfig is owned by it. Without, this process is the only one.
    ``sealer`` seals and opens what is stored; without one, everything is stored in clear.
    """

    def __init__(self, dsn: str, *, replica: int | None = None, sealer: Sealer | None = None) -> None:
        self._listeners = JournalListeners()
        self._appends = AppendQueue(self._listeners, waits_for="database")
        self.inbox_bounds = InboxBounds()
        self._number = replica or secrets.randbelow((1 << 31) - 1) + 1
        self._started = False
        self.clock = SharedClock()
        """The database's clock, by which all that share it go."""
        connector = self._connector = Connector(dsn, self.clock)
        self._sealer = sealer or Sealer(os.urandom)
        self._dispatch = Pool(connector, most=2)
        """For the dispatcher alone: what people ask for may take long, and no push waits for that."""
        self._pool = Pool(connector, most=2)
        self._lookup = PostgresLookup(self._pool, self._sealer)
        self._inbox_pool = Pool(connector, most=1)
        self._inbox = inbox.InboxWriter(self._inbox_pool, self._sealer)
        self._retention = PartitionRetention(self._pool)
        self._housekeeping = Housekeeping(self._pool, self._number, self.clock)
        self._queue = Queue()
        fenced = replica is not None
        self._history = History()
        self._names = NameIds()
        self._writer = PostgresWriter(
            connector,
            self._queue,
            self._names,
            self._sealer,
            appends=self._appends,
            history=self._history,
            replica=self._number,
            fenced=fenced,
            on_lost_commits=self._lost_commits,
        )
        look_again = self._writer.look_again
        self._news = (
            ChangeFeed(connector, self._number, self._history, self._listeners, on_other_history=look_again)
            if fenced
            else None
        )

    def subscribe(self, listener: JournalListener) -> None:
        """Announce everything to this listener, too."""
        self._listeners.subscribe(listener)

    @property
    def stats(self) -> JournalStats:
        """Running figures."""
        return self._appends.stats

    @property
    def lookup(self) -> PostgresLookup:
        """What people read through."""
        return self._lookup

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be stored now, or None."""
        return self._appends.unavailable

    @property
    def outcomes_waiting(self) -> int:
        """How many outcomes are not on disk yet."""
        return self._appends.outcomes_waiting

    @property
    def size_bytes(self) -> int:
        """All tables and indexes, as of the last minute."""
        return self._housekeeping.size_bytes

    @property
    def alive(self) -> bool:
        """Whether the writer runs."""
        return self._writer.alive

    async def start(self) -> None:
        """Connect and migrate; when that fails the journal is unavailable and keeps trying."""
        self._started = True
        self._writer.start()
        await self._writer.tried.wait()
        self._housekeeping.start()
        if self._news is not None:
            await self._news.start()

    def use(self, dsn: str) -> None:
        """Make new connections with this: another password, say. It is the same database."""
        self._connector.dsn = dsn

    def look_again(self) -> None:
        """See at once whether this journal can still be used: something else found that it was moved away."""
        self._writer.look_again()

    async def close(self) -> None:
        """Write what is queued, then close."""
        if self._appends.closed or not self._started:
            return
        self._appends.close()
        if self._news is not None:
            await self._news.stop()
        await self._housekeeping.stop()
        await self._writer.stop()
        await self._dispatch.close()
        await self._inbox_pool.close()
        await self._pool.close()

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        """Store one request's updates; see the port."""
        append = self._appends.add(self._by_shared_clock(updates), number=self._queue.number())
        self._queue.append(append)
        return append.done

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        """Keep one request's unrecognised bodies; see the port."""
        self._appends.check()
        kept = await self._inbox.keep(bodies, self.inbox_bounds)
        self._listeners.bodies_dropped(kept.dropped)
        return kept.new

    def record(self, outcome: Outcome) -> None:
        """Store an outcome with the next call."""
        if self._started and not self._appends.closed:
            self._appends.outcomes_waiting += 1
            self._queue.record(outcome)

    async def flush(self) -> None:
        """Return when everything that was handed over before is on disk."""
        if not self._started or self._appends.closed:
            raise JournalUnavailableError("the journal is not open")
        try:
            await self._queue.flush()
        except RuntimeError:
            raise JournalUnavailableError("the journal was closed before it could write what was queued") from None

    async def pending(self, wanted: Sequence[Wanted]) -> tuple[Page, ...]:
        """Pages of pending pushes."""
        uids = self._names.uids
        return await self._known(pages.pending(self._dispatch, self._history, self._sealer, wanted, uids))

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        """Those of the given pushes that are still pending."""
        uid = self._names.uids.get(namespace_of(push_config))
        return await self._known(
            pages.fetch(self._dispatch, self._history, self._sealer, push_config, update_ids, uid=uid)
        )

    async def expire(self, push_config: str, *, received_before: int, limit: int) -> int:
        """Mark old pending pushes as dead."""
        await self._flush_for_write()
        return await self._dispatch.write(_REPLAY["expire"], push_config, received_before, limit)

    async def drop(self, push_config: str, *, reason: str, now: int, limit: int) -> int:
        """Mark pending pushes as dropped."""
        await self._flush_for_write()
        return await self._pool.write(_REPLAY["drop"], push_config, reason, now, limit)

    async def pending_configs(self) -> PendingConfigs:
        """Which PushConfigs have anything pending."""
        return await self._known(pages.pending_configs(self._dispatch, self._history))

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        """The backlog of each PushConfig."""
        return await pages.pending_counts(self._pool)

    async def bind(self, wanted: Mapping[str, Sequence[Tenant]]) -> dict[str, BoundClient]:
        """Bind clients to namespace objects."""
        await self._flush_for_write()
        found = await tenants.bind(self._pool, wanted, self._names.uids)
        self._names.uids.update((namespace, client.uid) for namespace, client in found.bound.items())
        if found.renamed:
            self._names.forget()
        return found.bound

    async def trim(self, keep: Keep, *, after: int, limit: int) -> Trimmed:
        """Delete what is kept no longer."""
        return await self._retention.trim(keep, after, limit)

    async def push_configs(self) -> tuple[str, ...]:
        """Every PushConfig that ever had a push."""
        return await pages.push_configs(self._pool)

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[Ended, ...]:
        """The next ended pushes that match."""
        return await pages.ended(self._pool, push_config, selection, after, limit)

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        """Make ended pushes pending again."""
        await self._flush_for_write()
        values = (push_config, list(update_ids), now, replayed_before, self._number)
        return await self._pool.write(_REPLAY["replay"], *values, news=True)

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> Found:
        """Look for updates without a push for this PushConfig."""
        return await unpushed.find(self._pool, push_config, wanted, after, limit)

    async def read_updates(self, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
        """Updates with their payloads."""
        return await unpushed.read(self._pool, self._sealer, update_ids)

    async def add_pushes(self, push_config: str, update_ids: Sequence[int], *, now: int) -> int:
        """Add pending pushes to stored updates."""
        await self._flush_for_write()
        return await unpushed.add(self._pool, push_config, update_ids, now, self._number)

    async def reseal(self, *, after: int, limit: int) -> Resealed:
        """Encrypt the next updates that aren't sealed as they would be now."""
        return await resealing.reseal(self._pool, self._sealer, after, limit)

    async def forget_unrecognised(self, keys: Sequence[bytes]) -> int:
        """Delete these unrecognised bodies."""
        return await inbox.forget(self._pool, keys)

    async def expire_unrecognised(self, *, received_before: int, limit: int) -> int:
        """Delete unrecognised bodies that came last before then."""
        return await inbox.expire(self._pool, received_before, limit)

    async def reseal_unrecognised(self, *, after: int, limit: int) -> Resealed:
        """Seal the next unrecognised bodies as it would be done now."""
        return await inbox.reseal(self._pool, self._sealer, after, limit)

    async def scrub(self) -> None:
        """Vacuum everything."""
        await erasing.scrub(self._pool)

    async def find_erasable(self, subject: Subject, *, after: int, limit: int) -> Found:
        """Look for updates of a subject."""
        return await erasing.find(self._pool, subject, after, limit)

    async def begin_erasure(self, subject: str, reason: str, *, now: int) -> int:
        """Write down that an erasure has begun."""
        return await erasing.begin(self._pool, subject, reason, now)

    async def erase(self, erasure: int, update_ids: Sequence[int], *, now: int) -> int:
        """Erase what these updates tell of people."""
        await self._flush_for_write()
        return await erasing.erase(self._pool, erasure, update_ids, now, self._number)

    async def end_erasure(self, erasure: int, *, now: int) -> None:
        """Vacuum what was touched, then write down that it is done."""
        await erasing.end(self._pool, erasure, now)

    async def erasures(self, *, limit: int) -> tuple[Erasure, ...]:
        """The records, newest first."""
        return await pages.erasures(self._pool, limit)

    async def audit(self, entry: NewAudit) -> None:
        """Add to the audit log."""
        values = (entry.at, entry.actor, entry.role, entry.action, entry.target, entry.address)
        number = await self._pool.write(_SQL["audit"], *values)
        await self._pool.fetch(_SQL["trim_audits"], number - MOST_AUDITS)

    async def _flush_for_write(self) -> None:
        """What was handed over before comes first. While nothing can be written, this can't either."""
        self._appends.check()
        await self.flush()

    def _by_shared_clock(self, updates: Sequence[NewUpdate]) -> Sequence[NewUpdate]:
        """With the times of receipt by which every replica judges how old an update is."""
        ahead = round(self.clock.ahead * 1000)
        if not ahead:
            return updates
        return [msgspec.structs.replace(update, received_at=update.received_at - ahead) for update in updates]

    async def _known(self, read: Awaitable[_T]) -> _T:
        """A read of what the writer knows; one of another history has the writer look."""
        try:
            return await read
        except pages.OtherHistoryError:
            self._writer.look_again()
            raise

    def _lost_commits(self, lost: LostCommits) -> None:
        self._dispatch.renew()
        self._pool.renew()
        self._inbox_pool.renew()
        if self._news is not None:
            self._news.restart()
        self._listeners.announce(lambda listener: listener.on_lost_commits(lost))
