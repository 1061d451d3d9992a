"""Stores updates in a PostgreSQL journal, from a process of its own: a replica without HTTP and pushes."""

import argparse
import asyncio
import json
import time

import paths  # noqa: F401  makes tests/support importable
from filling import fill
from trackpush_server.journal.postgres import PostgresJournal


def main() -> None:
    """Run it; prints when it began and how long it took as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    options = parser.parse_args()
    journal = PostgresJournal(options.dsn)
    seconds = asyncio.run(fill(journal, options.count, now=int(time.time() * 1000), first=options.first))
    print(json.dumps({"ended": time.monotonic(), "seconds": seconds}))


if __name__ == "__main__":
    main()
