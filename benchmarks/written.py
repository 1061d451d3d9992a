"""Stores updates in a SQLite journal, from a process of its own, and counts the bytes that it writes.

Uses the journal's port alone, so that the same program measures an older version (`journal_bytes.py`, `--against`).
"""

import argparse
import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from trackpush_server.journal.sqlite import SqliteJournal

try:
    from trackpush_server.journal.model import Committed, NewPush, NewUpdate, Outcome, PushState
except ImportError:  # an older version (`--against`)
    from trackpush_server.journal.port import (  # type: ignore[import-not-found,no-redef]
        Committed,
        NewPush,
        NewUpdate,
        Outcome,
        PushState,
    )

try:
    from trackpush_server.journal.listener import JournalListener
except ImportError:  # same
    JournalListener = None  # type: ignore[assignment,misc]

PER_COMMIT = 20
REQUESTS = 64
"""At once, where the rate of ingest is measured."""
_FILL = 1000
"""Updates in a commit while the file is filled."""
_ROUNDS = 3
_TENANTS = 100
_SPREAD_MS = 7_200_000
_STATUSES = (
    "PICKED_UP",
    "IN_TRANSIT",
    "REACHED_HUB",
    "OUT_FOR_DELIVERY",
    "DELIVERED",
    "FAILED_DELIVERY",
    "RTO_INITIATED",
)
_WORDS = [
    "shipment",
    "received",
    "at",
    "hub",
    "forwarded",
    "to",
    "destination",
    "consignee",
    "was",
    "not",
    "available",
    "address",
    "incomplete",
    "rescheduled",
    "by",
    "customer",
    "delivered",
    "to",
    "neighbour",
    "bag",
    "scanned",
    "vehicle",
    "departed",
    "arrived",
    "sorting",
    "centre",
    "picked",
    "up",
    "from",
    "seller",
    "out",
    "for",
    "delivery",
    "attempted",
    "phone",
    "unreachable",
]
_PLACES = (
    "Mumbai_MiraRd_D (Maharashtra)",
    "Delhi_Okhla_H (Delhi)",
    "Bengaluru_Hoskote_GW (Karnataka)",
    "Pune_Wagholi_P",
)


