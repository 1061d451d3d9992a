"""What one PostgreSQL takes, whatever the number of replicas: batches meet at the counter row, one after the other.

Writers in processes of their own store as fast as they can. Where another one brings nothing more, that is the ceiling.
Beside it what an update leaves in the log and on the disk.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

import msgspec

import paths
from fleet import place
from rig import Rig
from stats import VoidError

WRITERS: Final = (1, 2, 4)


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """With so many writers."""

    rate: float
    """Updates stored a second, with a push each."""
    database: float
    """CPU seconds of the database for 10,000."""
    wal_bytes: float
    """Size of the write-ahead log for one update."""
    disk_bytes: float
    """Size of tables and indexes for one update."""


async def measure(rig: Rig, *, writers: int, updates: int) -> Ceiling:
    """One round."""
    with place(rig.folder, "postgres") as where:
        database, name = where.database, where.name
        assert database is not None
        cpu, wal = database.cpu_seconds(), int(database.sql("SELECT pg_current_wal_lsn() - '0/0'").partition(".")[0])
        each = updates // writers
        found = await asyncio.gather(*(_write(where.dsn, each, number * each) for number in range(writers)))
        seconds = max(writer["ended"] for writer in found) - min(
            writer["ended"] - writer["seconds"] for writer in found
        )
        cpu = database.cpu_seconds() - cpu
        wal = int(database.sql("SELECT pg_current_wal_lsn() - '0/0'").partition(".")[0]) - wal
        size = int(database.sql(f"SELECT pg_database_size('{name}')"))
        empty = int(database.sql("SELECT pg_database_size('template1')"))
    stored = each * writers
    return Ceiling(
        rate=stored / seconds,
        database=cpu * 10_000 / stored,
        wal_bytes=wal / stored,
        disk_bytes=(size - empty) / stored,
    )


async def _write(dsn: str, count: int, first: int) -> dict[str, float]:
    arguments = ["--dsn", dsn, "--count", str(count), "--first", str(first)]
    script = str(Path(paths.HERE) / "writer.py")
    process = await asyncio.create_subprocess_exec(sys.executable, script, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise VoidError("a writer failed; its error stands above")
    found: dict[str, float] = json.loads(out)
    return found
