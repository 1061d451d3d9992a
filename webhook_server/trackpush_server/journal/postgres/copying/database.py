"""One connection to a database whose journal is copied, and how servers are kept off that journal."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from trackpush_server.journal.copying.records import TransferError
from trackpush_server.journal.migrations import NewerSchemaError
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres import schema
from trackpush_server.journal.postgres.errors import place
from trackpush_server.journal.postgres.slot_balancer import Replica, Timing

SQL: Final = load("trackpush_server.journal.postgres.sql", "copying")
_LOCK: Final = 0x7472_6163_6B63_7079
"""Of the advisory lock that keeps a second copy away: "trackcpy"."""
_CONNECT_SECONDS: Final = 20.0
_PATIENCE: Final = 1.2
"""Leases for which beats are watched: a replica that lives beats five times in one."""
_LOOK_SECONDS: Final = 0.5


class CopyingDatabase:
    """Its connection, which has an advisory lock: no other copy uses this database."""

    def __init__(self, dsn: str, say: Callable[[str], None]) -> None:
        """``say`` is called with what the command waits for."""
        self.place = f"PostgreSQL at {place(dsn)}"
        self._dsn = dsn
        self._say = say
        self._opened: asyncpg.Connection | None = None

    @property
    def connection(self) -> asyncpg.Connection:
        """Once open."""
        assert self._opened is not None, "not open"
        return self._opened

    async def open(self) -> None:
        """Connect, and take the lock."""
        with explained():
            self._opened = await asyncpg.connect(self._dsn, timeout=_CONNECT_SECONDS)
            await self._opened.execute(SQL["settings"])
            if not await self._opened.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                raise TransferError("another copy uses this database; end it, or wait for it")

    async def mark(self) -> str | None:
        """What keeps servers off the journal, if anything does; also where there is no journal."""
        if not await self.connection.fetchval(SQL["exists"]):
            return None
        found: str | None = await self.connection.fetchval(SQL["mark"], schema.HELD)
        return found

    async def identity(self) -> Any:
        """The row of ``journal``; None where there is no journal, or none that this version has changed."""
        if not await self.connection.fetchval("SELECT to_regclass('trackpush.journal') IS NOT NULL"):
            return None
        return await self.connection.fetchrow(SQL["identity"])

    async def migrate(self) -> None:
        """Bring the schema up to date, also where the journal is held."""
        await schema.migrate(self.connection, held=True)

    async def refuse_if_served(self) -> None:
        """Raise when a replica lives. A dead one may have left its row: each beat is watched for the longest lease."""
        before = await self._beats()
        if before:
            seconds = _PATIENCE * max(replica.lease_or(Timing().lease) for replica in before.values())
            names = ", ".join(sorted(map(_who, before.values())))
            self._say(f"waiting up to {seconds:.0f} s to see that {names} no longer runs")
            end = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < end:
                await asyncio.sleep(_LOOK_SECONDS)
                self._refuse_living(before, await self._beats())

    async def fence(self) -> None:
        """Nobody writes to the journal until the current transaction ends; raise if anyone did since the last look."""
        before = await self._beats()
        try:
            await self.connection.execute(SQL["lock"])
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            raise TransferError(
                "something else writes to this journal; end the server that uses it (spec.suspend: true), then copy"
            ) from None
        self._refuse_living(before, await self._beats())

    async def hold(self, name: str) -> None:
        """Keep servers off the journal, those that are connected too."""
        await self.connection.execute(SQL["hold"], schema.HELD, name)
        await self.connection.execute(SQL["forget_replicas"])

    async def _beats(self) -> dict[int, Replica]:
        rows = await self.connection.fetch(SQL["beats"])
        return {row["id"]: Replica(row["id"], row["beat"], row["name"], lease=row["lease_seconds"]) for row in rows}

    def _refuse_living(self, before: Mapping[int, Replica], now: Mapping[int, Replica]) -> None:
        alive = [
            replica for replica in now.values() if replica.id not in before or before[replica.id].beat != replica.beat
        ]
        if alive:
            raise TransferError(
                f"{', '.join(sorted(map(_who, alive)))} serves this journal; end it (spec.suspend: true), then copy"
            )

    async def close(self) -> None:
        """Also gives the lock back; a transaction that was not committed has done nothing."""
        if self._opened is not None:
            await self._opened.close(timeout=5)
            self._opened = None


def _who(replica: Replica) -> str:
    return f"{replica.name} (replica {replica.id})"


@contextmanager
def explained() -> Iterator[None]:
    """Turn the database's errors into messages for people, without the values of any row."""
    try:
        yield
    except NewerSchemaError as error:
        raise TransferError(str(error)) from None
    except asyncpg.PostgresError as error:
        text = error.args[0] if error.args else type(error).__name__
        raise TransferError(f"PostgreSQL: {text} ({error.sqlstate})") from None
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise TransferError(f"PostgreSQL: {type(error).__name__}: {error}; see that it runs, and copy again") from None
