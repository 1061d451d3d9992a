"""Chooses the journal adapter and the ownership model: SQLite owns all slots, PostgreSQL leases them."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable

import structlog

from trackpush_api.routing import Postgres, ServerSettings, Sqlite, Storage
from trackpush_runtime.errors import CannotStartError, UnusableDataError
from trackpush_server.config.source import Source
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import LostCommits
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.postgres.errors import place
from trackpush_server.journal.postgres.leases import Leases
from trackpush_server.journal.postgres.slot_balancer import Timing
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.slots import SLOTS, Ownership, SingleOwner
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.journal.sqlite.connection import check_library
from trackpush_server.journal.sqlite.folder import UnusableFolderError, check, check_kept
from trackpush_server.journal.sqlite.version import UnsafeSqliteError
from trackpush_server.options import ServeOptions
from trackpush_server.runtime import uncollected
from trackpush_server.telemetry.leases import LeaseTelemetry

_PAUSE = 0.25
_log = structlog.get_logger("trackpush.server")


async def storage_of(source: Source, *, waits: bool = False) -> Storage:
    """The storage that a source names, read before the start; SQLite if it names none.

    With ``waits``, wait for a table.
    """
    told = False
    while True:
        try:
            with uncollected():
                loaded = await asyncio.to_thread(source.load)
        except OSError:
            return Sqlite()  # the start reports the error
        if loaded.table is not None:
            return loaded.table.server.storage
        if not waits or not loaded.waits:
            return Sqlite()
        if not told:
            _log.info("waiting_for_settings", reasons=loaded.problems)
            told = True
        await asyncio.sleep(_PAUSE)


_OTHER: dict[tuple[type[Storage], type[Storage]], str] = {
    (Sqlite, Sqlite): "",
    (Sqlite, Postgres): "this server's journal is SQLite; restart it to use PostgreSQL, or set storage.sqlite",
    (Postgres, Sqlite): "this server's journal is in PostgreSQL; restart it to use SQLite, or set storage.postgres",
    (Postgres, Postgres): "this is another host or database; restart the server to use it",
}


class Store:
    """The journal and its ownership model."""

    def __init__(self, storage: Storage, options: ServeOptions, sealer: Sealer) -> None:
        self._storage = storage
        self._leases: Leases | None = None
        self._lease = options.lease
        self._refused: tuple[str, ...] = ()
        self._data, self._volume = options.data, options.data_volume
        self._replica = secrets.randbelow((1 << 31) - 1) + 1
        self.journal: SqliteJournal | PostgresJournal = (
            PostgresJournal(storage.dsn, replica=self._replica, sealer=sealer)
            if isinstance(storage, Postgres)
            else SqliteJournal(options.data, sealer=sealer, volume=options.data_volume)
        )

    def check(self) -> None:
        """Check that a server may start on this storage; a transient fault does not prevent the start.

        Raises:
            CannotStartError: the server may not start; the message says what to do.
        """
        if isinstance(self._storage, Postgres):
            return
        try:
            check_library()
            check(self._data, volume=self._volume)
            check_kept(self._data)
        except UnusableFolderError as error:
            raise UnusableDataError(str(error)) from None
        except UnsafeSqliteError as error:
            raise CannotStartError(str(error)) from None

    async def prove(self) -> str | None:
        """Check that the journal can store; returns the reason for doubt, or None.

        `unavailable` says why it can't store.
        """
        return await self.journal.prove() if isinstance(self.journal, SqliteJournal) else None

    def use(self, server: ServerSettings) -> None:
        """Use these settings for new connections; existing connections keep theirs.

        A running server keeps its journal, because another journal would lack updates that were answered with 200. So
        another place is refused and listed in `problems`.
        """
        storage = server.storage
        why_not = self._why_not(storage)
        refused = () if why_not is None else (f"WebhookServer {server.name} spec.storage: {why_not}",)
        if refused and refused != self._refused:
            _log.error("storage_refused", problem=refused[0])
        self._refused = refused
        if why_not is not None or storage == self._storage or not isinstance(storage, Postgres):
            return
        self._storage = storage
        if isinstance(self.journal, PostgresJournal):
            self.journal.use(storage.dsn)
        if self._leases is not None:
            self._leases.use(storage.dsn)

    def _why_not(self, storage: Storage) -> str | None:
        """Why a running server can't use this storage; None if it can. User, password and parameters may change."""
        told = _OTHER[type(self._storage), type(storage)]
        if isinstance(storage, Postgres) and isinstance(self._storage, Postgres):
            return None if place(storage.dsn) == place(self._storage.dsn) else told
        return told or None

    @property
    def wall(self) -> Callable[[], float]:
        """The clock for stored times, in seconds since the epoch; all servers on one database share it."""
        return self.journal.clock if isinstance(self.journal, PostgresJournal) else time.time

    @property
    def problems(self) -> tuple[str, ...]:
        """Problems of the storage while the journal works."""
        clock = self.journal.clock.problem if isinstance(self.journal, PostgresJournal) else None
        return (*(() if clock is None else (f"storage: {clock}",)), *self._refused)

    def on_lost_commits(self, tell: Callable[[LostCommits], None]) -> None:
        """Register a callback for a database that came back without commits.

        It is called before anything more is stored.

        All slots are released at the same time.
        """

        def lost(found: LostCommits) -> None:
            tell(found)
            if self._leases is not None:
                self._leases.lose_all("the database came back without its last commits")

        self.journal.subscribe(JournalListener(on_lost_commits=lost))

    def ownership(self, observer: LeaseTelemetry) -> Ownership:
        """Ownership by leases if the journal is shared; otherwise ownership of all slots."""
        if not isinstance(self._storage, Postgres):
            observer.holds(SLOTS)
            return SingleOwner()
        self._leases = Leases(
            self._storage.dsn,
            replica=self._replica,
            name=f"{socket.gethostname()}/{os.getpid()}",
            observer=observer,
            timing=Timing(lease=self._lease),
            # A server that waits for its schema can't read or store anything, so it must claim no slots.
            may_join=lambda: self.journal.unavailable is None,
            on_held=self._look_again,
        )
        return self._leases

    def _look_again(self) -> None:
        if isinstance(self.journal, PostgresJournal):
            self.journal.look_again()
