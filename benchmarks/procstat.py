"""CPU time and memory of a process with all its descendants, from /proc (Linux; proc(5))."""

import os
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME, _CHILDREN_UTIME, _CHILDREN_STIME = 11, 12, 13, 14
"""Positions in /proc/PID/stat after the command's closing parenthesis."""


class Usage(NamedTuple):
    """Of a process tree."""

    cpu_seconds: float
    """User and system time, ended children included."""
    peak_mib: float
    """Sum of the peaks of resident memory of the processes that live now."""
    mib: float
    """Resident memory now."""


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for task in (_PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text().split():
            found += _descendants(int(child))
    return found


def _cpu_seconds(pid: int, *, children: bool = True) -> float:
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    wanted = (_UTIME, _STIME, _CHILDREN_UTIME, _CHILDREN_STIME) if children else (_UTIME, _STIME)
    return sum(int(fields[at]) for at in wanted) / _TICKS


def _mib(pid: int) -> tuple[float, float]:
    fields = dict(line.split(":", 1) for line in (_PROC / str(pid) / "status").read_text().splitlines() if ":" in line)
    return int(fields["VmHWM"].split()[0]) / 1024, int(fields["VmRSS"].split()[0]) / 1024


def usage(pid: int) -> Usage:
    """Measure now.

    Raises:
        FileNotFoundError: the process has ended.
    """
    pids = _descendants(pid)
    memory = [_mib(pid) for pid in pids]
    return Usage(
        cpu_seconds=sum(map(_cpu_seconds, pids)),
        peak_mib=sum(peak for peak, _ in memory),
        mib=sum(now for _, now in memory),
    )


def by_process(pid: int) -> dict[int, float]:
    """CPU seconds (user and system) of a process and of each of its descendants, so far."""
    return {process: _cpu_seconds(process, children=False) for process in _descendants(pid)}


def reset_peak(pid: int) -> None:
    """Reset the peaks to what is resident now (proc(5), clear_refs)."""
    for process in _descendants(pid):
        (_PROC / str(process) / "clear_refs").write_text("5")
