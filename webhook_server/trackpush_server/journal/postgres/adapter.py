"""The journal in a database: composes its roles, and starts and stops its parts in order."""

import os
import secrets

from trackpush_server.journal.append_queue import AppendQueue
from trackpush_server.journal.listener import JournalListener, JournalListeners
from trackpush_server.journal.model import JournalStats, LostCommits
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.announcements import PostgresAnnouncements
from trackpush_server.journal.postgres.audit import PostgresAuditLog
from trackpush_server.journal.postgres.change_feed import ChangeFeed
from trackpush_server.journal.postgres.clock import SharedClock
from trackpush_server.journal.postgres.config_history import PostgresConfigHistory
from trackpush_server.journal.postgres.erasure import PostgresErasures
from trackpush_server.journal.postgres.inbox import PostgresInbox
from trackpush_server.journal.postgres.last_updates import PostgresLastUpdates
from trackpush_server.journal.postgres.maintenance import Maintenance
from trackpush_server.journal.postgres.pending import PostgresBacklog, PostgresPushQueue
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.portal_changes import PostgresPortalChanges
from trackpush_server.journal.postgres.portal_links import PostgresPortalLinks
from trackpush_server.journal.postgres.reencryption import PostgresReencryption
from trackpush_server.journal.postgres.replays import PostgresReplays
from trackpush_server.journal.postgres.retention import PostgresRetention
from trackpush_server.journal.postgres.rollups import PostgresRollups
from trackpush_server.journal.postgres.search import PostgresSearch
from trackpush_server.journal.postgres.session import Connector
from trackpush_server.journal.postgres.tenants import PostgresTenants
from trackpush_server.journal.postgres.updates import PostgresUpdateLog
from trackpush_server.journal.postgres.writer import PostgresWriter
from trackpush_server.journal.sealing import Sealer


class PostgresJournal:
    """A journal in a database. See `trackpush_server.journal.ports.Journal`."""

    def __init__(self, dsn: str, *, replica: int | None = None, sealer: Sealer | None = None) -> None:
        """Create the journal; `start` connects it.

        Args:
            dsn: the connection string.
            replica: this process's number in ``trackpush.replicas`` if several processes share the database. Then
                outcomes are stored only while this replica owns the slot of their PushConfig. None: the only process.
            sealer: encrypts and decrypts payloads; without one, they are stored unencrypted.
        """
        number = replica or secrets.randbelow((1 << 31) - 1) + 1
        self.clock = SharedClock()
        """The database's clock, which all replicas use."""
        self._connector = connector = Connector(dsn, self.clock)
        self._listeners = JournalListeners()
        self._appends = AppendQueue(self._listeners, waits_for="database")
        self._access = access = PostgresAccess(connector, self._appends, sealer or Sealer(os.urandom), replica=number)
        self._inbox_pool = Pool(connector, most=1)
        self._housekeeping = Maintenance(access.pool, number, self.clock)
        self._writer = PostgresWriter(
            connector, access, clock=self.clock, fenced=replica is not None, on_lost_commits=self._lost_commits
        )
        self._news = (
            None
            if replica is None
            else ChangeFeed(
                connector, number, access.history, self._listeners, on_other_history=self._writer.look_again
            )
        )
        self.inbox = PostgresInbox(access, self._listeners, self._inbox_pool)
        self.updates = PostgresUpdateLog(access, self.inbox, self.clock)
        self.pushes = PostgresPushQueue(access, on_other_history=self._writer.look_again)
        self.backlog = PostgresBacklog(access)
        self.replays = PostgresReplays(access)
        self.erasures = PostgresErasures(access)
        self.encryption = PostgresReencryption(access)
        self.retention = PostgresRetention(access)
        self.tenants = PostgresTenants(access)
        self.last_updates = PostgresLastUpdates(access)
        self.rollups = PostgresRollups(access)
        self.portal_links = PostgresPortalLinks(access)
        self.portal_changes = PostgresPortalChanges(access)
        self.announcements = PostgresAnnouncements(access)
        self.config_history = PostgresConfigHistory(access)
        self.audit = PostgresAuditLog(access)
        self.search = PostgresSearch(access.pool, access.sealer)

    def subscribe(self, listener: JournalListener) -> None:
        self._listeners.subscribe(listener)

    @property
    def stats(self) -> JournalStats:
        return self._appends.stats

    @property
    def unavailable(self) -> str | None:
        return self._appends.unavailable

    @property
    def outcomes_waiting(self) -> int:
        return self._appends.outcomes_waiting

    @property
    def size_bytes(self) -> int:
        """Size of all tables and indexes, at most a minute old."""
        return self._housekeeping.size_bytes

    @property
    def alive(self) -> bool:
        """Whether the writer runs."""
        return self._writer.alive

    async def start(self) -> None:
        """Connect and migrate. If that fails, the journal is unavailable and retries in the background."""
        self._access.started = True
        self._writer.start()
        await self._writer.tried.wait()
        self._housekeeping.start()
        if self._news is not None:
            await self._news.start()

    def use(self, dsn: str) -> None:
        """Use this connection string for new connections. It must lead to the same database (a new password)."""
        self._connector.dsn = dsn

    def look_again(self) -> None:
        """Reconnect now to check the journal, after another part found that it was moved away."""
        self._writer.look_again()

    async def close(self) -> None:
        if not self._access.is_open:
            return
        self._appends.close()
        if self._news is not None:
            await self._news.stop()
        await self._housekeeping.stop()
        await self._writer.stop()
        await self._inbox_pool.close()
        await self._access.close()

    def _lost_commits(self, lost: LostCommits) -> None:
        self._access.renew()
        self._inbox_pool.renew()
        if self._news is not None:
            self._news.restart()
        self._listeners.announce(lambda listener: listener.on_lost_commits(lost))
