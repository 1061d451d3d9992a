"""Where a server keeps its journal, and by what right it sends: SQLite and everything, or PostgreSQL and leases."""

import os
import secrets
import socket

from trackpush_api.routing import Postgres, Sqlite, Storage
from trackpush_server.config.source import Source
from trackpush_server.journal.ownership import SLOTS, Ownership, Sole
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.postgres.balance import Timing
from trackpush_server.journal.postgres.leases import Leases
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.options import ServeOptions
from trackpush_server.telemetry.leases import LeaseTelemetry


def storage_of(source: Source) -> Storage:
    """What a source says before anything is started; reads files. SQLite where it says nothing (yet)."""
    try:
        table = source.load().table
    except OSError:
        table = None  # the start tells
    return Sqlite() if table is None else table.server.storage


class Store:
    """The journal, and `lease` for the ownership over it."""

    def __init__(self, storage: Storage, options: ServeOptions, sealer: Sealer) -> None:
        self._storage = storage
        self._lease = options.lease
        self._replica = secrets.randbelow((1 << 31) - 1) + 1
        self.journal: SqliteJournal | PostgresJournal = (
            PostgresJournal(storage.dsn, replica=self._replica, sealer=sealer)
            if isinstance(storage, Postgres)
            else SqliteJournal(options.data, sealer=sealer)
        )

    def ownership(self, observer: LeaseTelemetry) -> Ownership:
        """By leases where the journal is shared, else of everything."""
        if not isinstance(self._storage, Postgres):
            observer.holds(SLOTS)
            return Sole()
        return Leases(
            self._storage.dsn,
            replica=self._replica,
            name=f"{socket.gethostname()}/{os.getpid()}",
            observer=observer,
            timing=Timing(lease=self._lease),
        )
