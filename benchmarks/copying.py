"""`trackpush journal copy`, both ways, beside storing the same updates and beside the databases' own tools.

    .venv/bin/python benchmarks/copying.py [--updates 20000]

Each update has one push, delivered at the first try. Ratios of one run, of CPU: the database's own is counted.
"""

import argparse
import asyncio
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

import paths  # noqa: F401  makes tests/support importable
from journals import deliver_at_once, load, made
from support.postgres import Server, programs, unprivileged
from trackpush_server.journal.copying.move import move
from trackpush_server.journal.postgres.copying import PostgresSource, PostgresTarget
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.copying import SqliteSource, SqliteTarget

FILE = "journal.db"


class CopyCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one way took."""

    seconds: float
    cpu_seconds: float
    """Of this process, of programs that it ran, and of the database."""


class CopyMeter:
    """Runs one way after the other."""

    def __init__(self, server: Server, updates: int) -> None:
        self._server = server
        self._updates = updates

    def run(self, name: str, do: Callable[[], object]) -> CopyCost:
        """Do it and print what it took."""
        cpu, begun = self._cpu(), time.perf_counter()
        do()
        cost = CopyCost(seconds=time.perf_counter() - begun, cpu_seconds=self._cpu() - cpu)
        per = 10_000 / self._updates
        print(
            f"{name:32}{self._updates / cost.seconds:>9,.0f} updates/s{cost.cpu_seconds * per:>8.2f} CPU s per 10,000"
        )
        return cost

    def _cpu(self) -> float:
        own = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return self._server.cpu_seconds() + sum(usage.ru_utime + usage.ru_stime for usage in own)


async def store(folder: Path, count: int) -> None:
    """As a server does, without HTTP."""
    journal = SqliteJournal(folder)
    deliver_at_once(journal)
    await journal.start()
    await load(journal, made(count, 1))
    await journal.close()


def dump_and_load(server: Server, source: str, target: str) -> None:
    """All tables with their indexes, by PostgreSQL's own programs."""
    place = ("-h", str(server.folder), "-p", str(server.port), "-U", "postgres")
    dump, psql = (str(programs() / name) for name in ("pg_dump", "psql"))
    with subprocess.Popen([*unprivileged(), dump, *place, source], stdout=subprocess.PIPE) as dumping:
        command = [*unprivileged(), psql, *place, "-q", "-v", "ON_ERROR_STOP=1", "-d", target]
        subprocess.run(command, stdin=dumping.stdout, stdout=subprocess.DEVNULL, check=True)
    if dumping.returncode:
        raise SystemExit(f"pg_dump ended with {dumping.returncode}")


def back_up(file: Path, to: Path) -> None:
    """The file page by page, by SQLite's own function."""
    with (
        closing(SqliteConnection(str(file))) as source,
        closing(SqliteConnection(str(to))) as target,
        target.backup("main", source, "main") as copying,
    ):
        copying.step()


def measure(server: Server, folder: Path, count: int) -> None:
    """All ways, and their ratios."""
    meter = CopyMeter(server, count)
    database, loaded = server.create_database(), server.create_database()
    dsn = server.dsn(database)
    stored = meter.run("stored in SQLite, without HTTP", lambda: asyncio.run(store(folder / "old", count)))
    there = meter.run(
        "SQLite → PostgreSQL",
        lambda: asyncio.run(move(SqliteSource(folder / "old"), PostgresTarget(dsn), lambda _: None)),
    )
    dumped = meter.run("pg_dump | psql", lambda: dump_and_load(server, database, loaded))
    back = meter.run(
        "PostgreSQL → SQLite",
        lambda: asyncio.run(move(PostgresSource(dsn), SqliteTarget(folder / "new"), lambda _: None)),
    )
    copied = meter.run("SQLite's own backup", lambda: back_up(folder / "new" / FILE, folder / "copy.db"))
    for name, numerator, other in (
        ("SQLite → PostgreSQL / stored in SQLite", there, stored),
        ("SQLite → PostgreSQL / pg_dump | psql", there, dumped),
        ("PostgreSQL → SQLite / stored in SQLite", back, stored),
        ("PostgreSQL → SQLite / SQLite's own backup", back, copied),
    ):
        cpu, seconds = numerator.cpu_seconds / other.cpu_seconds, numerator.seconds / other.seconds
        print(f"{name}: {cpu:.2f} times the CPU, {seconds:.2f} times the time")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--updates", type=int, default=20_000)
    count = parser.parse_args().updates
    server = Server()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            measure(server, Path(folder), count)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
