"""What errors of the database mean to people, and what they mean for the rows that were on their way."""

import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from trackpush_server.journal.migrations import NewerSchemaError
from trackpush_server.journal.postgres.schema import HeldError


class UnusableError(Exception):
    """The database answers, but must not be used as it is; the message says why and what to do."""


BROKEN: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
    UnusableError,
)
"""What a connection that breaks, or a database that refuses, may raise. An internal error of the client comes from a
connection that the server ended between two statements."""
_HELD_STATE = "TP001"
"""SQLSTATE of trackpush.refuse_held_v1, whose message is for people."""
_UNKNOWN_ENDS = ("08", "57P")
"""SQLSTATEs of a connection that ends, perhaps right after the commit."""


def is_of_a_value(error: BaseException) -> bool:
    """Whether a value caused the error, not the database: nothing was stored, and the connection stays usable."""
    server = asyncpg.DataError | asyncpg.IntegrityConstraintViolationError | asyncpg.ProgramLimitExceededError
    return isinstance(error, server | ValueError | OverflowError | TypeError)


def is_certain(error: BaseException) -> bool:
    """Whether the database itself said that it stored nothing."""
    return isinstance(error, asyncpg.PostgresError) and not str(error.sqlstate).startswith(_UNKNOWN_ENDS)


def is_held(error: BaseException) -> bool:
    """Whether no server may use this journal: it was moved away, or a copy into it is not finished."""
    return isinstance(error, HeldError) or getattr(error, "sqlstate", None) == _HELD_STATE


def place(dsn: str) -> str:
    """Where the database is, for people: without user, password and parameters."""
    url = urlsplit(dsn)
    hosts = url.netloc.rpartition("@")[2]
    return f"{hosts}{url.path}"


def explain(dsn: str, error: BaseException) -> str:
    """Who, what and what to do."""
    return f"journal in PostgreSQL at {place(dsn)}: {cause(error)}; updates are refused with 503 until then"


def cause(error: BaseException) -> str:
    """What and what to do. Never a detail of the database's message: it may quote a row."""
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
