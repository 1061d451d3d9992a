"""Turns errors of the journal's file into messages with advice, and checks whether a fault is gone."""

import errno
import os
import shutil
from pathlib import Path

from trackpush_server.journal.sqlite.connection import SqliteConnection, error_name
from trackpush_server.journal.sqlite.errors import (
    JournalDamagedError,
    JournalMigratingError,
    JournalMovedError,
    JournalNotOpenError,
    LogDamagedError,
    LogInUseError,
)
from trackpush_server.journal.sqlite.folder import UnusableFolderError, make_private
from trackpush_server.journal.sqlite.lock import JournalInUseError
from trackpush_server.journal.sqlite.version import UnsafeSqliteError


def explain(path: Path, error: BaseException) -> str:
    """Message for an error of the writer: the file, the cause and the fix."""
    return f"journal {path}: {_cause(path, error)}; updates are refused with 503 until then"


def explain_read(path: Path, error: BaseException) -> str:
    """Message for an error of a reader: the file, the cause and the fix."""
    return f"journal {path}: {_cause(path, error)}"


def _cause(path: Path, error: BaseException) -> str:
    code = error_name(error) or _ERRNO_CODES.get(getattr(error, "errno", None) or 0, "")
    text = f"{error} ({code})" if code else str(error)
    if isinstance(error, LogDamagedError):
        return _LOG_DAMAGED.format(text=text)
    if isinstance(error, JournalDamagedError):
        return _DAMAGED.format(text=text)
    for prefix, advice in _ADVICE.items():
        if code.startswith(prefix):
            return advice.format(text=text, free=_free(path), uid=os.getuid())
    if isinstance(error, _TELLING):
        return str(error)
    return _ADVICE["SQLITE_CANTOPEN"].format(text=text, uid=os.getuid()) if isinstance(error, OSError) else text


def is_damage(error: BaseException) -> bool:
    """Whether the error means that the file's content is damaged."""
    return isinstance(error, JournalDamagedError) or error_name(error).startswith(_DAMAGE)


def prove_whole(connection: SqliteConnection) -> None:
    """Check every page. A successful open is not enough: a damaged file often opens and fails again later.

    Raises:
        JournalDamagedError: the file is still damaged.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise JournalDamagedError(" ".join(str(found).split()))


def is_full(error: BaseException) -> bool:
    """Whether the error means that the disk is full."""
    return error_name(error) == "SQLITE_FULL" or getattr(error, "errno", None) in _NO_ROOM


def prove_room(folder: Path) -> None:
    """Check for free space by allocating some: after a full disk, one free page is not enough to accept updates again.

    Raises:
        OSError: the disk is still full.
    """
    probe = folder / "journal.probe"
    try:
        make_private(probe)
        with probe.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
    finally:
        probe.unlink(missing_ok=True)


_TELLING = (
    JournalInUseError,
    JournalMigratingError,
    JournalMovedError,
    JournalNotOpenError,
    LogInUseError,
    UnsafeSqliteError,
    UnusableFolderError,
)
"""Errors whose message already contains the advice."""
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_ROOM_BYTES = 1024 * 1024
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_ERRNO_CODES = {errno.ENOSPC: "SQLITE_FULL", errno.EDQUOT: "SQLITE_FULL", errno.EROFS: "SQLITE_READONLY"}
_DAMAGED = (
    "the file is damaged: {text}; stop the server, then restore the file from a backup and remove the -wal and -shm"
    " files beside it, or move all three away to start an empty one (pushes that are only in it are then not sent)"
)
_LOG_DAMAGED = (
    "its log may have lost commits: {text}; stop the server and copy the folder, then restore a backup, or start the"
    " server again: it continues with the remaining data, and the aggregators send the rest again"
    " (docs/disaster-recovery.md)"
)
_ADVICE = {
    "SQLITE_FULL": "the disk is full ({free} bytes free): free space or grow the volume",
    "SQLITE_READONLY": "it can't be written: {text}; make the file and its folder writable for uid {uid}",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_IOERR": "the disk fails ({free} bytes free): {text}; look at the volume and the kernel's log",
    "SQLITE_CANTOPEN": "it can't be opened: {text}; see that the folder exists and is writable for uid {uid}",
    "SQLITE_BUSY": "another process holds it: {text}; end that process",
    "SQLITE_LOCKED": "another process holds it: {text}; end that process",
}


def _free(path: Path) -> str:
    try:
        return str(shutil.disk_usage(path.parent).free)
    except OSError:
        return "unknown"
