"""Moves the write-ahead log into the file, away from the commits that requests wait for.

A checkpoint copies pages and syncs the file: tens of milliseconds. Inside a commit that would be the tail of every
latency. So this thread does it with its own connection, in PASSIVE mode, which never blocks the writer; the writer
then finds the log nearly copied, does the short rest itself and starts the log over.
"""

import contextlib
import sqlite3
import threading
from pathlib import Path

from trackpush_server.journal.sqlite.connection import FILE_NAME, open_checkpointer

WAL_BYTES = 32 * 1024 * 1024
"""A log of this size is worth a checkpoint."""
_EVERY_COMMITS = 32


class Checkpointer(threading.Thread):
    """The thread. `committed` and `finish` are called by the writer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="trackpush-journal-checkpointer", daemon=True)
        self._path = folder / FILE_NAME
        self._wal = folder / f"{FILE_NAME}-wal"
        self._wanted = threading.Event()
        self._copied = threading.Event()
        self._stopping = False
        self._commits = 0

    def committed(self, connection: sqlite3.Connection) -> None:
        """After each commit, in the writer's thread: ask for a checkpoint when the log is long, end one that is due."""
        if self._copied.is_set():
            self._copied.clear()
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return
        self._commits += 1
        if self._commits % _EVERY_COMMITS == 0 and not self._copied.is_set() and self._log_bytes() > WAL_BYTES:
            self._wanted.set()

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        self._wanted.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Checkpoint whenever asked to. An error is the writer's to find and tell: here it only means later."""
        while True:
            self._wanted.wait()
            self._wanted.clear()  # before looking at _stopping, so that a stop is never missed
            if self._stopping:
                return
            with contextlib.suppress(sqlite3.Error), contextlib.closing(open_checkpointer(self._path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                self._copied.set()

    def _log_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0
