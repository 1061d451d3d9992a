"""Opens and checks connections to the database, directly or through a transaction pooler.

Behind a transaction pooler (PgBouncer), each transaction may run on another server connection. So no session state may
be used: no prepared statements, no settings, no LISTEN. The pooler is detected when connecting: the process id from the
startup message differs from that of the backend that answers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import structlog

from trackpush_server.journal.postgres.clock import SharedClock, local
from trackpush_server.journal.postgres.errors import UnusableError
from trackpush_server.journal.postgres.tls_files import unusable_file

CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 20.0
"""Statement timeout, enforced by the database. It does not apply to a COMMIT that waits for the disk."""
ANSWER_SECONDS = 30.0
"""Timeout on this side, after which the connection is closed."""

_LIMIT = int(STATEMENT_SECONDS * 1000)
_SETTINGS = (
    "default_transaction_isolation = 'read committed'",
    f"statement_timeout = {_LIMIT}",
    f"idle_in_transaction_session_timeout = {_LIMIT}",
    "jit = off",
    "max_parallel_workers_per_gather = 0",
    "enable_seqscan = off",
    "enable_bitmapscan = off",
    "enable_hashjoin = off",
    "enable_mergejoin = off",
    "enable_material = off",  # else, while statistics know of one row, each key is compared with a copy of the table
    "join_collapse_limit = 1",
)
"""Every statement uses an index, row by row, and joins in the order in which it is written. With other settings, wrong
or missing statistics make the planner read ten million pushes of one PushConfig to find ten of another.

The isolation level is set because a role or database may have another default: under ``repeatable read``, each append
that waited for the counter's lock would fail (SQLSTATE 40001).
"""
EACH_SESSION = "; ".join(f"SET {setting}" for setting in _SETTINGS)
_EACH_TRANSACTION = "; ".join(f"SET LOCAL {setting}" for setting in _SETTINGS)
_ABOUT = """
SELECT pg_backend_pid() AS pid, current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') AS fsync, pg_is_in_recovery() AS standby,
    current_setting('server_version_num')::integer AS version,
    extract(epoch FROM clock_timestamp())::double precision AS clock
"""
_OLDEST = 140_000

_log = structlog.get_logger("trackpush.journal")


class Session:
    """One connection. Only one task may use it at a time."""

    def __init__(self, connection: asyncpg.Connection, *, pooled: bool) -> None:
        self.connection = connection
        self.pooled = pooled

    async def fetch(self, query: str, *values: object, timeout: float = ANSWER_SECONDS) -> list[asyncpg.Record]:  # noqa: ASYNC109  asyncpg's own timeout also cancels the statement in the database
        """Run one statement, in its own transaction unless one is open."""
        async with asyncio.timeout(timeout + 1), self.transaction():
            rows: list[asyncpg.Record] = await self.connection.fetch(query, *values, timeout=timeout)
            return rows

    async def row(self, query: str, *values: object) -> Any:
        """Run one statement; returns its first row, or None."""
        rows = await self.fetch(query, *values)
        return rows[0] if rows else None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Behind a pooler, start an explicit transaction, so that the settings and the statement share one."""
        if not self.pooled:
            yield
            return
        async with self.begin():
            await self.connection.execute(_EACH_TRANSACTION)
            yield

    def begin(self) -> Any:
        """A transaction for several statements. Sets the isolation level, which a pooled session does not keep."""
        return self.connection.transaction(isolation="read_committed")

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return bool(self.connection.is_closed())

    def terminate(self) -> None:
        """Close the socket without a protocol message: the server may not answer any more."""
        self.connection.terminate()

    async def close(self) -> None:
        """Close the connection in an orderly way, or terminate it after 2 s."""
        try:
            await self.connection.close(timeout=2)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.connection.terminate()


class Connector:
    """Opens connections to one database."""

    def __init__(self, dsn: str, clock: SharedClock | None = None) -> None:
        """Each new connection measures the database's time for ``clock``."""
        self.dsn = dsn
        self._clock = clock
        self._pooled: bool | None = None
        self._warned = False

    async def connect(self) -> Session:
        """Open and check a connection.

        Raises:
            UnusableError: the database's configuration is unsafe or unsupported.
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: the connection failed.
        """
        cached = self._pooled is False
        connection = await self._open(cached=cached)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                about = await self._about(connection)
                pooled = about["pid"] != connection.get_server_pid()
                self._check(about)
                self._pooled = pooled
                if pooled == cached:  # statements may be cached only without a pooler: reconnect with the right setting
                    await connection.close()
                    return await self.connect()
                if not pooled:
                    await connection.execute(EACH_SESSION)
                return Session(connection, pooled=pooled)
        except BaseException:
            self._pooled = None
            connection.terminate()
            raise

    async def _open(self, *, cached: bool) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(
                self.dsn,
                timeout=CONNECT_SECONDS,
                statement_cache_size=100 if cached else 0,
                max_cached_statement_lifetime=0,
                server_settings={"application_name": "trackpush"},
            )
        except (OSError, asyncpg.InterfaceError):
            why = await asyncio.to_thread(unusable_file, self.dsn)
            if why is not None:
                raise UnusableError(why) from None
            raise

    async def _about(self, connection: asyncpg.Connection) -> Any:
        async with connection.transaction():
            before = local()
            about = await connection.fetchrow(_ABOUT)
        if self._clock is not None:
            self._clock.measured(about["clock"], before=before)
        return about

    def _check(self, about: Any) -> None:
        if about["version"] < _OLDEST:
            raise UnusableError(f"its version is {about['version'] // 10_000}; at least 14 is needed")
        if about["standby"]:
            raise UnusableError("it is a standby, which takes no writes; name the primary, or promote it")
        if about["synchronous_commit"] == "off":
            raise UnusableError(
                "synchronous_commit is off, so a commit may be lost after updates were answered with 200; set it to on"
                " for this user or database (ALTER ROLE … SET synchronous_commit = on)"
            )
        if about["fsync"] == "off" and not self._warned:
            self._warned = True
            _log.warning(
                "journal_not_safe", what="fsync is off in PostgreSQL: a power cut may lose or break the journal"
            )
