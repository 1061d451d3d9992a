"""How the journal's roles reach the database: by the writer's queue, and by pools of connections."""

from trackpush_server.journal.append_queue import AppendQueue
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.postgres.history import History
from trackpush_server.journal.postgres.name_ids import NameIds
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.session import Connector
from trackpush_server.journal.postgres.write_queue import WriteQueue
from trackpush_server.journal.sealing import Sealer


class PostgresAccess:
    """What all roles share."""

    def __init__(self, connector: Connector, appends: AppendQueue, sealer: Sealer, *, replica: int) -> None:
        self.appends = appends
        self.sealer = sealer
        self.replica = replica
        """This process's number in the database."""
        self.queue = WriteQueue()
        self.history = History()
        self.names = NameIds()
        self.dispatch = Pool(connector, most=2)
        """For the dispatcher alone: what people ask for may take long, and no push waits for that."""
        self.pool = Pool(connector, most=2)
        self.started = False

    @property
    def is_open(self) -> bool:
        """Whether entries of the queue are stored."""
        return self.started and not self.appends.closed

    async def flush(self) -> None:
        """Return when everything that was handed over before is on disk.

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
        """What was handed over before comes first. While nothing can be written, this can't either."""
        self.appends.check()
        await self.flush()

    def renew(self) -> None:
        """Make new connections: the database lost commits, and these may have seen them."""
        self.dispatch.renew()
        self.pool.renew()

    async def close(self) -> None:
        """Close the connections."""
        await self.dispatch.close()
        await self.pool.close()
