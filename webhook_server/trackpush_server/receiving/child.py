"""The main process's handle of one receiving process."""

import asyncio
import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING

from trackpush_runtime.logs import LogFormat
from trackpush_server.journal.ports import UpdateLog
from trackpush_server.receiving import wire
from trackpush_server.receiving.desk import AppendRelay
from trackpush_server.receiving.link import Link

if TYPE_CHECKING:
    from trackpush_server.telemetry.summed import Samples

_MODULE = "trackpush_server.receiving.process"


class WorkerHandle:
    """A process to `start`, and then to `wait` for."""

    def __init__(self, *, index: int, receivers: int, journal: UpdateLog, log_format: LogFormat | None) -> None:
        self.index = index
        self.accepting = asyncio.Event()
        self.taken = 0
        """Number of the table that it serves."""
        self.samples: Samples = {}
        self.silent = 0
        """Looks in a row that found no sign of life since the one before; the supervisor counts."""
        self._receivers = receivers
        self._log_format = log_format
        self._link = Link(on_frame=self._on_frame, on_lost=self.accepting.clear)
        self._desk = AppendRelay(journal, self._link.send)
        self._news = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """None before it was started."""
        return None if self._process is None else self._process.pid

    async def start(self, bound: socket.socket) -> None:
        """Start the process. The socket belongs to it from then on.

        Raises:
            OSError: no process can be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with bound, theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command(theirs.fileno(), bound.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), bound.fileno()),
                )
            except BaseException:  # a cancelled start, too
                ours.close()
                raise
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: self._link, sock=ours)

    async def wait(self) -> int:
        """Its exit code, once it has ended; negative is the signal that ended it."""
        assert self._process is not None
        code = await self._process.wait()
        self._link.close()
        self.accepting.clear()
        self._news.set()
        return code

    def serve(self, packed: bytes) -> None:
        """Send a table; `taken` resolves when it is served."""
        self._link.send(packed)

    def open(self) -> None:
        """Make it listen, after the tables sent before; `accepting` resolves when it does."""
        self._link.send(wire.frame(wire.FrameKind.OPEN))

    def drain(self) -> None:
        """Make it answer its open requests and end."""
        self._link.send(wire.frame(wire.FrameKind.DRAIN))

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def until_taken(self, number: int) -> None:
        """Wait until it serves this table or a newer one, or has ended."""
        assert self._process is not None
        while self.taken < number and self._process.returncode is None:
            self._news.clear()
            await self._news.wait()

    def _command(self, link: int, listening: int) -> list[str]:
        numbers = {"link": link, "listening": listening, "index": self.index, "receivers": self._receivers}
        arguments = [part for name, value in numbers.items() for part in (f"--{name}", str(value))]
        if self._log_format is not None:
            arguments += ["--log-format", self._log_format]
        return [sys.executable, "-m", _MODULE, *arguments]

    def _on_frame(self, kind: int, payload: bytes) -> None:
        self.silent = 0
        if kind == wire.FrameKind.APPEND:
            self._desk.take(payload)
        elif kind == wire.FrameKind.KEEP:
            self._desk.take_unrecognised(payload)
        elif kind == wire.FrameKind.COUNTS:
            self.samples = wire.read_counts(payload)
        elif kind == wire.FrameKind.TAKEN:
            self.taken = wire.read_taken(payload)
            self._news.set()
        elif kind == wire.FrameKind.ACCEPTING:
            self.accepting.set()
        else:
            raise wire.WireError(f"a report of kind {kind}")
