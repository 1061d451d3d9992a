"""Gives the journal's roles access to the database: through the writer's queue and through connection pools."""

from trackpush_server.journal.append_queue import AppendQueue
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.postgres.history import History
from trackpush_server.journal.postgres.name_ids import NameIds
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.session import Connector
from trackpush_server.journal.postgres.write_queue import WriteQueue
from trackpush_server.journal.sealing import Sealer


class PostgresAccess:
    """Queue, pools and caches, shared by all roles."""

    def __init__(self, connector: Connector, appends: AppendQueue, sealer: Sealer, *, replica: int) -> None:
        self.appends = appends
        self.sealer = sealer
        self.replica = replica
        """This process's number in the database."""
        self.queue = WriteQueue()
        self.history = History()
        self.names = NameIds()
        self.dispatch = Pool(connector, most=2)
        """Connections for the dispatcher only, so that no push waits for a slow query of the admin API."""
        self.pool = Pool(connector, most=2)
        self.started = False

    @property
    def is_open(self) -> bool:
        """Whether the journal accepts entries."""
        return self.started and not self.appends.closed

    async def flush(self) -> None:
        """Return when all entries queued before this call are on disk.

        Raises:
            JournalUnavailableError: the journal is not open.
        """
        if not self.is_open:
            raise JournalUnavailableError("the journal is not open")
        try:
            await self.queue.flush()
        except RuntimeError:
            raise JournalUnavailableError("the journal was closed before it could write what was queued") from None

    async def flush_for_write(self) -> None:
        """Flush before a write outside the queue, which must come after the queued entries.

        Raises:
            JournalUnavailableError: the journal is unavailable, so the write would fail, too.
        """
        self.appends.check()
        await self.flush()

    def renew(self) -> None:
        """Replace all connections after a loss of commits: the old ones may have seen the lost commits."""
        self.dispatch.renew()
        self.pool.renew()

    async def close(self) -> None:
        """Close the connections."""
        await self.dispatch.close()
        await self.pool.close()
