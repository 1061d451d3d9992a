"""Reseal as a job: in steps that hold up nobody, ended and gone on with, and told with its reasons once."""

import asyncio
from pathlib import Path

import pytest

from journal.stores import Opened, sealing, sqlite_store, update
from support.deadline import until
from trackpush_server.operations import reseals
from trackpush_server.operations.reseals import ResealRequest, Reseals, ResealView

OLD, NEW = b"o" * 32, b"n" * 32
COUNT = 400


async def fill(folder: Path, *keys: bytes) -> None:
    async with sqlite_store(folder).open(sealer=sealing(*keys)) as opened:
        await opened.put(*(update() for _ in range(COUNT)))


async def end(view: ResealView) -> None:
    await until(lambda: view.state != "running", seconds=60, what=lambda: str(view))


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reseals, "STEP", 20)


async def store_meanwhile(opened: Opened, view: ResealView) -> int:
    stored = 0
    while view.state == "running":
        stored += await opened.put(update())
    return stored


async def test_updates_are_stored_while_a_reseal_runs(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with sqlite_store(tmp_path).open(sealer=sealing(NEW)) as opened:
        view = Reseals(opened.journal.encryption).start(ResealRequest())
        stored = await asyncio.wait_for(store_meanwhile(opened, view), 60)
        assert (view.state, view.error, view.resealed) == ("done", None, COUNT)
        assert stored > COUNT / 20, "one at least between any two steps"
        assert opened.states == [None]


async def test_a_reseal_that_was_ended_is_gone_on_with_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path, OLD)
    async with sqlite_store(tmp_path).open(sealer=sealing(NEW, OLD)) as opened:
        jobs = Reseals(opened.journal.encryption)
        with monkeypatch.context() as slowly:
            slowly.setattr(reseals, "_SHARE", 0.001)
            first = jobs.start(ResealRequest())
            await until(lambda: first.resealed > 0, seconds=60, what=lambda: str(first))
            await jobs.jobs.cancel(first.id)
        assert (first.state, first.resealed < COUNT) == ("cancelled", True)
        second = jobs.start(ResealRequest())
        await end(second)
        assert COUNT - 20 <= first.resealed + second.resealed <= COUNT, "the step under way when it was ended is kept"
        third = jobs.start(ResealRequest())
        await end(third)
        assert (third.looked, third.resealed) == (COUNT, 0)


async def test_what_cant_be_opened_is_counted_and_its_reason_told_once(tmp_path: Path) -> None:
    await fill(tmp_path, OLD)
    async with sqlite_store(tmp_path).open(sealer=sealing(NEW)) as opened:
        view = Reseals(opened.journal.encryption).start(ResealRequest())
        await end(view)
        assert (view.state, view.resealed, view.unreadable, len(view.reasons)) == ("done", 0, COUNT, 1)
