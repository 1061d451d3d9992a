"""CPU per update of counting for the Overview's rates, beside what a commit to the SQLite journal costs.

    python benchmarks/rollup_counts.py [UPDATES] [ACCOUNTS]

Both are measured in one process, in turns, so that a loaded machine slows both.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from trackpush_server.journal.model import Committed, NewPush, NewUpdate
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.telemetry.rollups import RollupCounts

_ROUNDS = 5
_AT_ONCE = 200
_STATUSES = ("PICKED_UP", "IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED")


def _updates(number: int, accounts: int, first: int) -> list[NewUpdate]:
    return [
        NewUpdate(
            key=(first + each).to_bytes(16, "big"),
            account=f"client-{each % accounts}/clickpost",
            received_at=1_760_000_000_000,
            occurred_at=1_760_000_000_000,
            shipment=f"awb-{first + each}",
            awb=f"awb-{first + each}",
            forward_awb=None,
            order_id=None,
            status=_STATUSES[each % len(_STATUSES)],
            notification=b"x" * 600,
            body=b"y" * 959,
            pushes=(NewPush(f"client-{each % accounts}/oms"),),
        )
        for each in range(number)
    ]


async def _cpu(run: Callable[[], Awaitable[object]]) -> float:
    begun = time.process_time()
    await run()
    return time.process_time() - begun


async def _store(journal: SqliteJournal, updates: Sequence[NewUpdate]) -> None:
    for start in range(0, len(updates), _AT_ONCE):
        await journal.updates.append(updates[start : start + _AT_ONCE])


async def _count(counts: RollupCounts, updates: Sequence[NewUpdate]) -> None:
    """Count as the server does: each update, the end of its push, and one addition to the journal."""
    for start in range(0, len(updates), _AT_ONCE):
        counts.committed([Committed(each, update) for each, update in enumerate(updates[start : start + _AT_ONCE])])
    for update in updates:
        counts.ended(update.pushes[0].push_config, "delivered")
    await counts.flush()


async def main(number: int, accounts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder))
        await journal.start()
        counts = RollupCounts(journal.rollups, journal.search, served=lambda: None)
        storing, counting = [], []
        for each in range(_ROUNDS):
            updates = _updates(number, accounts, each * number + 1)
            storing.append(await _cpu(lambda: _store(journal, updates)))  # noqa: B023  awaited in this round
            counting.append(await _cpu(lambda: _count(counts, updates)))  # noqa: B023
        await journal.close()
    ratio = statistics.median(counting) / statistics.median(storing)
    for name, seconds in (("store", storing), ("count", counting)):
        sys.stdout.write(f"{name}: {statistics.median(seconds) / number * 1e6:.2f} us of CPU per update\n")
    sys.stdout.write(f"ratio: {ratio:.3f} ({number} updates, {accounts} accounts)\n")


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in (*sys.argv[1:3], "20000", "100")[:2])))
