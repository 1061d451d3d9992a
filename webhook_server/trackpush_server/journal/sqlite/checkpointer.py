"""Moves the write-ahead log into the file, away from the commits that requests wait for.

A checkpoint copies pages and syncs the file: tens of milliseconds. Inside a commit that would be the tail of every
latency. So this thread does it with its own connection, in PASSIVE mode, which never blocks the writer, and again
until little was left to copy. Only the writer can start the log over: it copies that short rest between two commits.

The length of the log is counted in frames. Its file does not tell: it keeps its size when the log starts over.
"""

import contextlib
import threading
from pathlib import Path
from typing import Final

from trackpush_server.journal.sqlite.connection import LogFrames, SqliteConnection, SqliteError, open_checkpointer
from trackpush_server.journal.sqlite.errors import LogDamagedError
from trackpush_server.journal.sqlite.folder import FILE_NAME

LOG_BYTES: Final = 32 * 1024 * 1024
"""As much in the log that is not in the file yet is worth a checkpoint."""
_EVERY_COMMITS = 32
_SHORT_FRAMES = 512
"""A rest that the writer copies in a few milliseconds."""
_MOST_PASSES = 4
"""Where the disk copies no faster than the writer writes, the writer has to wait for it in the end."""


class Checkpointer(threading.Thread):
    """The thread. `committed` and `prove_sound` are called by the writer, `stop` by the loop's side."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="trackpush-journal-checkpointer", daemon=True)
        self._path = folder / FILE_NAME
        self._wanted = threading.Event()
        self._copied = threading.Event()
        self._stopping = False
        self._commits = 0
        self._damage: LogDamagedError | None = None
        self.checkpoints = 0
        """How many this thread has begun."""

    def prove_sound(self) -> None:
        """See that no checkpoint has found the log damaged. That lasts until the server is started again.

        Raises:
            LogDamagedError: one has.
        """
        if self._damage is not None:
            raise self._damage

    def committed(self, connection: SqliteConnection) -> None:
        """After each commit, in the writer's thread: ask for a checkpoint when the log is long, end one that is due."""
        with contextlib.suppress(SqliteError):
            if self._copied.is_set():
                self._copied.clear()
                self._note(connection.copy_log())
                return
            self._commits += 1
            if self._commits % _EVERY_COMMITS == 0 and not self._wanted.is_set():
                frames = connection.log_frames()
                self._note(frames)
                if (frames.total - frames.copied) * connection.page_bytes > LOG_BYTES:
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
            if self._stopping:
                return
            with contextlib.suppress(SqliteError):
                self._copy()
                self._copied.set()
            self._wanted.clear()
            if self._stopping:
                return

    def _copy(self) -> None:
        self.checkpoints += 1
        copied = 0
        with contextlib.closing(open_checkpointer(self._path)) as connection:
            for _ in range(_MOST_PASSES):
                if self._stopping:
                    return
                frames = connection.copy_log()
                self._note(frames)
                if frames.total - copied < _SHORT_FRAMES:
                    return
                copied = frames.total

    def _note(self, frames: LogFrames) -> None:
        try:
            frames.prove_sound()
        except LogDamagedError as error:
            self._damage = self._damage or error
