"""The journal's folder: private, and one that a server may use. docs/storage.md, "The journal's folder".

The journal holds names, telephone numbers and addresses. So its folder has the mode 0700 and its files have 0600,
whatever the umask, and no other user may put files there: a symbolic link would have the server write somewhere else.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FILE_NAME: Final = "journal.db"
RETIRED: Final = "journal.copied.db"
"""What `journal copy` makes of a journal once its copy is in use."""
PART: Final = "journal.part.db"
"""What `journal copy` writes to until the copy is complete."""
SCRATCH: Final = "journal.backup.db"
"""What `journal backup` and `journal restore` write while they work; a start of the server removes what they left."""
LOCK: Final = "journal.lock"
NOTE: Final = "journal.note"
_DATABASES: Final = (FILE_NAME, RETIRED, PART, SCRATCH)
_FILES: Final = (*(f"{name}{suffix}" for name in _DATABASES for suffix in ("", "-wal", "-shm")), LOCK, NOTE)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class UnusableFolderError(OSError):
    """A journal must not be kept in this folder as it is. The message says why and what to do."""


def check(folder: Path, *, volume: bool = False) -> None:
    """See that a journal may be kept here. A folder that does not exist yet is in order.

    Args:
        folder: the journal's folder.
        volume: the folder is the root of a volume that this pod alone mounts: others may be allowed to write to it.

    Raises:
        UnusableFolderError: it must not.
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
    """See that the journal of this folder was not moved away, and that no copy into it is unfinished.

    An empty journal in its place would hide what was moved, or what is still to come.

    Raises:
        UnusableFolderError: it was, or one is.
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
    """Make the folder if it is missing, and make it and the journal's files private.

    A volume's root often belongs to root and is shared with the pod's group: only its owner may change that, so it
    stays as it is. Its files belong to the server and are private all the same.

    Raises:
        UnusableFolderError: see `check`.
        OSError: it can't be made.
    """
    check(folder, volume=volume)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=_FOLDER_MODE)
    _tighten(folder, stat.S_IMODE(folder.stat().st_mode), keep=stat.S_ISGID)
    for path, mode in _files(folder):
        _tighten(path, stat.S_IMODE(mode), keep=0)


def sync(path: Path) -> None:
    """Return when a file, or a folder with what was renamed in it, is on the disk.

    Raises:
        OSError: that isn't known.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_scratch(folder: Path) -> None:
    """Remove what a backup or a restore that was killed left; a backup under way keeps what it has open."""
    with contextlib.suppress(OSError):
        (folder / SCRATCH).unlink(missing_ok=True)


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read, unless there is one. SQLite gives its log the same mode.

    Raises:
        OSError: it can't be made.
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
    """Take away what others may do; not if the path belongs to somebody else, or the disk is read-only."""
    if mode & _OTHERS:
        with contextlib.suppress(OSError):
            path.chmod((mode & ~_OTHERS & 0o777) | (mode & keep))