def updates(first: int, count: int) -> Iterator[NewUpdate]:
    """AWBs and orders over their whole range, event times over two hours, bodies of about 700 bytes."""
    drawn = random.Random()  # noqa: S311  a file that was filled before must hold none of these
    now = int(time.time() * 1000)
    for number in range(first, first + count):
        awb = f"9{drawn.randrange(10**12):012}"
        order = f"SO-{drawn.randrange(10**9):09}"
        tenant = f"client-{drawn.randrange(_TENANTS)}"
        happened = now - drawn.randrange(_SPREAD_MS)
        status = drawn.choice(_STATUSES)
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(happened / 1000))
        remark, place = " ".join(drawn.choices(_WORDS, k=6)), drawn.choice(_PLACES)
        phone = drawn.randrange(10**9)
        body = {
            "waybill": awb,
            "additional": {
                "order_id": order, "courier_partner_id": drawn.randrange(90), "is_rvp": False, "ndr_status_code": None,
                "latest_status": {
                    "clickpost_status_code": drawn.randrange(30), "clickpost_status_description": status.title(),
                    "location": place, "remark": remark, "status": status, "timestamp": moment,
                    "clickpost_city": place.partition("_")[0], "reference_number": f"{drawn.randrange(10**8)}",
                },
                "courier_partner_edd": moment[:10], "promise_date": moment[:10],
            },
            "drop": {
                "name": f"Customer {drawn.randrange(10**6)}", "phone": f"9{phone:09}", "pin": drawn.randrange(10**6),
                "address": f"{drawn.randrange(999)}, {drawn.randrange(99)}th Cross Road, {place}, India",
            },
            "notification_event_id": drawn.randrange(10), "key": "", "mark": number,
        }  # fmt: skip
        notification = {
            "type": f"shipment.{status.lower()}", "aggregator": "clickpost", "occurredAt": moment, "receivedAt": moment,
            "test": False,
            "shipment": {
                "awb": awb, "courier": "Delhivery Surface", "orderId": order, "direction": "forward",
                "forwardAwb": None, "returnReference": None, "estimatedDelivery": moment[:10],
            },
            "status": {
                "code": status, "aggregatorCode": str(drawn.randrange(30)), "aggregatorLabel": status.title(),
                "terminal": status == "DELIVERED", "ndrReason": None, "remark": remark, "location": place,
            },
        }  # fmt: skip
        yield NewUpdate(
            key=(happened // 1000).to_bytes(5, "big") + drawn.randbytes(11),
            account=f"{tenant}/clickpost",
            received_at=now,
            occurred_at=happened,
            shipment=awb,
            awb=awb,
            forward_awb=None,
            order_id=order,
            status=status,
            notification=json.dumps(notification, separators=(",", ":")).encode(),
            body=json.dumps(body, separators=(",", ":")).encode(),
            pushes=(NewPush(f"{tenant}/oms"),),
        )


def written() -> int:
    """Bytes that this process has handed to the kernel to write, so far (proc(5), ``wchar``)."""
    return _io()["wchar"]


def reached_disk() -> int:
    """Bytes that this process has caused to be sent to the disk, so far."""
    return _io()["write_bytes"]


def _io() -> dict[str, int]:
    return {
        key: int(value) for key, value in (line.split(":") for line in Path("/proc/self/io").read_text().splitlines())
    }


def listen(journal: SqliteJournal, on_commit: Callable[[Sequence[Committed]], None]) -> None:
    """Have it called with each commit."""
    if JournalListener is not None:
        journal.subscribe(JournalListener(on_commit=on_commit))
    else:  # an older version (`--against`)
        journal.on_commit = on_commit  # type: ignore[attr-defined]


class JournalSession:
    """One journal, opened for one measurement; closing it moves the whole log into the file."""

    def __init__(self, folder: Path) -> None:
        self.journal = SqliteJournal(folder)
        self._on_commit: Callable[[Sequence[Committed]], None] = self.record
        listen(self.journal, self._accept)
        self._updates: Any = getattr(self.journal, "updates", self.journal)
        """Older versions (`--against`): the journal has no roles."""
        self._pushes: Any = getattr(self.journal, "pushes", self.journal)

    def _accept(self, committed: Sequence[Committed]) -> None:
        self._on_commit(committed)

    def record(self, committed: Sequence[Committed]) -> None:
        """Each push was delivered at the first attempt; its outcome goes with the next commit."""
        for commit in committed:
            for push in commit.update.pushes:
                self._pushes.record(
                    Outcome(
                        update_id=commit.update_id,
                        push_config=push.push_config,
                        state=PushState.DELIVERED,
                        tries=1,
                        started_at=commit.update.received_at,
                        duration_ms=3.5,
                        http_status=200,
                    )
                )

    async def commits(self, made: Iterator[NewUpdate], size: int) -> float:
        """One request after the other, of ``size`` updates each: one commit each; the seconds."""
        self._on_commit = self.record
        started = time.monotonic()
        for batch in iter(lambda: list(itertools.islice(made, size)), []):
            await self._updates.append(batch)
        await self._pushes.flush()
        return time.monotonic() - started

    async def ingest(self, made: Sequence[NewUpdate]) -> float:
        """Many requests at once, of one update each, whose pushes wait; the seconds."""

        async def request(mine: Sequence[NewUpdate]) -> None:
            for update in mine:
                await self._updates.append([update])

        stored: list[Committed] = []
        self._on_commit = stored.extend
        started = time.monotonic()
        await asyncio.gather(*(request(made[number::REQUESTS]) for number in range(REQUESTS)))
        seconds = time.monotonic() - started
        self.record(stored)  # nothing waits in the file when the next measurement begins
        await self._pushes.flush()
        return seconds


async def bytes_per_update(folder: Path, first: int, count: int) -> dict[str, float]:
    """At `PER_COMMIT` updates a commit, each with its outcome; until all of it is in the file, not in the log alone."""
    session = JournalSession(folder)
    made = list(updates(first, count))
    before = written(), reached_disk()
    await session.journal.start()
    seconds = await session.commits(iter(made), PER_COMMIT)
    await session.journal.close()
    return {
        "bytes": (written() - before[0]) / count,
        "disk_bytes": (reached_disk() - before[1]) / count,
        "rate": count / seconds,
    }


async def fill(folder: Path, rows: int) -> float:
    """Store so many; updates a second."""
    session = JournalSession(folder)
    await session.journal.start()
    seconds = await session.commits(updates(0, rows), _FILL)
    await session.journal.close()
    return rows / seconds


async def rates(folder: Path, first: int, count: int) -> dict[str, float]:
    """Updates a second, on an empty file and on the full one in turn; the full one stays open, as in a server."""
    found: dict[str, list[float]] = {"ingest_empty": [], "ingest_full": []}
    full = JournalSession(folder / "full")
    await full.journal.start()
    for number in range(_ROUNDS):
        empty = JournalSession(folder / f"empty-{number}")
        await empty.journal.start()
        for name, session in (("ingest_empty", empty), ("ingest_full", full)):
            made = list(updates(first + number * count, count))
            found[name].append(count / await session.ingest(made))
        await empty.journal.close()
    await full.journal.close()
    return {name: median(each) for name, each in found.items()}


async def measure(folder: Path, rows: int, count: int) -> dict[str, float | None]:
    """Fill a file (unless it is there), count bytes on it, then measure ingest on an empty file and on it in turn."""
    full = folder / "full"
    filling = None if full.exists() else await fill(full, rows)
    found = await bytes_per_update(full, rows, count)
    return {
        **found,
        **await rates(folder, rows + count, count // _ROUNDS),
        "filling": filling,
        "file_bytes": (full / "journal.db").stat().st_size / (rows + 2 * count),
    }


def main() -> None:
    """Run it; prints the figures as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.folder, options.rows, options.count))))


if __name__ == "__main__":
    main()
