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
from trackpush_server.telemetry.unknown_codes import UnknownCodes
from trackpush_server.telemetry.unknown_keys import UnknownKeys

if TYPE_CHECKING:
    from trackpush_server.telemetry.summed import Samples

_MODULE = "trackpush_server.receiving.process"


class WorkerHandle:
    """One receiving process: call `start`, then `wait`."""

    def __init__(
        self,
        *,
        index: int,
        receivers: int,
        journal: UpdateLog,
        log_format: LogFormat | None,
        unknown_codes: UnknownCodes,
        unknown_keys: UnknownKeys,
    ) -> None:
        self.index = index
        self.accepting = asyncio.Event()
        self.taken = 0
        """Number of the table that the process serves."""
        self.samples: Samples = {}
        self.silent = 0
        """Number of checks in a row without a frame from the process; counted by the supervisor."""
        self._receivers = receivers
        self._log_format = log_format
        self._unknown_codes = unknown_codes
        self._unknown_keys = unknown_keys
        self._link = Link(on_frame=self._on_frame, on_lost=self.accepting.clear)
        self._desk = AppendRelay(journal, self._link.send)
        self._news = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return None if self._process is None else self._process.pid

    async def start(self, bound: socket.socket) -> None:
        """Start the process, and pass it the socket.

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
            except BaseException:  # also if the start was cancelled
                ours.close()
                raise
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: self._link, sock=ours)

    async def wait(self) -> int:
        """Wait for the end of the process, and return its exit code: negative for the signal that ended it."""
        assert self._process is not None
        code = await self._process.wait()
        self._link.close()
        self.accepting.clear()
        self._news.set()
        return code

    def serve(self, packed: bytes) -> None:
        """Send a table; `taken` changes when the process serves it."""
        self._link.send(packed)

    def open(self) -> None:
        """Order the process to listen, after it has taken the tables sent before; then it reports `accepting`."""
        self._link.send(wire.frame(wire.FrameKind.OPEN))

    def drain(self) -> None:
        """Order the process to answer its open requests and then to exit."""
        self._link.send(wire.frame(wire.FrameKind.DRAIN))

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def until_taken(self, number: int) -> None:
        """Wait until the process serves this table or a newer one, or has ended."""
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
        elif kind == wire.FrameKind.UNKNOWN_CODES:
            self._unknown_codes.add(wire.read_unknown_codes(payload))
        elif kind == wire.FrameKind.UNKNOWN_KEYS:
            self._unknown_keys.add(wire.read_unknown_keys(payload))
        elif kind == wire.FrameKind.TAKEN:
            self.taken = wire.read_taken(payload)
            self._news.set()
        elif kind == wire.FrameKind.ACCEPTING:
            self.accepting.set()
        else:
            raise wire.WireError(f"a report of kind {kind}")
