"""The demo's server: a real `trackpush serve` in its own process."""

import asyncio
import contextlib
import ctypes
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from trackpush_cli.errors import CommandError

_START_SECONDS = 20.0
_STOP_SECONDS = 15.0
_LAST_LINES = 8
_OK = 200
_PR_SET_PDEATHSIG = 1
"""prctl(2)."""


class ServerProcess:
    """Starts, watches and stops `trackpush serve`. Its log goes to a file."""

    def __init__(self, resources: Path, data: Path, log: Path) -> None:
        self._command = [
            *(sys.executable, "-m", "trackpush_cli", "serve", str(resources), "--data", str(data)),
            *("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
            *("--log-format", "json", "--drain-grace", "5s"),
        ]
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self.url = ""
        """URL for aggregators, without a path."""
        self.admin_url = ""

    async def start(self) -> None:
        """Start the server, and wait until it listens.

        Raises:
            CommandError: it ended, or did not listen in time; the message contains the end of its log.
        """
        # A session of its own, so that Ctrl-C reaches only the demo, which then stops the server in order.
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        listening: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(self._process, listening))
        try:
            addresses = await asyncio.wait_for(listening, _START_SECONDS)
        except TimeoutError:
            await self.stop()
            raise self._failure(f"the server did not listen within {_START_SECONDS:g} s") from None
        except EOFError:
            await self.stop()
            raise self._failure("the server ended at once") from None
        self.url, self.admin_url = f"http://{addresses['address']}", f"http://{addresses['admin_address']}"
        await self._until_ready()

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline and self.running:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.admin_url}/readyz") as response:
                        if response.status == _OK:
                            return
                await asyncio.sleep(0.05)
        await self.stop()
        raise self._failure("the server did not become ready")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def end(self) -> str:
        """A message that the server ended unexpectedly, with the end of its log."""
        code = self._process.returncode if self._process is not None else None
        how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with exit code {code}"
        return f"the server ended {how}{self._end_of_log()}"

    async def stop(self) -> int:
        """Make the server drain and exit; kill it if it doesn't. Returns its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
        code = await process.wait()
        if self._reader is not None:
            await self._reader
        return code

    async def _read(self, process: asyncio.subprocess.Process, listening: asyncio.Future[dict[str, Any]]) -> None:
        assert process.stdout is not None
        with self._log.open("ab") as log:
            async for line in process.stdout:
                log.write(line)
                log.flush()
                if not listening.done() and b"listening" in line:
                    entry = _decode(line)
                    if entry.get("event") == "listening":
                        listening.set_result(entry)
        if not listening.done():
            listening.set_exception(EOFError())

    def _failure(self, what: str) -> CommandError:
        return CommandError(*f"{what}{self._end_of_log()}".split("\n"))

    def _end_of_log(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:] if self._log.exists() else []
        return f"; the end of its log ({self._log}):\n" + "\n".join(lines) if lines else "; it logged nothing"


def _end_with_parent() -> None:
    """Make the server drain and exit if the demo is killed. Runs in the server's process; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _decode(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
