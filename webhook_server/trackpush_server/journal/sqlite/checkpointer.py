"""Checkpoints the write-ahead log (WAL) in a thread, outside the commits that requests wait for.

A checkpoint copies pages and syncs the file, which takes tens of milliseconds. Inside a commit, that would determine
the tail latency. So this thread does it on its own connection, in PASSIVE mode, which never blocks the writer. It
repeats the checkpoint until little is left to copy. Only the writer can restart the WAL: between two commits, it
copies the short rest.

The length of the WAL is counted in frames, because the size of its file does not shrink when the WAL restarts.
"""

import contextlib
import threading
from pathlib import Path
from typing import Final

from trackpush_server.journal.sqlite.connection import LogFrames, SqliteConnection, SqliteError, open_checkpointer
from trackpush_server.journal.sqlite.errors import LogDamagedError
from trackpush_server.journal.sqlite.folder import FILE_NAME

LOG_BYTES: Final = 32 * 1024 * 1024
"""A checkpoint starts when the WAL has more uncopied bytes than this."""
_EVERY_COMMITS = 32
_SHORT_FRAMES = 512
"""When fewer frames than this are left, the writer copies them, in a few milliseconds."""
_MOST_PASSES = 4
"""Passes before the rest is left to the writer, for disks that copy no faster than the writer writes."""


class Checkpointer(threading.Thread):
    """The thread. The writer thread calls `committed` and `prove_sound`; the event loop's side calls `stop`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="trackpush-journal-checkpointer", daemon=True)
        self._path = folder / FILE_NAME
        self._wanted = threading.Event()
        self._copied = threading.Event()
        self._stopping = False
        self._commits = 0
        self._damage: LogDamagedError | None = None
        self.checkpoints = 0
        """Number of checkpoints that this thread has started."""

    def prove_sound(self) -> None:
        """Check that no checkpoint has found the WAL damaged. The damage is remembered until the server restarts.

        Raises:
            LogDamagedError: a checkpoint has found damage.
        """
        if self._damage is not None:
            raise self._damage

    def committed(self, connection: SqliteConnection) -> None:
        """Call after each commit, in the writer thread: requests a checkpoint if the WAL is long, or completes one."""
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
        """Checkpoint on each request. Errors are ignored: a later checkpoint retries, and the writer reports faults."""
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
