"""Locks a journal for one server: two servers would both push everything.

It locks the folder and a file in it. The file contains the pid of its holder. The folder's lock still holds after the
lock file was deleted, because the folder can't be removed while the journal is in it. File systems that can't lock
folders (NFS) have only the file's lock.
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
    """Advisory locks (flock) in the journal's folder; the kernel releases them when the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder: int | None = None
        self._file: int | None = None

    def acquire(self) -> None:
        """Acquire the lock; does nothing if this object already holds it.

        Raises:
            JournalInUseError: another process holds it; the message contains its pid.
            OSError: the lock file can't be created.
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
        """Lock only the file, for a command that can run beside the process that holds the folder.

        Raises:
            JournalInUseError: another process holds it.
            OSError: the lock file can't be created.
        """
        self._file = self._lock_file()

    def restore(self) -> bool:
        """Recreate the lock file if it was removed or replaced; returns whether that was necessary.

        Raises:
            JournalInUseError: another process has locked the new file.
            OSError: the lock file can't be created.
        """
        if self._file is None or self._is_there():
            return False
        file = self._lock_file()
        os.close(self._file)
        self._file = file
        return True

    def release(self) -> None:
        """Release the locks."""
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
        with contextlib.suppress(OSError):  # the pid is only for messages; on a full disk the lock still holds
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
