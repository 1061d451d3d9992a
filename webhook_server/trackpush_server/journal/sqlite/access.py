"""How the journal's roles reach the file: they read on the reader's thread, and write with the writer's next commit."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from trackpush_server.journal.append_queue import Append, AppendQueue
from trackpush_server.journal.model import JournalUnavailableError, Outcome
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.reader_thread import ReaderThread
from trackpush_server.journal.sqlite.write_batch import Offline, WriterCall
from trackpush_server.journal.sqlite.writer import SqliteWriter

_T = TypeVar("_T")


class SqliteAccess:
    """What all roles share."""

    def __init__(self, folder: Path, queue: AppendQueue, sealer: Sealer) -> None:
        self.queue = queue
        self.sealer = sealer
        self.reader = ReaderThread(folder)
        self.writer: SqliteWriter | None = None

    def use(self, writer: SqliteWriter) -> None:
        """Write by this writer from now on."""
        self.writer = writer

    async def read(self, read: Callable[[SqliteConnection], _T]) -> _T:
        """Run a read on the reader's thread.

        Raises:
            JournalUnavailableError: the journal is closed, or the file can't be read.
        """
        return await self.reader.read(read)

    def put(self, entry: Append | Outcome) -> None:
        """Store it with the next commit. Nothing is stored before the journal is started."""
        if self.writer is not None:
            self.writer.put(entry)

    def write(self, run: Callable[[SqliteConnection], _T], *, renames: bool = False) -> asyncio.Future[_T]:
        """Run it within the next commit; resolves, after the commit, to what it returned.

        ``renames``: it gives names to other numbers. The future fails with JournalUnavailableError if it is not stored.

        Raises:
            JournalUnavailableError: at once, when the journal is not open.
        """
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._hand_over(WriterCall(run, done, renames=renames))
        return done

    def between_commits(self, run: Callable[[], int]) -> asyncio.Future[int]:
        """Run it while the log is empty and no connection writes; otherwise as `write`."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._hand_over(Offline(run, done))
        return done

    async def flush(self) -> None:
        """Return when everything that was handed over before is on disk."""
        while True:
            try:
                await self.write(lambda _: 0)
            except JournalUnavailableError:
                if self.queue.closed:
                    raise
                await asyncio.sleep(0.1)  # outcomes are kept and tried again, and so is this
            else:
                return

    def _hand_over(self, entry: WriterCall | Offline) -> None:
        if self.writer is None or self.queue.closed:
            raise JournalUnavailableError("the journal is not open")
        self.writer.put(entry)
