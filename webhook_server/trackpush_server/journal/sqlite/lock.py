"""The lock that keeps two servers off one journal: two would each push everything.

Both the folder and a file in it are locked. The file names the process that holds it. The folder can't be removed while
the journal is in it, so a server that comes after somebody has deleted the lock file is kept off all the same. File
systems that can't lock a folder (NFS) have the file alone.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

_MODE: Final = 0o600


class JournalInUseError(OSError):
    """Another process holds the journal."""


class FolderLock:
    """Advisory locks in the journal's folder; the kernel frees them when the process ends, however."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder: int | None = None
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; does nothing when it is held already.

        Raises:
            JournalInUseError: another process holds it; the message names its pid.
            OSError: the lock file can't be made.
        """
        if self._file is not None:
            return
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._lock_folder(folder)
            self._file = self._lock_file()
        except BaseException:
            os.close(folder)
            raise
        self._folder = folder

    def acquire_file(self) -> None:
        """Lock the file alone, for what may run beside the holder of the folder.

        Raises:
            JournalInUseError: another process holds it.
            OSError: the lock file can't be made.
        """
        self._file = self._lock_file()

    def restore(self) -> bool:
        """Make the lock file again if somebody has removed or replaced it; whether that was necessary.

        Raises:
            JournalInUseError: another process has locked the file that is there now.
            OSError: the lock file can't be made.
        """
        if self._file is None or self._is_there():
            return False
        file = self._lock_file()
        os.close(self._file)
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        for descriptor in (self._file, self._folder):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._folder = None

    def _is_there(self) -> bool:
        assert self._file is not None
        try:
            return os.path.samestat(os.fstat(self._file), self._path.lstat())
        except FileNotFoundError:
            return False

    def _lock_folder(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(_holder(self._path)) from None
        except OSError:
            pass  # this file system locks files only

    def _lock_file(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise _in_use(_holder(self._path)) from None
        with contextlib.suppress(OSError):  # the pid only serves the message; on a full disk the lock still holds
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


def _holder(path: Path) -> str:
    try:
        return path.read_bytes()[:32].decode("ascii", "replace").strip() or "unknown"
    except OSError:
        return "unknown"


def _in_use(holder: str) -> JournalInUseError:
    who = f"process {holder}" if holder.isdigit() else "another process"
    return JournalInUseError(f"{who} serves this folder; end it or use another --data")
