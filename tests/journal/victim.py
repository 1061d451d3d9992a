"""A process that appends and records as fast as it can, and writes down what was acknowledged. Made to be killed."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Committed, NewPush, NewUpdate, Outcome, PushState
from trackpush_server.journal.sqlite import SqliteJournal

_WORKERS = 8


async def main(folder: Path, first: int) -> None:
    """Append updates numbered from ``first``; print each number once its append has resolved."""
    journal = SqliteJournal(folder)

    def deliver(committed: Sequence[Committed]) -> None:
        for commit in committed:
            if commit.update_id % 2:
                done = Outcome(update_id=commit.update_id, push_config="acme/oms", state=PushState.DELIVERED, tries=1)
                journal.pushes.record(done)

    journal.subscribe(JournalListener(on_commit=deliver))
    await journal.start()

    async def work(number: int) -> None:
        while True:
            await journal.updates.append([_update(number), _update(number, part=1)])
            sys.stdout.buffer.write(b"%d\n" % number)
            sys.stdout.buffer.flush()
            number += _WORKERS

    await asyncio.gather(*(work(first + worker) for worker in range(_WORKERS)))


def _update(number: int, part: int = 0) -> NewUpdate:
    return NewUpdate(
        key=number.to_bytes(8, "big") + part.to_bytes(8, "big"),
        account="acme/clickpost",
        received_at=number,
        occurred_at=number,
        shipment=f"{number}",
        awb=f"{number}",
        forward_awb=None,
        order_id=None,
        status="IN_TRANSIT",
        notification=b"{}",
        body=b"x" * 500,
        pushes=(NewPush("acme/oms"),),
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
