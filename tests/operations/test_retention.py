"""The retainer with a real journal: it catches up, keeps up, follows its configuration, and lives through outages."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from journal.stores import Opened, outcome, sqlite_store, update
from support.deadline import until
from trackpush_api.routing import Retention
from trackpush_server.journal.model import JournalUnavailableError, PushState, Trimmed
from trackpush_server.operations import retention as module
from trackpush_server.operations.retention import Retainer

DAY = 86400.0


class Seen:
    """Notes what was deleted, and the longest step."""

    def __init__(self) -> None:
        self.updates = 0
        self.steps = 0
        self.longest = 0.0

    def trimmed(self, trimmed: Trimmed) -> None:
        self.updates += trimmed.updates
        self.steps += 1
        self.longest = max(self.longest, trimmed.seconds)


@contextlib.asynccontextmanager
async def retaining(opened: Opened, retention: Retention, ahead: float = 0.0) -> AsyncIterator[tuple[Retainer, Seen]]:
    """A running retainer whose clock is ahead."""
    seen = Seen()
    retainer = Retainer(opened.journal.retention, opened.journal.portal_changes, seen, wall=lambda: time.time() + ahead)
    retainer.configure(retention)
    retainer.start()
    try:
        yield retainer, seen
    finally:
        await retainer.stop()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """3,000 delivered updates and one pending."""
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(*(update() for _ in range(3000)))
        await opened.record(*(outcome(commit.update_id) for commit in opened.committed))
        await opened.put(update())
        yield opened


async def deleted(seen: Seen, count: int) -> None:
    await until(lambda: seen.updates >= count, seconds=20, what=lambda: f"{seen.updates} of {count} deleted")


async def test_it_deletes_what_is_old_in_many_steps_and_nothing_else(opened: Opened) -> None:
    async with retaining(opened, Retention(delivered=DAY, dead=DAY), ahead=2 * DAY) as (_, seen):
        await deleted(seen, 3000)
        assert seen.steps > 3
        assert len(await opened.pending_ids(limit=10)) == 1
    assert seen.updates == 3000


async def test_nothing_goes_before_its_time(opened: Opened) -> None:
    async with retaining(opened, Retention(delivered=DAY, dead=DAY), ahead=DAY - 60) as (_, seen):
        await until(lambda: seen.steps > 0, seconds=20, what="a step")
        assert seen.updates == 0


async def test_a_shorter_retention_takes_effect_at_once(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 3600.0)
    async with retaining(opened, Retention(delivered=10 * DAY, dead=10 * DAY), ahead=2 * DAY) as (retainer, seen):
        await until(lambda: seen.steps > 0, seconds=20, what="a step")
        retainer.configure(Retention(delivered=DAY, dead=DAY))
        await deleted(seen, 3000)


async def test_what_was_passed_over_goes_in_a_later_round(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.01)
    monkeypatch.setattr(module, "_WHOLE_ROUND", 0.05)
    (pending,) = await opened.pending_ids(limit=10)
    async with retaining(opened, Retention(delivered=DAY, dead=DAY), ahead=2 * DAY) as (_, seen):
        await deleted(seen, 3000)
        await opened.record(outcome(pending, PushState.DEAD))
        await deleted(seen, 3001)


async def test_an_outage_of_the_journal_ends_nothing(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AFTER_FAULT", 0.01)
    real, faults = opened.journal.retention.trim, iter(range(3))

    async def failing(*arguments: object, **given: object) -> Trimmed:
        if next(faults, None) is not None:
            raise JournalUnavailableError("the test says so")
        return await real(*arguments, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(opened.journal.retention, "trim", failing)
    async with retaining(opened, Retention(delivered=DAY, dead=DAY), ahead=2 * DAY) as (_, seen):
        await deleted(seen, 3000)


async def test_updates_are_stored_meanwhile(opened: Opened) -> None:
    async with retaining(opened, Retention(delivered=DAY, dead=DAY), ahead=2 * DAY) as (_, seen):
        while seen.updates < 3000:
            assert await asyncio.wait_for(opened.put(update(received_at=int((time.time() + 10 * DAY) * 1000))), 5) == 1
