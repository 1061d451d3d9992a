"""The lock that keeps two servers off one journal: two would each push everything."""

import fcntl
import os
from pathlib import Path


class JournalInUseError(OSError):
    """Another process holds the journal."""


class FolderLock:
    """An advisory lock on a file in the journal's folder; the kernel frees it when the process ends, however."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; does nothing when it is held already.

        Raises:
            JournalInUseError: another process holds it; the message names its pid.
            OSError: the lock file can't be made.
        """
        if self._descriptor is not None:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise JournalInUseError(f"process {holder} serves this folder; end it or use another --data") from None
        self._descriptor = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # the pid only serves the message; on a full disk the lock still holds

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
