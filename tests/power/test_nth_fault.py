"""SQLite: whichever call to the operating system fails, the request is refused, and nothing acknowledged is lost.

Each test lets the first call of a sort fail, then the second, and so on, until a run has no call left to fail.
"""

import asyncio
import os
from pathlib import Path

import pytest

from journal.stores import Opened, outcome, sqlite_store, update
from power.fault_vfs import FAULTS, Fault, failing
from support.deadline import until
from support.journal_file import journal_file
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import Journal
from trackpush_server.journal.sqlite import checkpointer
from trackpush_server.journal.sqlite.folder import FILE_NAME

# SQLite has nobody to report an error of a close to; apsw then calls Python's hook.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(3600),
]
STEPS = [pytest.param(29, id="some", marks=pytest.mark.slow), pytest.param(7, id="many", marks=pytest.mark.long)]
"""One call in so many fails, each in a run of its own; TRACKPUSH_FAULT_STEP=1 tries every call."""
_MOST_RUNS = 5_000
_REQUESTS = 8


class Sender:
    """Posts as an aggregator does: a refused request again, until it is accepted."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.keys: set[bytes] = set()
        self.refusals: list[str] = []

    async def post(self, number: int) -> None:
        made = update(body=bytes(number * 700))
        for _ in range(100):
            try:
                await self._opened.put(made)
            except JournalUnavailableError as error:
                self.refusals.append(str(error))
                await _until_available(self._opened.journal)
            else:
                self.keys.add(made.key)
                return
        raise AssertionError(f"refused again and again: {self.refusals[-1]}")


async def _until_available(journal: Journal) -> None:
    await until(lambda: journal.unavailable is None, seconds=30, what=lambda: str(journal.unavailable))


async def _run(folder: Path) -> tuple[set[bytes], set[int], list[str]]:
    """Post, deliver and restart; returns the acknowledged keys, the delivered ids and the refusals."""
    keys: set[bytes] = set()
    delivered: set[int] = set()
    refusals: list[str] = []
    for _ in range(2):
        async with sqlite_store(folder).open() as opened:
            await _until_available(opened.journal)
            sender = Sender(opened)
            for number in range(_REQUESTS):
                await sender.post(number)
                ids = [entry.update_id for entry in opened.committed[-1:]]
                await opened.record(*(outcome(found) for found in ids))
                delivered |= set(ids)
            keys |= sender.keys
            refusals += sender.refusals
    return keys, delivered, refusals


def _check(folder: Path, keys: set[bytes], delivered: set[int]) -> None:
    with journal_file(folder / FILE_NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert keys == {key for (key,) in connection.execute("SELECT key FROM updates")}
        pending = {number for (number,) in connection.execute("SELECT update_id FROM pushes WHERE state = 0")}
    assert not pending & delivered


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("sort", sorted(FAULTS))
async def test_a_call_that_fails_loses_nothing_and_the_journal_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: str, step: int
) -> None:
    monkeypatch.setattr(checkpointer, "LOG_BYTES", 20_000)
    monkeypatch.setattr(checkpointer, "_EVERY_COMMITS", 2)
    step = int(os.environ.get("TRACKPUSH_FAULT_STEP", step))
    for run in range(_MOST_RUNS):
        number, folder = 1 + run * step, tmp_path / str(run)
        fault = Fault(sort, number)
        with failing(fault):
            keys, delivered, refusals = await _run(folder)
        await asyncio.to_thread(_check, folder, keys, delivered)
        for reason in refusals:
            assert str(folder) in reason, "the reason names the file"
        if not fault.has_happened:
            break
    else:
        raise AssertionError("there was always another call to fail")
    assert run > 0, "no call failed: the test proves nothing"
