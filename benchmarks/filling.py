"""Fills a journal with updates whose push waits, as fast as the journal takes them: without HTTP, by its own port."""

import asyncio
import itertools
import time
from collections.abc import Iterator

import msgspec

from support.bodies import body
from support.serving import account
from trackpush_aggregators import decode, parse
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.model import NewPush, NewUpdate
from trackpush_server.journal.ports import Journal
from trackpush_server.receiver.intake import intake

WAITING = "waiting/push"
"""The PushConfig for which they wait."""
_BATCH = 200
_UNDER_WAY = 16
_STRIDE = 3**18
_AWBS = 10**12
_SPREAD_MS = 7_200_000
_DAY_MS = 86_400_000


class _One:
    """Selects the one PushConfig for every update."""

    def __len__(self) -> int:
        return 1

    def of(self, *_: object) -> tuple[NewPush, ...]:
        """The push."""
        return (NewPush(WAITING),)


def _updates(first: int, count: int, now: int) -> Iterator[NewUpdate]:
    """Like those of the load: AWBs over their whole range, event times over two hours; received in the last day."""
    content = body("clickpost", mark=0, shipment=0, second=0)
    parsed = parse(Aggregator.CLICKPOST, decode(content), content, key=None, received_at=1 << 42)
    made = intake(account(Aggregator.CLICKPOST, name="waiting/clickpost"), _One(), parsed.updates, now, nonce=bytes)  # type: ignore[arg-type]
    model = made.updates[0]
    for number in range(first, first + count):
        awb = f"9{number * _STRIDE % _AWBS:012}"
        yield msgspec.structs.replace(
            model,
            key=(number * _STRIDE % _AWBS).to_bytes(8, "big") + number.to_bytes(8, "big"),
            shipment=awb,
            awb=awb,
            order_id=f"SO-{awb}",
            received_at=now - _DAY_MS + number % _DAY_MS,
            occurred_at=now - _DAY_MS - number * 7919 % _SPREAD_MS,
        )


async def fill(journal: Journal, count: int, *, now: int, first: int = 0) -> float:
    """Store so many, then close the journal; the seconds that storing took. ``first`` is the number of the first."""
    await journal.start()
    updates = _updates(first, count, now)
    batches = iter(lambda: list(itertools.islice(updates, _BATCH)), [])

    async def work() -> None:
        for batch in batches:
            await journal.updates.append(batch)

    started = time.monotonic()
    try:
        await asyncio.gather(*(work() for _ in range(_UNDER_WAY)))
        await journal.pushes.flush()
        return time.monotonic() - started
    finally:
        await journal.close()
