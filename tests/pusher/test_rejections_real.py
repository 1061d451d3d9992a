"""Thousands of rejected pushes with the real journal, transport and client: others are delivered within seconds."""

import time
from pathlib import Path

import pytest

from pusher.rig import open_rig
from support.deadline import until
from support.sink import Arrival, open_sink
from trackpush_api.routing import Destination, Retry
from trackpush_server.pusher.budget import WAITING, WINDOW

REJECTED = 5_500
PATIENCE = 120.0
"""Seconds for thousands of attempts on a busy machine, and for the good pushes after them, which would wait for hours
behind the retries of the rejected ones. `test_rejections` has their exact bounds, in virtual time."""


def is_bad(mark: int) -> bool:
    return mark < 1_000 or (mark < 10_000 and mark % 2 == 0)


async def picky(arrival: Arrival) -> int:
    return 422 if arrival.mark is not None and is_bad(arrival.mark) else 200


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_new_good_pushes_are_delivered_while_thousands_wait_also_after_client_and_server_restarted(
    tmp_path: Path,
) -> None:
    """An endpoint that rejects 1,000 orders, then every second one, and is away for a while."""
    default = Retry(jitter=0.0)
    async with open_sink(picky) as sink:
        port = sink.port
        destination = Destination(name="acme/oms", url=sink.url, retry=default)
        async with open_rig(tmp_path, destination) as rig:
            for first in range(0, 10_000, 500):
                await rig.post(*range(first, first + 500))
            await until(
                lambda: len(rig.seen.ends) >= 4_500, seconds=PATIENCE, what=lambda: f"{len(rig.seen.ends)} ended"
            )
            await until(lambda: len(sink.marks) == 10_000, seconds=PATIENCE, what="each was tried")
            assert rig.channel().in_memory <= WINDOW + 2 * WAITING + 512
            assert await rig.pending() == REJECTED
            begun = time.monotonic()
            await rig.post(*range(20_000, 20_020))
            await until(lambda: len(rig.seen.ends) >= 4_520, seconds=PATIENCE, what="20 more are delivered")
            print(f"delivered after {time.monotonic() - begun:.2f} s")  # noqa: T201 - the figure of the docs
    async with open_rig(tmp_path, destination) as rig:
        await rig.post(*range(30_000, 30_020))
        await rig.until_breaker("open")
        async with open_sink(picky, port=port) as sink:
            good = set(range(30_000, 30_020))
            await until(lambda: good <= sink.marks, seconds=PATIENCE, what="20 are delivered after both restarted")
            begun = time.monotonic()
            await rig.post(*range(40_000, 40_020))
            await until(lambda: set(range(40_000, 40_020)) <= sink.marks, seconds=PATIENCE, what="20 more")
            print(f"delivered after {time.monotonic() - begun:.2f} s")  # noqa: T201
