"""A connection to a database whose journal is copied; locks the journal against servers."""

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
"""Key of the advisory lock that excludes a second copy: "trackcpy" in ASCII."""
_CONNECT_SECONDS: Final = 20.0
_PATIENCE: Final = 1.2
"""Duration, in leases, for which heartbeats are watched. A live replica sends five per lease."""
_LOOK_SECONDS: Final = 0.5


class CopyingDatabase:
    """A connection with an advisory lock, which excludes other copies."""

    def __init__(self, dsn: str, say: Callable[[str], None]) -> None:
        """``say`` is called with a message when the command has to wait."""
        self.place = f"PostgreSQL at {place(dsn)}"
        self._dsn = dsn
        self._say = say
        self._opened: asyncpg.Connection | None = None

    @property
    def connection(self) -> asyncpg.Connection:
        """The connection; valid after `open`."""
        assert self._opened is not None, "not open"
        return self._opened

    async def open(self) -> None:
        """Connect, and acquire the advisory lock."""
        with explained():
            self._opened = await asyncpg.connect(self._dsn, timeout=_CONNECT_SECONDS)
            await self._opened.execute(SQL["settings"])
            if not await self._opened.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                raise TransferError("another copy uses this database; end it, or wait for it")

    async def mark(self) -> str | None:
        """The mark that blocks servers: `schema.MOVED` or `schema.COPYING`; None without a mark or a journal."""
        if not await self.connection.fetchval(SQL["exists"]):
            return None
        found: str | None = await self.connection.fetchval(SQL["mark"], schema.HELD)
        return found

    async def identity(self) -> Any:
        """The row of the table ``journal``; None if there is no journal, or if its schema is older than that table."""
        if not await self.connection.fetchval("SELECT to_regclass('trackpush.journal') IS NOT NULL"):
            return None
        return await self.connection.fetchrow(SQL["identity"])

    async def migrate(self) -> None:
        """Migrate the schema, even if the journal has a mark."""
        await schema.migrate(self.connection, held=True)

    async def refuse_if_served(self) -> None:
        """Raise TransferError if a replica is alive.

        A dead replica may have left its row, so watch each heartbeat for longer than the longest lease.
        """
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
        """Lock the journal's tables until the current transaction ends; raise TransferError if a replica is alive."""
        before = await self._beats()
        try:
            await self.connection.execute(SQL["lock"])
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            raise TransferError(
                "something else writes to this journal; end the server that uses it (spec.suspend: true), then copy"
            ) from None
        self._refuse_living(before, await self._beats())

    async def hold(self, name: str) -> None:
        """Set the mark, which blocks all servers, also connected ones."""
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
        """Close the connection, which also releases the lock and rolls back an open transaction."""
        if self._opened is not None:
            await self._opened.close(timeout=5)
            self._opened = None


def _who(replica: Replica) -> str:
    return f"{replica.name} (replica {replica.id})"


@contextmanager
def explained() -> Iterator[None]:
    """Convert database errors to TransferError. The message contains no values of rows."""
    try:
        yield
    except NewerSchemaError as error:
        raise TransferError(str(error)) from None
    except asyncpg.PostgresError as error:
        text = error.args[0] if error.args else type(error).__name__
        raise TransferError(f"PostgreSQL: {text} ({error.sqlstate})") from None
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise TransferError(f"PostgreSQL: {type(error).__name__}: {error}; see that it runs, and copy again") from None
