"""Gives the journal's roles access to the file: reads run on the reader thread, writes in the writer's next commit."""

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
    """Queue, reader and writer, shared by all roles."""

    def __init__(self, folder: Path, queue: AppendQueue, sealer: Sealer) -> None:
        self.queue = queue
        self.sealer = sealer
        self.reader = ReaderThread(folder)
        self.writer: SqliteWriter | None = None

    def use(self, writer: SqliteWriter) -> None:
        """Set the writer."""
        self.writer = writer

    async def read(self, read: Callable[[SqliteConnection], _T]) -> _T:
        """Run a read on the reader thread.

        Raises:
            JournalUnavailableError: the journal is closed, or the file can't be read.
        """
        return await self.reader.read(read)

    def put(self, entry: Append | Outcome) -> None:
        """Store an entry with the next commit. Before `use`, the entry is discarded."""
        if self.writer is not None:
            self.writer.put(entry)

    def write(self, run: Callable[[SqliteConnection], _T], *, renames: bool = False) -> asyncio.Future[_T]:
        """Run a write inside the next transaction; after the commit, resolves to its result.

        Set ``renames`` if it assigns names to other numbers. The future fails with JournalUnavailableError if the
        commit fails.

        Raises:
            JournalUnavailableError: at once, when the journal is not open.
        """
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._hand_over(WriterCall(run, done, renames=renames))
        return done

    def between_commits(self, run: Callable[[], int]) -> asyncio.Future[int]:
        """Run a function between two commits, while the WAL is empty and the writer's connection is closed.

        The future and the errors are as for `write`.
        """
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._hand_over(Offline(run, done))
        return done

    async def flush(self) -> None:
        """Return when all entries queued before this call are on disk."""
        while True:
            try:
                await self.write(lambda _: 0)
            except JournalUnavailableError:
                if self.queue.closed:
                    raise
                await asyncio.sleep(0.1)  # the writer keeps outcomes and retries them, so wait for that
            else:
                return

    def _hand_over(self, entry: WriterCall | Offline) -> None:
        if self.writer is None or self.queue.closed:
            raise JournalUnavailableError("the journal is not open")
        self.writer.put(entry)
