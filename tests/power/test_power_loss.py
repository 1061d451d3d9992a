"""SQLite: after a power failure at any moment, every acknowledged update is in the file, and the file is whole."""

import asyncio
import contextlib
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from journal.stores import OMS, Opened, outcome, sqlite_store, update
from power.disk import Disk
from power.vfs import recorded_on
from support.journal_file import journal_file
from trackpush_server.journal.model import PushState
from trackpush_server.journal.sqlite import checkpointer
from trackpush_server.journal.sqlite.folder import FILE_NAME, NOTE

FAILURES = [pytest.param(150, id="some", marks=pytest.mark.slow), pytest.param(1000, id="many", marks=pytest.mark.long)]
"""Number of power failures; TRACKPUSH_POWER_FAILURES sets another one."""
_REQUESTS = 24
_EVERY = 12
"""A power failure in one of so many writes and syncs."""


class Image(NamedTuple):
    """What a power failure left, and what had been acknowledged before it."""

    files: dict[str, bytes]
    keys: frozenset[bytes]
    """Keys of updates that were answered with 200."""
    delivered: frozenset[int]
    """Ids of updates whose push was recorded as delivered, on disk."""


class Machine:
    """One run on a disk that fails now and then."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)  # noqa: S311  repeatable
        self._moments = random.Random(seed + 1)  # noqa: S311  threads take turns here, so it has its own
        self._folder = folder
        self.acknowledged: set[bytes] = set()
        self.delivered: set[int] = set()
        self.images: list[Image] = []
        self.disk = Disk(random.Random(seed + 2), self._step)  # noqa: S311

    def _step(self, disk: Disk) -> None:
        if self._moments.random() < 1 / _EVERY:
            acknowledged = frozenset(self.acknowledged), frozenset(self.delivered)
            files = disk.after_power_failure()
            with contextlib.suppress(FileNotFoundError):  # the note is never synced: the newest is the worst case
                files[NOTE] = (self._folder / NOTE).read_bytes()
            self.images.append(Image(files, *acknowledged))

    async def run(self) -> None:
        """Some senders post, and a client answers, with a restart in between."""
        for _ in range(2):
            async with sqlite_store(self._folder).open() as opened:
                assert opened.journal.unavailable is None, opened.journal.unavailable
                await asyncio.gather(*(self._post(opened) for _ in range(self.chance.randint(1, 4))))

    async def _post(self, opened: Opened) -> None:
        for _ in range(_REQUESTS // 2):
            made = [update(body=self.chance.randbytes(self.chance.choice((10, 500, 9000)))) for _ in range(2)]
            before = len(opened.committed)
            await opened.put(*made)
            self.acknowledged |= {posted.key for posted in made}
            if self.chance.random() < 0.3:
                ids = [committed.update_id for committed in opened.committed[before:]]
                await opened.record(*(outcome(number) for number in ids))
                self.delivered |= set(ids)


async def _check(image: Image, folder: Path) -> None:
    """The image is whole, holds what was acknowledged, and a server can start on it."""
    for name, content in image.files.items():
        (folder / name).write_bytes(content)
    with journal_file(folder / FILE_NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        has_updates = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'updates'").fetchone()
        stored = dict(connection.execute("SELECT id, key FROM updates").fetchall()) if has_updates else {}
        states = dict(connection.execute("SELECT update_id, state FROM pushes").fetchall()) if has_updates else {}
    lost = image.keys - set(stored.values())
    assert not lost, f"{len(lost)} of {len(image.keys)} acknowledged updates are lost"
    assert states.keys() == stored.keys(), "an update has no push, or a push no update"
    forgotten = {number for number in image.delivered if states[number] != PushState.DELIVERED}
    assert not forgotten, f"{len(forgotten)} of {len(image.delivered)} recorded deliveries are forgotten"
    async with sqlite_store(folder).open() as opened:
        assert opened.journal.unavailable is None, opened.journal.unavailable
        assert not opened.journal.stats.missing
        pending = await opened.pending_ids(OMS, limit=100_000)
        assert set(pending) == {number for number, state in states.items() if state == PushState.PENDING}


def _shorten(monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Make the log short, so that checkpoints and restarts of the log happen within a few commits."""
    monkeypatch.setattr(checkpointer, "LOG_BYTES", chance.choice((0, 50_000, 200_000)))
    monkeypatch.setattr(checkpointer, "_EVERY_COMMITS", chance.choice((1, 2, 5)))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("failures", FAILURES)
async def test_a_power_failure_at_any_moment_loses_no_acknowledged_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    failures = int(os.environ.get("TRACKPUSH_POWER_FAILURES", failures))
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201  shown when it fails, to run it again
    done = 0
    while done < failures:
        folder = tmp_path / f"run{seed}"
        machine = Machine(seed, folder)
        _shorten(monkeypatch, machine.chance)
        with recorded_on(machine.disk):
            await machine.run()
        images = _some(machine.images, failures - done)
        for image in images:
            there = tmp_path / "image"
            there.mkdir(mode=0o700)
            await _check(image, there)
            shutil.rmtree(there)
        shutil.rmtree(folder)
        done += len(images)
        seed += 3


def _some(images: Sequence[Image], most: int) -> Sequence[Image]:
    assert images, "no power failure: the test proves nothing"
    return images[:most]
