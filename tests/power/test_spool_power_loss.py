"""The spool: after kills and a power failure at any moment, every acknowledged request is in a file or read in."""

import os
import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from power.disk import Disk
from power.recorded_os import RecordedFolders
from trackpush_server.spool.files import SpoolFiles

FAILURES = [
    pytest.param(500, id="some", marks=pytest.mark.slow),
    pytest.param(5_000, id="many", marks=pytest.mark.long),
]
_STEPS = 40
_EVERY = 6
"""A power failure in one of so many steps."""
_KILLS = 0.02
"""Chance of a kill before each call of a function of `os`."""


class KilledError(BaseException):
    """The process ends at once: no handler of an error runs."""


class Image(NamedTuple):
    """What a power failure left, and what had been acknowledged or read in before it."""

    files: dict[Path, bytes]
    acknowledged: frozenset[bytes]
    read_in: frozenset[bytes]


class Machine:
    """A standby that appends and a server that reads in, in turns, on a disk that fails now and then."""

    def __init__(self, seed: int, root: Path) -> None:
        self._chance = random.Random(seed)  # noqa: S311  repeatable
        self.root = root
        self.folders = RecordedFolders(root, lambda: Disk(self._chance, self._step), on_call=self._call)
        self.acknowledged: set[bytes] = set()
        self.read_in: set[bytes] = set()
        self.images: list[Image] = []
        self._is_cutting = False
        self._number = 0

    def _step(self, _: Disk) -> None:
        if self._is_cutting:
            return
        self._is_cutting = True
        if self._chance.random() < 1 / _EVERY:
            left = self.folders.after_power_failure()
            self.images.append(Image(left, frozenset(self.acknowledged), frozenset(self.read_in)))
        self._is_cutting = False

    def _call(self, name: str) -> None:
        if name != "close" and self._chance.random() < _KILLS:  # a killed process closes its files
            raise KilledError

    def run(self) -> None:
        with self.folders.recording():
            files = self._started()
            for _ in range(_STEPS):
                try:
                    self._chance.choice((self._append, self._append, self._append, self._take_in))(files)
                except KilledError:
                    files = self._started()

    def _started(self) -> SpoolFiles:
        while True:
            files = SpoolFiles(self.root)
            try:
                files.prepare()
            except KilledError:
                continue
            return files

    def _append(self, files: SpoolFiles) -> None:
        self._number += 1
        content = b"%d %b" % (self._number, self._chance.randbytes(self._chance.choice((3, 300, 3000))).hex().encode())
        files.append([b"\n" + content + b"\n"])
        self.acknowledged.add(content)

    def _take_in(self, files: SpoolFiles) -> None:
        if files.take():
            for lines in files.batches():
                self.read_in |= {line.strip() for line in lines}  # the journal's own commit is synced
            files.discard()


def _readable(image: Image) -> set[bytes]:
    """The lines that the next server reads in."""
    return {line for path, content in image.files.items() if path.name != "lock" for line in content.split(b"\n")}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("failures", FAILURES)
def test_a_power_failure_at_any_moment_loses_no_acknowledged_request(tmp_path: Path, failures: int) -> None:
    failures = int(os.environ.get("TRACKPUSH_POWER_FAILURES", failures))
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201  shown when it fails, to run it again
    done = 0
    while done < failures:
        root = tmp_path / "data"
        root.mkdir()
        machine = Machine(seed, root)
        machine.run()
        for image in machine.images:
            lost = image.acknowledged - image.read_in - _readable(image)
            assert not lost, f"seed {seed}: {len(lost)} of {len(image.acknowledged)} acknowledged requests are lost"
        done += len(machine.images)
        seed += 1
        shutil.rmtree(root)
