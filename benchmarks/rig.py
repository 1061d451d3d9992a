"""Starts and stops the processes of a benchmark: the server or the bare handler, the sink, the load."""

import asyncio
import contextlib
import json
import mmap
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import paths
import procstat
from disk import settle
from records import PostLog, PushLog
from sink import COUNTER
from stats import VoidError
from support.manifests import Client, write
from support.server import ServerProcess

_STALL_SECONDS = 20.0
_BOTTLENECK = 0.9


class Bare(NamedTuple):
    """A running bare handler."""

    port: int
    pid: int


class SinkProcess:
    """The running sink."""

    def __init__(self, process: asyncio.subprocess.Process, ports: list[int], counter: mmap.mmap, out: Path) -> None:
        self.ports = ports
        self._process = process
        self._counter = counter
        self._out = out

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def count(self) -> int:
        """Requests answered with 200 so far, at all endpoints."""
        return int(COUNTER.unpack_from(self._counter, 0)[0])

    async def until(self, count: int, *, seconds: float = 3600.0) -> bool:
        """Wait until so many requests were answered with 200; False when the time is over first.

        Raises:
            VoidError: nothing came for 20 s.
        """
        end = time.monotonic() + seconds
        last, moved = self.count, time.monotonic()
        while self.count < count:
            now = time.monotonic()
            if now > end:
                return False
            if self.count != last:
                last, moved = self.count, now
            elif now - moved > _STALL_SECONDS:
                raise VoidError(f"{self.count} of {count} pushes arrived, then none for {_STALL_SECONDS:g} s")
            await asyncio.sleep(0.01)
        return True

    async def stop(self) -> PushLog:
        """End the process and read its log."""
        log = PushLog()
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
            log.read(self._out)
        return log


class Rig(NamedTuple):
    """Where and how the processes run."""

    folder: Path
    """On the disk that is to be measured."""
    pinned: bool
    """Server (or bare handler) on CPU 0, load and sink on CPU 1."""
    aggregator: str
    version: Path | None = None
    """The sources of another version, which the server is started from."""

    def client(self, name: str, port: int, **settings: Any) -> Client:
        """A client whose endpoint is on this port."""
        url = f"http://127.0.0.1:{port}/hooks/shipments"
        return Client(name=name, url=url, aggregator=self.aggregator, **settings)

    def _prefix(self, cpu: int) -> list[str]:
        return ["taskset", "-c", str(cpu)] if self.pinned else []

    async def _tool(self, script: str, *arguments: str, cpu: int = 1) -> asyncio.subprocess.Process:
        command = [*self._prefix(cpu), sys.executable, str(paths.HERE / script), *arguments]
        return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)

    @contextlib.asynccontextmanager
    async def bare(self) -> AsyncIterator[Bare]:
        """Case (a)."""
        process = await self._tool("bare.py", cpu=0)
        try:
            yield Bare(int((await _line(process))["port"]), process.pid)
        finally:
            await _end(process)

    @contextlib.asynccontextmanager
    async def server(
        self, clients: Sequence[Client], settings: Mapping[str, Any] | None = None, *, arguments: Sequence[str] = ()
    ) -> AsyncIterator[ServerProcess]:
        """Our server with a fresh data folder; ``settings`` are merged into the spec of its WebhookServer."""
        shutil.rmtree(self.folder, ignore_errors=True)
        await asyncio.to_thread(settle)
        resources = write(self.folder / "resources", clients, settings)
        server = ServerProcess(
            resources,
            self.folder / "data",
            arguments=arguments,
            prefix=self._prefix(0),
            environment=paths.environment(self.version),
            wait=paths.knows_wait(self.version),
        )
        try:
            await server.start()
            yield server
        finally:
            await server.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def sink(self, endpoints: Sequence[str], *, ports: Sequence[int] = ()) -> AsyncIterator[SinkProcess]:
        """Clients' endpoints; see sink.py for the words."""
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        out, progress = paths.CACHE / "pushes.log", paths.CACHE / "pushes.count"
        arguments = ["--out", str(out), "--progress", str(progress)]
        arguments += [part for endpoint in endpoints for part in ("--endpoint", endpoint)]
        arguments += [part for port in ports for part in ("--port", str(port))]
        process = await self._tool("sink.py", *arguments)
        try:
            bound = (await _line(process))["ports"]
            with progress.open("rb") as file:
                counter = mmap.mmap(file.fileno(), COUNTER.size, access=mmap.ACCESS_READ)
            yield SinkProcess(process, bound, counter, out)
        finally:
            await _end(process)

    async def load(self, port: int | Sequence[int], clients: Sequence[Client], **settings: float) -> PostLog:
        """Run one load, at one server or several; the settings are load.py's options."""
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        out = paths.CACHE / "posts.log"
        arguments = ["--out", str(out), "--aggregator", self.aggregator]
        for number in [port] if isinstance(port, int) else port:
            arguments += ["--port", str(number)]
        arguments += [part for client in clients for part in ("--key", client.key)]
        for name, value in settings.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        process = await self._tool("load.py", *arguments)
        try:
            busy = float((await _line(process))["busy"])
        finally:
            await _end(process)
        if busy > _BOTTLENECK:
            raise VoidError(f"the load client itself was busy {busy:.0%} of the time: it measured itself")
        log = PostLog()
        log.read(out)
        return log


class Meter:
    """CPU seconds of a process tree since the meter was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._start = procstat.usage(pid).cpu_seconds

    def per_10k(self, updates: int) -> float:
        """CPU seconds for 10,000 updates."""
        return (procstat.usage(self._pid).cpu_seconds - self._start) * 10_000 / updates


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise VoidError("a benchmark tool ended without a word; its error stands above")
    decoded: dict[str, Any] = json.loads(line)
    return decoded


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
