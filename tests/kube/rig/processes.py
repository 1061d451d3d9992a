"""Starts and ends the programs of a test cluster: each with its own log, ended by its process id."""

import contextlib
import fcntl
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

_PORTS = range(20_000, 30_000)
"""Below the ephemeral ports, which other programs' connections take between our look and the server's bind."""
_BLOCK = 100
_SPARE = 20


class ClusterError(Exception):
    """A program of the cluster did not do what it should; the text holds the end of its log."""


class Processes:
    """The programs of one cluster. ``inside`` is put before every command line (such as nsenter)."""

    def __init__(self, folder: Path, *, inside: Sequence[str] = ()) -> None:
        self._logs = folder / "log"
        self._inside = tuple(inside)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *command: str | Path) -> None:
        """Start a program; it ends with `stop`, at the latest with `stop_all`."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*self._inside, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str) -> None:
        """Kill a program; nothing of a test cluster is worth a clean end."""
        process = self._running.pop(name, None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=20)

    def stop_all(self) -> None:
        """Kill all, the last started first."""
        for name in reversed(list(self._running)):
            self.stop(name)

    def pid(self, name: str) -> int:
        """The process id of a running program."""
        return self._running[name].pid

    def wait_for(self, what: Callable[[], bool], *, name: str, seconds: float = 60.0) -> None:
        """Poll until it is so.

        Raises:
            ClusterError: it is not so in time, or the program has ended.
        """
        deadline = time.monotonic() + seconds
        while not what():
            ended = name in self._running and self._running[name].poll() is not None
            if ended or time.monotonic() > deadline:
                how = "ended" if ended else f"was not ready within {seconds:.0f} s"
                raise ClusterError(f"{name} {how}:\n{self.log(name)}")
            time.sleep(0.05)

    def log(self, name: str, lines: int = 20) -> str:
        """The end of a program's log."""
        file = self._logs / f"{name}.log"
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""


def _ports() -> Iterator[int]:
    """Each port once, in blocks that no other process of the tests hands out while this one lives.

    So a server that is killed and started again finds its ports as it left them, whoever looks for some meanwhile.
    """
    folder = Path(tempfile.gettempdir(), "trackpush-test-ports")
    folder.mkdir(exist_ok=True)
    for first in range(_PORTS.start, _PORTS.stop, _BLOCK):
        file = os.open(folder / str(first), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until this process ends
        except BlockingIOError:
            os.close(file)
        else:
            yield from range(first, first + _BLOCK)


_unused = _ports()


def free_ports(count: int, *, address: str = "127.0.0.1", inside: Sequence[str] = ()) -> list[int]:
    """Ports on which nobody listens at ``address``, each handed out once.

    ``inside``: a command that runs another in the network where they will be used. A port that is free here may be
    taken there.
    """
    if not inside:
        return _free(count, address, _unused)
    task = json.dumps([count, address, list(itertools.islice(_unused, count + _SPARE))])
    command = [*inside, sys.executable, __file__]
    found: list[int] = json.loads(
        subprocess.run(command, input=task, check=True, capture_output=True, text=True).stdout
    )
    return found


def _free(count: int, address: str, candidates: Iterable[int]) -> list[int]:
    """All are held open until the last is found.

    Raises:
        ClusterError: there are too few.
    """
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in candidates:
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server((address, port)))
                found.append(port)
            if len(found) == count:
                return found
    raise ClusterError(f"only {len(found)} of {count} ports are free at {address}")


if __name__ == "__main__":  # in another network: see `free_ports`
    json.dump(_free(*json.load(sys.stdin)), sys.stdout)
