"""The clients of docs/clients.md, run as they stand there, each as its own process; a missing language is installed."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from support.bodies import mark_of
from support.node_client import Booking
from support.page import blocks

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
_START_SECONDS = 100
_END_SECONDS = 20


class Language(NamedTuple):
    """How one is built and run."""

    file: str
    run: tuple[str, ...]
    build: tuple[str, ...] = ()


LANGUAGES = {
    "python": Language("client.py", (sys.executable, "client.py")),
    "go": Language("client.go", ("./client",), ("go", "build", "-o", "client", "client.go")),
    "java": Language("Client.java", ("java", "Client.java")),
}
"""Go is built first: `go run` passes no signal on."""


class LanguageClient:
    """One, on a port and an inbox that stay the same over restarts. Make it with `running_language`."""

    def __init__(self, folder: Path, secret: str, language: Language) -> None:
        folder.mkdir(parents=True)
        (folder / language.file).write_text(blocks(PAGE, "runnable")[language.file])
        self.inbox = folder / "inbox.jsonl"
        self._folder = folder
        self._secret = secret
        self._run = language.run
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def origin(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        given = {"PORT": str(self._port), "WEBHOOK_SECRET": self._secret, "INBOX": str(self.inbox)}
        self._process = await asyncio.create_subprocess_exec(
            *self._run, cwd=self._folder, env={**os.environ, **given}, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            line = (await self._process.stdout.readline()).decode()
        assert line.startswith("listening on "), f"the client ended at once: {line}"
        self._port = int(line.split()[-1])

    async def end(self, how: signal.Signals) -> int:
        """Send it a signal and return its exit code."""
        assert self._process is not None, "the client was not started"
        self._process.send_signal(how)
        async with asyncio.timeout(_END_SECONDS):
            return await self._process.wait()

    async def close(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def booked(self) -> list[Booking]:
        """What it took, in the order in which it did."""
        lines = self.inbox.read_bytes().split(b"\n")[:-1]
        return [_booking(msgspec.json.decode(line)) for line in lines]


def _booking(line: dict[str, dict[str, dict[str, str]]]) -> Booking:
    push = line["push"]
    return Booking(str(line["id"]), push["shipment"]["awb"], mark_of(push["status"]["remark"].encode()))


@contextlib.asynccontextmanager
async def running_language(folder: Path, secret: str, name: str) -> AsyncIterator[LanguageClient]:
    """A started client; dead when the block ends."""
    language = LANGUAGES[name]
    client = LanguageClient(folder, secret, language)
    await asyncio.to_thread(_prepare, name, language.build, folder)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


def _prepare(name: str, build: Sequence[str], folder: Path) -> None:
    if name == "java" and shutil.which("java") is None:
        with (Path(tempfile.gettempdir()) / "trackpush-apt.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
            install = ["apt-get", "install", "-qy", "--no-install-recommends", "openjdk-17-jdk-headless"]
            subprocess.run(install, check=True, stdout=sys.stderr)
    if build:
        subprocess.run(
            list(build), cwd=folder, check=True, env={**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"}
        )
