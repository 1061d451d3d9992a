"""SQLite and PostgreSQL side by side, without HTTP: appends from many requests at once, then each push's outcome.

    .venv/bin/python benchmarks/journals.py [--updates 20000]

Ratios of one run; the database's own CPU is counted, its disk is the same one.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import paths  # noqa: F401  makes tests/support importable
from journal.stores import update
from support.postgres import Server
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Committed, NewUpdate, Outcome, PushState
from trackpush_server.journal.ports import Journal
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.sqlite import SqliteJournal

REQUESTS = 64
"""At once."""
TENANTS = 100
BODY_BYTES = 900
_WARM_UP = 2000


def made(count: int, offset: int) -> list[NewUpdate]:
    """Updates of ten events per shipment."""
    body = b'{"raw":"' + b"x" * BODY_BYTES + b'"}'
    return [
        update(
            key=os.urandom(16),
            account=f"client-{number // 10 % TENANTS}/clickpost",
            shipment=f"{offset}-{number // 10}",
            awb=f"{offset}-{number // 10}",
            occurred_at=1_700_000_000_000 + number,
            to=[f"client-{number // 10 % TENANTS}/oms"],
            body=body,
            notification=body[: BODY_BYTES // 2] + b'"}',
        )
        for number in range(count)
    ]


def deliver_at_once(journal: Journal) -> None:
    """Record an outcome for each push that is stored: it was delivered at the first attempt."""

    def record(committed: Sequence[Committed]) -> None:
        for commit in committed:
            for push in commit.update.pushes:
                journal.pushes.record(
                    Outcome(
                        update_id=commit.update_id,
                        push_config=push.push_config,
                        state=PushState.DELIVERED,
                        tries=1,
                        started_at=1_700_000_000_000,
                        duration_ms=3.5,
                        http_status=200,
                    )
                )

    journal.subscribe(JournalListener(on_commit=record))


async def load(journal: Journal, updates: Sequence[NewUpdate]) -> float:
    """Store all of them, and what listeners record of them; the seconds."""

    async def request(mine: Sequence[NewUpdate]) -> None:
        for fresh in mine:
            await journal.updates.append([fresh])

    begun = time.perf_counter()
    await asyncio.gather(*(request(updates[number::REQUESTS]) for number in range(REQUESTS)))
    await journal.pushes.flush()
    return time.perf_counter() - begun


async def measure(name: str, make: Callable[[], Journal], count: int, database_cpu: Callable[[], float]) -> float:
    """Run one journal and print its figures; updates a second."""
    journal = make()
    deliver_at_once(journal)
    await journal.start()
    await load(journal, made(_WARM_UP, 0))
    updates = made(count, 1)
    own, database = _own_cpu(), database_cpu()
    commits = journal.stats.commits
    seconds = await load(journal, updates)
    own, database = _own_cpu() - own, database_cpu() - database
    commits = journal.stats.commits - commits
    await journal.close()
    per = 10_000 / count
    print(
        f"{name:11}{count / seconds:>9,.0f} updates/s{own * per:>8.2f} CPU s per 10,000 here{database * per:>8.2f} in"
        f" the database{count * 2 / commits:>8.0f} rows a commit"
    )
    return count / seconds


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--updates", type=int, default=20_000)
    count = parser.parse_args().updates
    server = Server()
    try:
        server.start()
        dsn = server.dsn(server.create_database())
        with tempfile.TemporaryDirectory() as folder:
            sqlite = asyncio.run(measure("SQLite", lambda: SqliteJournal(Path(folder)), count, lambda: 0.0))
        postgres = asyncio.run(measure("PostgreSQL", lambda: PostgresJournal(dsn), count, server.cpu_seconds))
        print(f"PostgreSQL / SQLite: {postgres / sqlite:.2f}")
    finally:
        server.remove()


if __name__ == "__main__":
    main()
