"""The reader of the dispatcher and the journal's jobs: one thread with one read-only connection."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError, open_reader
from trackpush_server.journal.sqlite.explain import explain_read
from trackpush_server.journal.sqlite.folder import FILE_NAME

_T = TypeVar("_T")


class ReaderThread:
    """Runs reads on a thread, so that they never block the event loop."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trackpush-journal-reader")
        self._connection: SqliteConnection | None = None
        self._closed = False

    def reopen(self) -> None:
        """Close the file, so that the next read reopens it: it may have been replaced."""
        if not self._closed:
            self._executor.submit(self._drop)

    async def read(self, read: Callable[[SqliteConnection], _T]) -> _T:
        """Run a read on the thread.

        Raises:
            JournalUnavailableError: the journal is closed, or the file can't be read.
        """
        if self._closed:
            raise JournalUnavailableError("the journal is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._read, read)

    async def close(self) -> None:
        """Finish the running read, then end the thread."""
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._drop)
        self._executor.shutdown(wait=False)

    def _read(self, read: Callable[[SqliteConnection], _T]) -> _T:
        try:
            if self._connection is None:
                self._connection = open_reader(self._path)
            return read(self._connection)
        except SqliteError as error:
            self._drop()
            raise JournalUnavailableError(explain_read(self._path, error)) from error

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SqliteError):
                self._connection.close()
            self._connection = None
