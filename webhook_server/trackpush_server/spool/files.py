"""The spool's files, in the folder ``spool`` beside the journal. All functions block: call them in a thread.

Writers append to ``arrivals`` while they hold the lock. The reader holds the lock only to rename that file to
``taken``: so no writer appends to a file that is being read. The kernel releases the lock of a process that dies.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from trackpush_server.journal.sqlite.folder import SPOOL, UNREAD, sync

ARRIVALS, TAKEN = UNREAD
REJECTED: Final = "rejected"
"""Lines that could not be read in; docs/no-gap.md says what to do with them."""
MOST_BYTES: Final = 256 * 1024 * 1024
"""Of ``arrivals``. Beyond it, updates are refused: the journal's owner has been away for long."""
_LOCK: Final = "lock"
_BATCH_BYTES: Final = 2 * 1024 * 1024
_ZEROS: Final = bytes(1024 * 1024)
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class SpoolFullError(OSError):
    """The spool has reached `MOST_BYTES`."""


class SpoolFiles:
    """The spool of one journal's folder."""

    def __init__(self, data: Path) -> None:
        self.folder = data / SPOOL
        self._arrivals, self._taken = self.folder / ARRIVALS, self.folder / TAKEN

    @property
    def has_arrivals(self) -> bool:
        """Whether something waits to be read in. One system call, which sees what any process wrote before."""
        return os.access(self._arrivals, os.F_OK)

    @property
    def has_taken(self) -> bool:
        """Whether a reader was interrupted."""
        return os.access(self._taken, os.F_OK)

    def prepare(self) -> None:
        """Create the folder, private, with its name on disk.

        Raises:
            OSError: it can't be created, or something else has its name.
        """
        with contextlib.suppress(FileExistsError):
            self.folder.mkdir(mode=_FOLDER_MODE)
        if not stat.S_ISDIR(self.folder.lstat().st_mode):
            raise NotADirectoryError(f"{self.folder} is not a folder; remove it")
        sync(self.folder.parent)  # also if it existed: a process that was killed may have created it a moment ago

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines; when it returns, they are on disk. If it fails, none of them is answered with 200.

        Raises:
            OSError: the disk is full or can't be written, or the spool is full.
        """
        with self._locked(), _opened(self._arrivals, _APPEND) as descriptor:
            self._write_to_disk(descriptor, b"".join(lines), _size(descriptor, self._arrivals))

    def prove(self, size: int) -> None:
        """Show that a line of this size can be written; nothing of it stays.

        Raises:
            OSError: as for `append`.
        """
        with self._locked(), _opened(self._arrivals, _APPEND) as descriptor:
            before = _size(descriptor, self._arrivals)
            self._write_to_disk(descriptor, bytes(size), before)
            os.ftruncate(descriptor, before)

    def take(self) -> bool:
        """Take what has arrived, unless an earlier part is not discarded yet; returns whether there is a part to read.

        Raises:
            OSError: the folder can't be written.
        """
        if self.has_taken or not self.has_arrivals:
            return self.has_taken
        with self._locked():
            try:
                self._arrivals.rename(self._taken)
            except FileNotFoundError:
                return False
        return True

    def batches(self) -> Iterator[list[bytes]]:
        """The lines that were taken, in order, without empty ones.

        Raises:
            OSError: the file can't be read.
        """
        with self._taken.open("rb") as file:
            while lines := file.readlines(_BATCH_BYTES):
                yield [line for line in lines if line.strip(b"\n\0")]

    def discard(self) -> None:
        """Remove what was taken. Zeros are written over it first, as in the journal: it has names and addresses.

        Raises:
            OSError: it can't be removed.
        """
        with _opened(self._taken, os.O_WRONLY) as descriptor:
            left = os.fstat(descriptor).st_size
            while left > 0:
                left -= os.write(descriptor, _ZEROS[:left])
            os.fdatasync(descriptor)
        self._taken.unlink()

    def reject(self, lines: Sequence[bytes]) -> None:
        """Keep lines aside, on disk.

        Raises:
            OSError: they can't be written.
        """
        with _opened(self.folder / REJECTED, _APPEND) as descriptor:
            before = os.fstat(descriptor).st_size
            self._write_to_disk(descriptor, b"".join(b"\n" + line.strip() + b"\n" for line in lines), before)

    def _write_to_disk(self, descriptor: int, data: bytes, before: int) -> None:
        """Append to a file of the folder that has ``before`` bytes; if it fails, nothing of it stays."""
        if not before:
            # The file may be new. Its name must be on disk before its first line: if this process were killed in
            # between, the next one could not know that the name isn't.
            sync(self.folder)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fdatasync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with _opened(self.folder / _LOCK, os.O_RDWR | os.O_CREAT) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield


def _size(descriptor: int, path: Path) -> int:
    """The size of the file.

    Raises:
        SpoolFullError: nothing may be appended.
    """
    found = os.fstat(descriptor).st_size
    if found > MOST_BYTES:
        raise SpoolFullError(f"{path} has {found} bytes, and the server doesn't read it in")
    return found


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
