"""Connections to the database: what each is checked for, and how it is used through a transaction pooler.

Behind a transaction pooler (PgBouncer) each transaction may meet another connection of the database. So there nothing
may be left behind in one: no prepared statement, no setting, no LISTEN. That a pooler is between is seen at connecting:
the process id from the start isn't that of the backend that answers.
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
"""Enforced by the database. A commit is not covered: one that waits for the disk ends well or not at all."""
ANSWER_SECONDS = 30.0
"""After which the connection is given up."""

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
"""Every statement goes by an index, row by row, and joins in the order in which it is written. Without that, what the
database knows of ten million pushes of one PushConfig, or doesn't know yet, has it read all of them for the ten of
another.

The isolation is set because a role or database may have another default: under ``repeatable read`` each append that
waited for the counter's lock would fail (40001).
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
    """One connection. Used by one task at a time."""

    def __init__(self, connection: asyncpg.Connection, *, pooled: bool) -> None:
        self.connection = connection
        self.pooled = pooled

    async def fetch(self, query: str, *values: object, timeout: float = ANSWER_SECONDS) -> list[asyncpg.Record]:  # noqa: ASYNC109  asyncpg's own, which tells the database too
        """Run one statement, as a transaction of its own."""
        async with asyncio.timeout(timeout + 1), self.transaction():
            rows: list[asyncpg.Record] = await self.connection.fetch(query, *values, timeout=timeout)
            return rows

    async def row(self, query: str, *values: object) -> Any:
        """The first row, or None."""
        rows = await self.fetch(query, *values)
        return rows[0] if rows else None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """An explicit transaction, where statements would not share one otherwise: behind a pooler."""
        if not self.pooled:
            yield
            return
        async with self.begin():
            await self.connection.execute(_EACH_TRANSACTION)
            yield

    def begin(self) -> Any:
        """A transaction of several statements. Behind a pooler no session remembers the isolation."""
        return self.connection.transaction(isolation="read_committed")

    @property
    def closed(self) -> bool:
        """Whether it can't be used any more."""
        return bool(self.connection.is_closed())

    def terminate(self) -> None:
        """Give it up without a word: the other side may be gone."""
        self.connection.terminate()

    async def close(self) -> None:
        """Say good-bye, but not for long."""
        try:
            await self.connection.close(timeout=2)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.connection.terminate()


class Connector:
    """Makes connections to one database."""

    def __init__(self, dsn: str, clock: SharedClock | None = None) -> None:
        """``clock`` is set by each connection that is made."""
        self.dsn = dsn
        self._clock = clock
        self._pooled: bool | None = None
        self._warned = False

    async def connect(self) -> Session:
        """A checked connection.

        Raises:
            UnusableError: what is stored there would not be safe, or can't be stored.
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: there is none.
        """
        cached = self._pooled is False
        connection = await self._open(cached=cached)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                about = await self._about(connection)
                pooled = about["pid"] != connection.get_server_pid()
                self._check(about)
                self._pooled = pooled
                if pooled == cached:  # only without a pooler may it keep statements prepared
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
