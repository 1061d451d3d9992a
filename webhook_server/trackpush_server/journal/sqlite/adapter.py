"""The journal in a file: composes its roles, and handles the writer thread's results on the event loop."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from trackpush_server.journal.append_queue import Append, AppendQueue, fail, resolve
from trackpush_server.journal.listener import JournalListener, JournalListeners
from trackpush_server.journal.model import JournalStats
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.announcements import SqliteAnnouncements
from trackpush_server.journal.sqlite.audit import SqliteAuditLog
from trackpush_server.journal.sqlite.checkpointer import Checkpointer
from trackpush_server.journal.sqlite.config_history import SqliteConfigHistory
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.erasure import SqliteErasures
from trackpush_server.journal.sqlite.folder import FILE_NAME
from trackpush_server.journal.sqlite.inbox import SqliteInbox
from trackpush_server.journal.sqlite.last_updates import SqliteLastUpdates
from trackpush_server.journal.sqlite.pending import SqliteBacklog, SqlitePushQueue
from trackpush_server.journal.sqlite.portal_changes import SqlitePortalChanges
from trackpush_server.journal.sqlite.portal_links import SqlitePortalLinks
from trackpush_server.journal.sqlite.proof import WriteProof
from trackpush_server.journal.sqlite.reencryption import SqliteReencryption
from trackpush_server.journal.sqlite.replays import SqliteReplays
from trackpush_server.journal.sqlite.retention import SqliteRetention
from trackpush_server.journal.sqlite.rollups import SqliteRollups
from trackpush_server.journal.sqlite.scrub import FileScrubber
from trackpush_server.journal.sqlite.search import SqliteSearch
from trackpush_server.journal.sqlite.tenants import SqliteTenants
from trackpush_server.journal.sqlite.updates import SqliteUpdateLog
from trackpush_server.journal.sqlite.write_batch import Offline, WriterCall
from trackpush_server.journal.sqlite.writer import SqliteWriter, WriteResult, WriterListener


class SqliteJournal:
    """A journal in ``folder/journal.db``. See `trackpush_server.journal.ports.Journal`."""

    def __init__(self, folder: Path, *, sealer: Sealer | None = None, volume: bool = False) -> None:
        """Create the journal; `start` opens it.

        Args:
            folder: the folder of its files.
            sealer: encrypts and decrypts payloads; without one, they are stored unencrypted.
            volume: the folder is the root of a volume that this pod alone mounts (`folder.check`).
        """
        self._folder = folder
        self._volume = volume
        self._sealer = sealer or Sealer(os.urandom)
        self._listeners = JournalListeners()
        self._queue = AppendQueue(self._listeners, waits_for="disk")
        self._access = access = SqliteAccess(folder, self._queue, self._sealer)
        self._checkpointer = Checkpointer(folder)
        self._scrubber = FileScrubber(access, folder / FILE_NAME)
        self._proof = WriteProof()
        self.inbox = SqliteInbox(access, self._listeners)
        self.updates = SqliteUpdateLog(access, self.inbox)
        self.pushes = SqlitePushQueue(access)
        self.backlog = SqliteBacklog(access)
        self.replays = SqliteReplays(access)
        self.erasures = SqliteErasures(access, self._scrubber)
        self.encryption = SqliteReencryption(access, self._scrubber)
        self.retention = SqliteRetention(access)
        self.tenants = SqliteTenants(access)
        self.last_updates = SqliteLastUpdates(access)
        self.rollups = SqliteRollups(access)
        self.portal_links = SqlitePortalLinks(access)
        self.portal_changes = SqlitePortalChanges(access)
        self.announcements = SqliteAnnouncements(access)
        self.config_history = SqliteConfigHistory(access)
        self.audit = SqliteAuditLog(access)
        self.search = SqliteSearch(folder, self._sealer)

    def subscribe(self, listener: JournalListener) -> None:
        self._listeners.subscribe(listener)

    @property
    def stats(self) -> JournalStats:
        return self._queue.stats

    @property
    def unavailable(self) -> str | None:
        return self._queue.unavailable

    @property
    def outcomes_waiting(self) -> int:
        return self._queue.outcomes_waiting

    @property
    def size_bytes(self) -> int:
        """Size of the file and its WAL."""
        return sum(_size(self._folder / name) for name in (FILE_NAME, f"{FILE_NAME}-wal"))

    @property
    def alive(self) -> bool:
        """Whether the writer thread runs."""
        return self._access.writer is not None and self._access.writer.is_alive()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        listener = WriterListener(
            loop, on_done=self._done, on_refused=self._refused, on_state=self._change_state, on_missing=self._missing
        )
        writer = SqliteWriter(self._folder, listener, self._checkpointer, sealer=self._sealer, volume=self._volume)
        self._access.use(writer)
        self._checkpointer.start()
        writer.start()
        await loop.run_in_executor(None, writer.opened.wait)

    async def close(self) -> None:
        writer = self._access.writer
        if self._queue.closed or writer is None:
            return
        self._queue.close()
        loop = asyncio.get_running_loop()
        await self._access.reader.close()
        await self.search.close()
        await loop.run_in_executor(None, self._checkpointer.stop)
        writer.stop()  # last: the last connection to close copies the WAL into the file, and readers can't write
        await loop.run_in_executor(None, writer.join)
        self._scrubber.close()

    async def prove(self) -> str | None:
        """Prove by a write that the journal can store, unless a commit just proved it.

        Returns why there is no result yet, otherwise None. `unavailable` says whether the write failed.
        """
        if self._queue.unavailable is not None:
            return None
        return await self._proof.give(lambda: self._access.write(SqliteConnection.touch))

    def _done(self, done: WriteResult) -> None:
        self._proof.given()
        self._queue.store(done)
        for future, result in done.calls:
            resolve(future, result)

    def _refused(self, entries: Sequence[Append | WriterCall | Offline], error: Exception) -> None:
        self._queue.refuse([entry for entry in entries if isinstance(entry, Append)], error)
        for entry in entries:
            fail(entry.done, error)

    def _missing(self, what: str) -> None:
        self._queue.stats.missing = what

    def _change_state(self, reason: str | None) -> None:
        if reason is not None:
            self._access.reader.reopen()
        self._queue.change_state(reason)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
