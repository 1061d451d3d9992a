"""What one fsync costs on the disk under the journal: the unit in which a durable answer is measured."""

import os
import time
from pathlib import Path

_PAGE = os.urandom(4096)


def settle() -> None:
    """Write out and discard what earlier rounds left behind, so that the next one doesn't wait for it."""
    os.sync()


def fsync_ms(folder: Path, *, rounds: int = 100) -> list[float]:
    """Milliseconds of each fsync after a 4 KiB append to a growing file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fsync.probe"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(rounds):
            file.write(_PAGE)
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    path.unlink()
    return times
