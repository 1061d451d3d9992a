"""The backlog for /metrics: a count that takes long holds up no scrape, isn't thrown away, nor made all the time."""

import asyncio
import gc
from typing import Any, cast

import pytest

from trackpush_server.journal.model import JournalUnavailableError, PendingCount
from trackpush_server.telemetry import pending
from trackpush_server.telemetry.pending import Pending


class Slow:
    """Counts when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.results: asyncio.Queue[int | Exception] = asyncio.Queue()

    async def pending_counts(self) -> tuple[PendingCount, ...]:
        self.begun += 1
        result = await self.results.get()
        if isinstance(result, Exception):
            raise result
        return (PendingCount("acme/oms", result, 0),)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(pending, "WAIT_SECONDS", 0.01)
    return Slow()


def counted(backlog: Pending) -> list[int]:
    return [count.count for count in backlog.counts]


async def settled(backlog: Pending) -> None:
    """What was let through has arrived."""
    if backlog._task is not None:
        await backlog._task


async def test_a_count_that_takes_longer_than_a_scrape_waits_is_there_for_the_next_one(slow: Slow) -> None:
    backlog = Pending(cast("Any", slow), clock=lambda: 0.0)
    await backlog.refresh()
    await backlog.refresh()
    assert (counted(backlog), slow.begun) == ([], 1), "one at a time"
    slow.results.put_nowait(10_000_000)
    await settled(backlog)
    await backlog.refresh()
    assert (counted(backlog), slow.begun) == ([10_000_000], 1)


async def test_counting_takes_no_more_than_its_share_of_the_time(slow: Slow) -> None:
    now = [100.0]
    backlog = Pending(cast("Any", slow), clock=lambda: now[0])
    await backlog.refresh()
    now[0] += 7.0
    slow.results.put_nowait(1)
    await settled(backlog)
    now[0] += 69.9
    await backlog.refresh()
    assert slow.begun == 1
    now[0] += 0.2
    slow.results.put_nowait(2)
    await backlog.refresh()
    assert (counted(backlog), slow.begun) == ([2], 2)
    now[0] += 4.9
    await backlog.refresh()
    assert slow.begun == 2, "a quick one is good for five seconds"


async def test_older_counts_stay_while_the_journal_cant_be_read(slow: Slow) -> None:
    now, told = [0.0], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    backlog = Pending(cast("Any", slow), clock=lambda: now[0])
    for result in (3, JournalUnavailableError("down"), 4):
        slow.results.put_nowait(result)
        await backlog.refresh()
        await settled(backlog)
        assert counted(backlog) == ([4] if result == 4 else [3])
        now[0] += 10
    gc.collect()
    assert told == []


async def test_stopping_ends_a_count_that_is_under_way(slow: Slow) -> None:
    backlog = Pending(cast("Any", slow), clock=lambda: 0.0)
    await backlog.refresh()
    await asyncio.wait_for(backlog.stop(), 5)
    assert backlog._task is None
