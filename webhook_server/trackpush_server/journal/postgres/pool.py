"""A bounded connection pool for reads and for the writes of operators and jobs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.errors import BROKEN, cause, is_certain, place
from trackpush_server.journal.postgres.session import EACH_SESSION, Connector, Session

_SURE_SECONDS = 1.0
_CHECK_SECONDS = 2.0
_VACUUM_SECONDS = 3600.0
_LOCK = load(f"{__package__}.sql", "reading")["lock"]
_TELL = load(f"{__package__}.sql", "change_feed")["tell"]


class Pool:
    """Lazy pool with at most ``most`` connections; callers wait for a free one."""

    def __init__(self, connector: Connector, *, most: int) -> None:
        self._connector = connector
        self._idle: list[tuple[Session, float]] = []
        self._room = asyncio.Semaphore(most)
        self._round = 0
        """Incremented by `renew`; connections of an earlier round are closed after use."""
        self._closed = False

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Run a read; returns its rows.

        Raises:
            JournalUnavailableError: the database can't be read, or the journal is closed. All methods raise it.
        """
        async with self.session() as session:
            return await session.fetch(query, *values)

    async def write(self, query: str, *values: object, news: bool = False) -> int:
        """Run a write and commit it, under the counter's lock; returns the single number of its result.

        The lock excludes concurrent appends, replays and claims. Set ``news`` if the statement inserts news, to notify
        all replicas.
        """
        async with self.session() as session, session.begin():
            await session.fetch(_LOCK)
            row = await session.row(query, *values)
            if news:
                await session.fetch(_TELL)
            return int(row[0]) if row else 0

    async def vacuum(self, table: str) -> None:
        """Run VACUUM, which may take long, without the statement timeout."""
        async with self.session() as session:
            if not session.pooled:
                await session.connection.execute("SET statement_timeout = 0")
            await session.connection.execute(f"VACUUM {table}", timeout=_VACUUM_SECONDS)
            if not session.pooled:
                await session.connection.execute(EACH_SESSION)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Borrow a connection that was used or checked a moment ago, or is new."""
        if self._closed:
            raise JournalUnavailableError("the journal is closed")
        try:
            async with self._room:
                begun = self._round
                session = await self._take()
                try:
                    yield session
                except BaseException as error:
                    if is_certain(error) and not session.closed and begun == self._round:
                        self._give_back(session)
                    else:
                        session.terminate()
                    raise
                if begun == self._round:
                    self._give_back(session)
                else:
                    session.terminate()
        except BROKEN as error:
            raise self._unavailable(error) from error

    async def _take(self) -> Session:
        """Take an idle connection or open one. A connection that was idle for long may be broken: test it first."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            session, since = self._idle.pop()
            if session.closed:
                continue
            try:
                if now - since > _SURE_SECONDS:
                    await session.fetch("SELECT 1", timeout=_CHECK_SECONDS)
            except BaseException as error:
                session.terminate()
                if not isinstance(error, BROKEN):  # the caller was cancelled
                    raise
            else:
                return session
        return await self._connector.connect()

    def _give_back(self, session: Session) -> None:
        if self._closed:
            session.terminate()
        else:
            self._idle.append((session, asyncio.get_running_loop().time()))

    def _unavailable(self, error: BaseException) -> JournalUnavailableError:
        return JournalUnavailableError(f"journal in PostgreSQL at {place(self._connector.dsn)}: {cause(error)}")

    def renew(self) -> None:
        """Close all connections, idle ones now and others after use: the database may have been replaced."""
        self._round += 1
        idle, self._idle = self._idle, []
        for session, _ in idle:
            session.terminate()

    async def close(self) -> None:
        """Close idle connections now, and borrowed ones when they are returned."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(session.close() for session, _ in idle))
