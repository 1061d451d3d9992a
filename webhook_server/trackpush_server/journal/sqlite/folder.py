"""Checks the journal's folder and makes it private. docs/storage.md, "The journal's folder".

The journal contains names, telephone numbers and addresses. So its folder has mode 0700 and its files have mode 0600,
independent of the umask. No other user may create files there: through a symbolic link, the server would write to
another place.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FILE_NAME: Final = "journal.db"
RETIRED: Final = "journal.copied.db"
"""`journal copy` renames the source file to this name when the copy is complete."""
PART: Final = "journal.part.db"
"""`journal copy` writes to this file until the copy is complete."""
SCRATCH: Final = "journal.backup.db"
"""Temporary file of `journal backup` and `journal restore`; the server removes a leftover when it starts."""
LOCK: Final = "journal.lock"
NOTE: Final = "journal.note"
SPOOL: Final = "spool"
"""Folder of the requests that a standby answered (`trackpush_server.spool`)."""
UNREAD: Final = ("arrivals", "taken")
"""Its files whose requests are not in the journal yet."""
_DATABASES: Final = (FILE_NAME, RETIRED, PART, SCRATCH)
_FILES: Final = (*(f"{name}{suffix}" for name in _DATABASES for suffix in ("", "-wal", "-shm")), LOCK, NOTE)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class UnusableFolderError(OSError):
    """The folder can't be used for a journal. The message says why and what to do."""


def check(folder: Path, *, volume: bool = False) -> None:
    """Check that the folder can be used for a journal. A missing folder is allowed.

    Args:
        folder: the journal's folder.
        volume: the folder is the root of a volume that only this pod mounts; then world-writable is allowed.

    Raises:
        UnusableFolderError: the folder can't be used.
    """
    found = _look(folder)
    if found is None:
        return
    if stat.S_ISLNK(found.st_mode):
        raise UnusableFolderError(f"{folder} is a symbolic link; name the folder that it points to")
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableFolderError(f"{folder} is not a folder; name one")
    if found.st_mode & stat.S_IWOTH and not volume:
        raise UnusableFolderError(
            f"{folder} can be written by every user of this machine (mode {stat.S_IMODE(found.st_mode):04o}), who could"
            f" replace the journal; make it private: chmod 700 {folder}"
        )
    for path, mode in _files(folder):
        if not stat.S_ISREG(mode):
            what = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
            raise UnusableFolderError(f"{path} is {what}; the journal is kept in regular files: move it there")


def check_kept(folder: Path) -> None:
    """Check that the folder's journal was not moved away, and that it has no unfinished copy.

    In both cases, a new empty journal would hide the real one.

    Raises:
        UnusableFolderError: the journal was moved, or a copy is unfinished.
    """
    if (folder / FILE_NAME).exists():
        return
    if (folder / PART).exists():
        raise UnusableFolderError(
            f"{folder} holds an unfinished copy of a journal ({PART}); run `trackpush journal copy` again, which"
            " continues it, or remove the file to begin with an empty journal"
        )
    if (folder / RETIRED).exists():
        raise UnusableFolderError(
            f"{folder}: `trackpush journal copy` moved this journal away and kept the old file as {RETIRED}; start the"
            " server on the new storage, or give another --data. To go back, copy the new journal into an empty folder"
        )


def prepare(folder: Path, *, volume: bool = False) -> None:
    """Create the folder if it is missing, and make the folder and the journal's files private.

    A volume's root often belongs to root and is writable by the pod's group. Only the owner can change its mode, so a
    failure is ignored. The files belong to the server and become private in any case.

    Raises:
        UnusableFolderError: see `check`.
        OSError: the folder can't be created.
    """
    check(folder, volume=volume)
    _make(folder)
    _tighten(folder, stat.S_IMODE(folder.stat().st_mode), keep=stat.S_ISGID)
    for path, mode in _files(folder):
        _tighten(path, stat.S_IMODE(mode), keep=0)


def _make(folder: Path) -> None:
    """Create the folder if it is missing. Its name is on disk afterwards, so that a power failure can't remove it."""
    missing = [path for path in folder.parents if not path.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=_FOLDER_MODE)
        missing.append(folder)
    for path in missing:
        sync(path.parent)
    with contextlib.suppress(OSError):  # a process that was killed may have created it; others' folders can't be opened
        sync(folder.parent)


def sync(path: Path) -> None:
    """Sync a file to disk, or a folder with the renames in it.

    Raises:
        OSError: the sync failed; it may not be on disk.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_scratch(folder: Path) -> None:
    """Remove the leftover of a killed backup or restore. A running backup is not harmed: it has the file open."""
    with contextlib.suppress(OSError):
        (folder / SCRATCH).unlink(missing_ok=True)


def make_private(path: Path) -> None:
    """Create an empty file with mode 0600, unless it exists. SQLite gives the WAL the same mode.

    Raises:
        OSError: the file can't be created.
    """
    with contextlib.suppress(FileExistsError):
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(path, flags, _FILE_MODE))


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """The journal's files that exist, with their types and modes."""
    for name in _FILES:
        found = _look(folder / name)
        if found is not None:
            yield folder / name, found.st_mode


def _tighten(path: Path, mode: int, *, keep: int) -> None:
    """Remove the permissions of group and others. Ignores errors: another owner, or a read-only disk."""
    if mode & _OTHERS:
        with contextlib.suppress(OSError):
            path.chmod((mode & ~_OTHERS & 0o777) | (mode & keep))
