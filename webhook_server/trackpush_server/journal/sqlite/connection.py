"""How a connection to the journal file is set up, and what its errors mean to people."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path

from trackpush_server.journal.sqlite.lock import JournalInUseError

FILE_NAME = "journal.db"
BUSY_SECONDS = 5.0
_CACHE_KIB = 16 * 1024
_READER_CACHE_KIB = 4 * 1024
_WAL_FILE_LIMIT = 64 * 1024 * 1024
PAGE_BYTES = 8192


class JournalMovedError(OSError):
    """The file is not the one that this process opened."""


class JournalDamagedError(Exception):
    """A check of the file found it damaged."""


def open_writer(path: Path, *, create: bool) -> sqlite3.Connection:
    """The one connection that writes. Every commit is synced to disk (WAL, synchronous=FULL).

    Checkpoints are not automatic: they would run inside a commit that requests wait for.
    """
    connection = _connect(f"{_uri(path)}?mode={'rwc' if create else 'rw'}", cached_statements=256)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA secure_delete = ON")  # an erased body must not stay in a free page
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_FILE_LIMIT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    connection = _connect(f"{_uri(path)}?mode=ro")
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
    return connection


def open_outside_reader(path: Path) -> sqlite3.Connection:
    """A reader in a process of its own, also on a file system that can't be written.

    There, SQLite can't make the shared memory of a log; without a log it needs none.
    """
    try:
        connection = open_reader(path)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        connection = _connect(f"{_uri(path)}?mode=ro&immutable=1")
    return connection


def open_checkpointer(path: Path) -> sqlite3.Connection:
    """A connection that only moves the log into the file."""
    connection = _connect(f"{_uri(path)}?mode=rw")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA cache_size = -1024")
    return connection


def _uri(path: Path) -> str:
    """A folder's name may hold ``?``, ``#`` or ``%``."""
    return path.absolute().as_uri()


def _connect(uri: str, *, cached_statements: int = 128) -> sqlite3.Connection:
    return sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=cached_statements,
    )


def explain(path: Path, error: BaseException) -> str:
    """Who, what and what to do, for an error of the journal file."""
    return f"journal {path}: {_cause(path, error)}; updates are refused with 503 until then"


def explain_read(path: Path, error: BaseException) -> str:
    """The same for one who only reads."""
    return f"journal {path}: {_cause(path, error)}"


def _cause(path: Path, error: BaseException) -> str:
    code = getattr(error, "sqlite_errorname", "") or _ERRNO_CODES.get(getattr(error, "errno", None) or 0, "")
    text = f"{error} ({code})" if code else str(error)
    if isinstance(error, JournalDamagedError):
        return _DAMAGED.format(text=text)
    for prefix, advice in _ADVICE.items():
        if code.startswith(prefix):
            return advice.format(text=text, free=_free(path), uid=os.getuid())
    if isinstance(error, JournalInUseError | JournalMovedError):
        return str(error)
    return _ADVICE["SQLITE_CANTOPEN"].format(text=text, uid=os.getuid()) if isinstance(error, OSError) else text


def is_damage(error: BaseException) -> bool:
    """Whether the file's content is broken."""
    return isinstance(error, JournalDamagedError) or getattr(error, "sqlite_errorname", "").startswith(_DAMAGE)


def prove_whole(connection: sqlite3.Connection) -> None:
    """Check every page: a damaged file often opens well, and would be taken for recovered between two failures.

    Raises:
        JournalDamagedError: it is still damaged.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise JournalDamagedError(" ".join(str(found).split()))


def is_full(error: BaseException) -> bool:
    """Whether the disk has no room."""
    return getattr(error, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(error, "errno", None) in _NO_ROOM


def prove_room(folder: Path) -> None:
    """Take and give back some disk space: after a full disk, a single free page is no reason to accept updates again.

    Raises:
        OSError: there is still no room.
    """
    probe = folder / "journal.probe"
    try:
        with probe.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
    finally:
        probe.unlink(missing_ok=True)


_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_ROOM_BYTES = 1024 * 1024
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_ERRNO_CODES = {errno.ENOSPC: "SQLITE_FULL", errno.EDQUOT: "SQLITE_FULL", errno.EROFS: "SQLITE_READONLY"}
_DAMAGED = (
    "the file is damaged: {text}; stop the server, then restore the file from a backup and remove the -wal and -shm"
    " files beside it, or move all three away to start an empty one (pushes that are only in it are then not sent)"
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
