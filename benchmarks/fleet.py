"""Servers on one journal, SQLite's or a PostgreSQL of the benchmark's own, and what all of it costs in CPU.

The routing table is handed over as shards, as in Kubernetes: ten thousand clients are ready in a second.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

import paths  # noqa: F401  makes tests/support importable
import procstat
from disk import settle
from support.manifests import Client
from support.postgres import Server as Database
from support.server import ServerProcess
from support.serving import account, table
from support.volume import Volume, written
from trackpush_api.routing import Destination, Postgres, RoutingTable, Sqlite, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.ports import Journal
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import SqliteJournal


class RoundJournal:
    """Where a journal is kept for one round."""

    def __init__(self, folder: Path, database: Database | None) -> None:
        self.folder = folder
        self.database = database
        self.name = "" if database is None else database.create_database()
        self.dsn = "" if database is None else database.dsn(self.name)

    @property
    def storage(self) -> Storage:
        """The journal's storage, as the routing table names it."""
        return Postgres(dsn=self.dsn) if self.database else Sqlite()

    def journal(self) -> Journal:
        """Opened by the benchmark itself, before any server."""
        if self.database:
            return PostgresJournal(self.dsn)
        return SqliteJournal(self.folder / "data-0", sealer=Sealer(os.urandom))

    def cpu_seconds(self) -> float:
        """CPU time of the database until now; 0 without one."""
        return 0.0 if self.database is None else self.database.cpu_seconds()


@contextlib.contextmanager
def place(folder: Path, storage: str) -> Iterator[RoundJournal]:
    """A new, empty journal of this kind; both kinds are on the same disk."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settle()
    database = Database() if storage == "postgres" else None
    try:
        if database is not None:
            database.start()
        yield RoundJournal(folder, database)
    finally:
        if database is not None:
            database.remove()
        shutil.rmtree(folder, ignore_errors=True)


class Cpu(msgspec.Struct, frozen=True):
    """CPU seconds: of the servers with all their processes, and of the database."""

    servers: float
    database: float


class BenchmarkFleet:
    """The running servers."""

    def __init__(self, servers: Sequence[ServerProcess], where: RoundJournal) -> None:
        self.servers = servers
        self._where = where

    @property
    def ports(self) -> list[int]:
        """Where they take requests."""
        return [server.port for server in self.servers]

    def cpu(self) -> Cpu:
        """So far."""
        servers = sum(procstat.usage(server.pid).cpu_seconds for server in self.servers)
        return Cpu(servers, self._where.cpu_seconds())


def routing(clients: Iterable[Client], where: RoundJournal) -> RoutingTable:
    """The clients' table; their endpoints are theirs, their PushConfigs suspended where they are."""
    served = list(clients)
    made = table(
        *[
            account(
                Aggregator.CLICKPOST, client.key, name=f"{client.name}/clickpost", destinations=[client.push_config]
            )
            for client in served
        ],
        destinations=[
            Destination(name=client.push_config, url=client.url, suspended=client.suspended) for client in served
        ],
    )
    return msgspec.structs.replace(made, server=msgspec.structs.replace(made.server, storage=where.storage))


@contextlib.asynccontextmanager
async def running(where: RoundJournal, served: RoutingTable, *, replicas: int = 1) -> AsyncIterator[BenchmarkFleet]:
    """This many servers."""
    volume = Volume(where.folder / "routing")
    volume.swap(written(served))
    servers = [ServerProcess(volume.root, where.folder / f"data-{index}", shards=True) for index in range(replicas)]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        yield BenchmarkFleet(servers, where)
    finally:
        for server in servers:
            await server.close()
