"""Classifies database errors (was the batch stored?), and turns them into messages with advice."""

import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from trackpush_server.journal.migrations import NewerSchemaError
from trackpush_server.journal.postgres.schema import HeldError


class UnusableError(Exception):
    """The database is reachable but its configuration is unsafe or unsupported. The message says why and what to do."""


BROKEN: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
    UnusableError,
)
"""Errors of a broken connection or of a refusing database. asyncpg raises InternalClientError if the server closed the
connection between two statements."""
_HELD_STATE = "TP001"
"""SQLSTATE raised by trackpush.refuse_held_v1, whose message can be shown to users."""
_UNKNOWN_ENDS = ("08", "57P")
"""SQLSTATE prefixes of a closed connection: the commit may have happened before."""


def is_of_a_value(error: BaseException) -> bool:
    """Whether a value caused the error: nothing was stored, and the connection is still usable."""
    server = asyncpg.DataError | asyncpg.IntegrityConstraintViolationError | asyncpg.ProgramLimitExceededError
    return isinstance(error, server | ValueError | OverflowError | TypeError)


def is_certain(error: BaseException) -> bool:
    """Whether the error proves that nothing was stored."""
    return isinstance(error, asyncpg.PostgresError) and not str(error.sqlstate).startswith(_UNKNOWN_ENDS)


def is_held(error: BaseException) -> bool:
    """Whether the journal is blocked for servers: it was moved away, or a copy into it is not finished."""
    return isinstance(error, HeldError) or getattr(error, "sqlstate", None) == _HELD_STATE


def place(dsn: str) -> str:
    """Host and database for messages, without user, password and parameters."""
    url = urlsplit(dsn)
    hosts = url.netloc.rpartition("@")[2]
    return f"{hosts}{url.path}"


def explain(dsn: str, error: BaseException) -> str:
    """Message for an error of the writer: the database, the cause and the fix."""
    return f"journal in PostgreSQL at {place(dsn)}: {cause(error)}; updates are refused with 503 until then"


def cause(error: BaseException) -> str:
    """The cause and the fix. Leaves out the DETAIL of the database's message, which may contain values of a row."""
    if isinstance(error, UnusableError | NewerSchemaError):
        return str(error)
    if isinstance(error, asyncpg.PostgresError):
        if is_held(error):
            return str(error.args[0])
        text = f"{error.args[0] if error.args else type(error).__name__} ({error.sqlstate})"
        return next((f"{text}; {advice}" for kind, advice in _ADVICE if isinstance(error, kind)), text)
    return next((advice for kind, advice in _NO_ANSWER if isinstance(error, kind)), _other(error))


def _other(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, "correct user and password in the connection string's Secret"),
    (asyncpg.InvalidCatalogNameError, "create the database, or correct its name in the connection string"),
    (asyncpg.InsufficientPrivilegeError, "let the user own the database, or grant it CREATE on the database"),
    (asyncpg.TooManyConnectionsError, "raise max_connections, or put a pooler before the database"),
    (asyncpg.DiskFullError, "free space on the database's volume, or grow it"),
    (asyncpg.ReadOnlySQLTransactionError, "name the primary, or add target_session_attrs=read-write"),
    (
        asyncpg.LockNotAvailableError,
        "a long transaction holds a table that is to be changed; it is tried again, or end that one (pg_stat_activity)",
    ),
    (asyncpg.QueryCanceledError, "it took too long; look at the database's load, locks and disk"),
)
_NO_ANSWER: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its host name isn't found; correct it, or look at DNS"),
    (ssl.SSLError, "TLS with it fails; see that its certificate fits the host name and sslmode, sslrootcert"),
    (TimeoutError, "no answer in time; see that it runs and that the network lets connections through"),
    (ConnectionRefusedError, "nothing listens there; start the database, or correct host and port"),
    (asyncpg.TargetServerAttributeNotMatched, "none of its hosts takes writes; promote a standby, or add the primary"),
    (OSError, "the connection broke or can't be made; see that it runs and that the network reaches it"),
    (
        asyncpg.ClientConfigurationError,
        "the connection string can't be used; look at its parameters: verify-ca and verify-full need sslrootcert=PATH",
    ),
    (asyncpg.InterfaceError, "the connection broke; see that the database runs"),
    (asyncpg.InternalClientError, "the connection broke; see that the database runs"),
)
