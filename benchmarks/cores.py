"""Cores of a known size: a process gets at most so much CPU, whatever else the machine does.

With two CPUs for server, load and clients together, two server processes can't show what two whole cores give them.
So each server process gets a small core of its own, and load and clients keep the rest of the machine: what is compared
is one small core with two of them. Linux, cgroup v1 (the cpu controller in /sys/fs/cgroup/cpu) and root.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_CONTROLLER = Path("/sys/fs/cgroup/cpu")
_PERIOD_US = 10_000
"""Short, so that a process that has used its share up waits milliseconds, not the usual tenth of a second."""

_SHARES = "65536"
"""Its core is its own, whatever else wants the CPU."""


def can_be_sized() -> bool:
    """Whether this machine and user can."""
    return os.geteuid() == 0 and (_CONTROLLER / "cgroup.procs").exists()


@contextlib.contextmanager
def sized(share: float, pids: Sequence[int]) -> Iterator[None]:
    """While the block runs, each of these processes has a core of this share of a CPU for itself."""
    groups = [_CONTROLLER / f"trackpush-bench-{os.getpid()}-{pid}" for pid in pids]
    try:
        for group, pid in zip(groups, pids, strict=True):
            group.mkdir()
            (group / "cpu.shares").write_text(_SHARES)
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(int(_PERIOD_US * share)))
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for group in groups:
            _remove(group)


def _remove(group: Path) -> None:
    if not group.exists():
        return
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):  # ended meanwhile
            (_CONTROLLER / "cgroup.procs").write_text(pid)
    group.rmdir()
