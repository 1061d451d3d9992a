"""How a connection to the journal file is set up, and what its errors mean to people."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path

from trackpush_server.journal.sqlite.lock import JournalInUseError

BUSY_SECONDS = 5.0
_CACHE_KIB = 16 * 1024
_READER_CACHE_KIB = 4 * 1024
_WAL_FILE_LIMIT = 64 * 1024 * 1024
PAGE_BYTES = 8192


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes. Every commit is synced to disk (WAL, synchronous=FULL).

    Checkpoints are not automatic: they would run inside a commit that requests wait for.
    """
    connection = _connect(f"file:{path}", cached_statements=256)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_FILE_LIMIT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    connection = _connect(f"file:{path}?mode=ro")
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
    return connection


def open_checkpointer(path: Path) -> sqlite3.Connection:
    """A connection that only moves the log into the file."""
    connection = _connect(f"file:{path}?mode=rw")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA cache_size = -1024")
    return connection


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


def _cause(path: Path, error: BaseException) -> str:
    code = getattr(error, "sqlite_errorname", "") or _ERRNO_CODES.get(getattr(error, "errno", None) or 0, "")
    text = f"{error} ({code})" if code else str(error)
    for prefix, advice in _ADVICE.items():
        if code.startswith(prefix):
            return advice.format(text=text, free=_free(path), uid=os.getuid())
    if isinstance(error, JournalInUseError):
        return text
    return _ADVICE["SQLITE_CANTOPEN"].format(text=text, uid=os.getuid()) if isinstance(error, OSError) else text


_ERRNO_CODES = {errno.ENOSPC: "SQLITE_FULL", errno.EDQUOT: "SQLITE_FULL", errno.EROFS: "SQLITE_READONLY"}
_DAMAGED = (
    "the file is damaged: {text}; restore it from a backup, or move it away to start an empty one (pushes that are"
    " only in it are then not sent)"
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
