"""Opens the journal's file. No other module does.

apsw contains its own SQLite. Python's sqlite3 module uses the operating system's library, and the versions of 2010 to
2026 can lose commits (`trackpush_server.journal.sqlite.version`). Two SQLite libraries must never open the same file
in one process, because closing one releases the file locks of the other (POSIX locks belong to the process). So an
import contract allows only this module to import apsw, and no module of the server to import sqlite3.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import apsw

from trackpush_server.journal.sqlite.errors import LogDamagedError, LogInUseError
from trackpush_server.journal.sqlite.folder import make_private
from trackpush_server.journal.sqlite.terms import term
from trackpush_server.journal.sqlite.version import UnsafeSqliteError, why_unsafe

BUSY_SECONDS = 5.0
_CACHE_KIB = 64 * 1024
_READER_CACHE_KIB = 4 * 1024
_WAL_FILE_LIMIT = 64 * 1024 * 1024
PAGE_BYTES = 4096
"""Page size of a new file. A commit writes whole pages, so small pages reduce the bytes written per change."""
_READ_ONLY: Final = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
_READ_WRITE: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
_CREATE: Final = _READ_WRITE | apsw.SQLITE_OPEN_CREATE

SqliteError = apsw.Error
"""Any error that SQLite reports."""
VALUE_ERRORS: Final = (
    OverflowError,
    TypeError,
    UnicodeEncodeError,
    apsw.BindingsError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.RangeError,
    apsw.TooBigError,
)
"""Errors caused by a value, not by the file."""

Values = Sequence[Any] | Mapping[str, Any]


class LogFrames(NamedTuple):
    """Length of the write-ahead log in frames; a frame is one page."""

    total: int
    copied: int
    """Frames that are already copied into the file."""

    def prove_sound(self) -> None:
        """Check that ``copied`` is not larger than ``total``.

        Raises:
            LogDamagedError: SQLite counts pages as copied that were not: the WAL-reset bug (module ``version``).
        """
        if self.copied > self.total:
            raise LogDamagedError(f"{self.copied} frames of the log count as copied, and it holds {self.total}")


class SqliteConnection(apsw.Connection):
    """A connection to the journal's file. Any thread can use it, but only one at a time."""

    if TYPE_CHECKING:  # rows are Any: their types come from the schema, which the type checker doesn't know

        def execute(self, statements: str, bindings: Values | None = None, **options: Any) -> Any:
            """Run statements up to the first row."""

    @functools.cached_property
    def page_bytes(self) -> int:
        """Page size of this file."""
        return int(self.execute("PRAGMA page_size").fetchone()[0])

    def change(self, sql: str, values: Values = ()) -> int:
        """Run a statement that changes rows; returns the number of changed rows."""
        self.execute(sql, values)
        return self.changes()

    def insert(self, sql: str, values: Values = ()) -> int:
        """Insert one row; returns its id."""
        self.execute(sql, values)
        return self.last_insert_rowid()

    def define(self, name: str, function: Callable[..., Any], arguments: int) -> None:
        """Register an SQL function on this connection."""
        self.create_scalar_function(name, function, arguments)

    def touch(self) -> int:
        """Write a page in the current transaction without changing a value, to prove that a commit works."""
        version = self.execute("PRAGMA user_version").fetchone()[0]
        self.execute(f"PRAGMA user_version = {version}")
        return 1

    def log_frames(self) -> LogFrames:
        """Count the frames of the WAL; copies none."""
        return LogFrames(*self.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP))

    def copy_log(self) -> LogFrames:
        """Copy the WAL into the file as far as readers allow, without blocking anyone (PASSIVE)."""
        return LogFrames(*self.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE))

    def empty_log(self, *, wait_ms: int) -> None:
        """Copy the whole WAL into the file and truncate it to zero bytes.

        Raises:
            LogInUseError: a reader still used it after ``wait_ms``.
        """
        self.set_busy_timeout(wait_ms)
        try:
            self.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.BusyError:
            raise LogInUseError("its log is being read; try again later") from None
        finally:
            self.set_busy_timeout(int(BUSY_SECONDS * 1000))


def library_version() -> str:
    """The version of the SQLite library that this process uses."""
    return apsw.sqlite_lib_version()


def check_library() -> None:
    """Check that the SQLite library is safe for writing.

    Raises:
        UnsafeSqliteError: the library can lose commits.
    """
    unsafe = why_unsafe(library_version())
    if unsafe is not None:
        raise UnsafeSqliteError(unsafe)


def open_writer(path: Path, *, create: bool) -> SqliteConnection:
    """Open the only connection that writes updates. Every commit is synced to disk (WAL, synchronous=FULL).

    Automatic checkpoints are off, because they run inside a commit that requests wait for.

    Raises:
        UnsafeSqliteError: the library can lose commits.
        SqliteError: the file can't be opened.
    """
    check_library()
    if create:
        make_private(path)
    connection = _connect(_uri(path), _CREATE if create else _READ_WRITE, cached_statements=256)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA secure_delete = ON")  # an erased body must not stay in a free page
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_FILE_LIMIT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def open_reader(path: Path) -> SqliteConnection:
    """Open a read-only connection."""
    connection = _connect(_uri(path), _READ_ONLY)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
    return connection


def open_outside_reader(path: Path) -> SqliteConnection:
    """Open a reader in another process than the server's, also on a read-only file system.

    There, SQLite can't create the WAL's shared memory. Without a WAL it needs none, and the file is opened immutable.
    """
    try:
        connection = open_reader(path)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except SqliteError:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        connection = _connect(f"{_uri(path)}?immutable=1", _READ_ONLY)
    return connection


def open_copy(path: Path) -> SqliteConnection:
    """Open a reader of a file that nobody writes to; creates no files beside it."""
    return _connect(f"{_uri(path)}?immutable=1", _READ_ONLY)


def open_checkpointer(path: Path) -> SqliteConnection:
    """Open a connection for checkpoints only."""
    connection = _connect(_uri(path), _READ_WRITE)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA cache_size = -1024")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the first read opens the WAL
    return connection


def _uri(path: Path) -> str:
    """The path as a URI: it may contain ``?``, ``#`` or ``%``, which must be escaped."""
    return path.absolute().as_uri()


def _connect(uri: str, flags: int, *, cached_statements: int = 128) -> SqliteConnection:
    connection = SqliteConnection(uri, flags=flags, statementcachesize=cached_statements)
    connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
    connection.create_scalar_function("term", _term, 2, deterministic=True)
    return connection


def _term(*values: Any) -> int:
    """The SQL function ``term(kind, value)``: `terms.term`."""
    return term(*values)


def error_name(error: BaseException) -> str:
    """The name of SQLite's extended result code, such as SQLITE_IOERR_FSYNC; empty for any other error."""
    if not isinstance(error, apsw.Error):
        return ""
    result = getattr(error, "result", -1)  # apsw's own errors, such as those of bindings, have none
    extended = getattr(error, "extendedresult", -1)
    return str(apsw.mapping_extended_result_codes.get(extended) or apsw.mapping_result_codes.get(result, ""))
