"""The server as its own process: started, killed and started again on the same data folder and ports."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from kube.rig.processes import free_ports
from support.deadline import until

START_SECONDS = 60.0
_PROGRAM = (sys.executable, "-m", "trackpush_cli")


class Probe(NamedTuple):
    """An answer of the admin port."""

    status: int
    text: str


class ServerProcess:
    """`trackpush serve` with free ports that stay the same over restarts."""

    def __init__(
        self,
        resources: Path,
        data: Path,
        *,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        shards: bool = False,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = _PROGRAM,
        wait: bool = True,
    ) -> None:
        """Nothing runs before `start`.

        ``prefix`` comes before the command, for example ``taskset -c 0``. ``shards``: ``resources`` has shards.
        ``wait`` False leaves out ``--wait``, which versions before 0.2 do not have.
        """
        self.resources = resources
        self.data = data
        self.log: list[dict[str, Any]] = []
        """Every line that it wrote, of all its starts; a line that is no JSON object stands under ``text``."""
        self._arguments = tuple(arguments)
        self._shards = shards
        self._prefix = tuple(prefix)
        self._program = tuple(program)
        self._wait = ["--wait"] if wait else []
        self._environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        # Not ports that the kernel gives to anyone: while it is down, somebody else could get them.
        self._listen, self._admin_listen = (f"127.0.0.1:{port}" for port in free_ports(2))

    @property
    def url(self) -> str:
        """The receiver's origin."""
        return f"http://{self._listen}"

    @property
    def admin_url(self) -> str:
        """The admin port's origin."""
        return f"http://{self._admin_listen}"

    @property
    def port(self) -> int:
        """The receiver's port."""
        return int(self._listen.rpartition(":")[2])

    @property
    def admin_port(self) -> int:
        """The admin port's number."""
        return int(self._admin_listen.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def children(self) -> list[int]:
        """Of its receiving processes, the pids now."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    async def start(self, *, ready: bool = True) -> None:
        """Start it and wait until it listens, and until /readyz answers 200 unless told otherwise."""
        before = len(self.log)
        self._process = await asyncio.create_subprocess_exec(
            *self._command(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
        )
        self._reader = asyncio.create_task(self._read(self._process))
        await until(
            lambda: self.logged("listening", since=before) is not None or self.exited,
            seconds=START_SECONDS,
            what=self.tail,
        )
        line = self.logged("listening", since=before)
        assert line is not None, f"the server ended at once:\n{self.tail()}"
        self._listen, self._admin_listen = _addresses(line)
        if ready:
            await self.until_ready()

    async def until_ready(self, *, ready: bool = True, seconds: float = START_SECONDS) -> Probe:
        """Wait until /readyz answers 200 (or, with ``ready`` False, anything else); returns that answer."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                probe = await self.probe("/readyz")
                if (probe.status == 200) is ready:
                    return probe
            state = "ready" if ready else "unready"
            assert asyncio.get_running_loop().time() < end, f"not {state} within {seconds:g} s:\n{self.tail()}"
            await asyncio.sleep(0.02)

    async def probe(self, path: str) -> Probe:
        """GET from the admin port."""
        async with aiohttp.ClientSession() as session, session.get(self.admin_url + path) as answer:
            return Probe(answer.status, await answer.text())

    async def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        assert self._process is not None, "the server was not started"
        self._process.send_signal(signal.SIGKILL)
        await self._ended()

    async def terminate(self, *, seconds: float = 30.0) -> int:
        """Ask it to end (SIGTERM) and return its exit code."""
        assert self._process is not None, "the server was not started"
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(seconds):
            return await self._ended()

    @property
    def returncode(self) -> int | None:
        """The exit code of the process, once it has ended."""
        return None if self._process is None else self._process.returncode

    @property
    def exited(self) -> bool:
        """Whether the process has ended."""
        return self._process is None or self._process.returncode is not None

    def logged(self, event: str, *, since: int = 0) -> Mapping[str, Any] | None:
        """The first log line of that event at or after an index of `log`."""
        return next((line for line in self.log[since:] if line.get("event") == event), None)

    def tail(self, lines: int = 30) -> str:
        """The end of the log, for messages of failed tests."""
        return "\n".join(json.dumps(line) for line in self.log[-lines:])

    async def close(self) -> None:
        """Kill it if it still runs."""
        if not self.exited:
            await self.kill()

    def _command(self) -> list[str]:
        listen = ["--listen", self._listen, "--admin-listen", self._admin_listen]
        data = ["--data", str(self.data), *self._wait, "--log-format", "json"]
        resources = [*(["--shards"] if self._shards else []), str(self.resources)]
        return [*self._prefix, *self._program, "serve", *resources, *listen, *data, *self._arguments]

    async def _ended(self) -> int:
        assert self._process is not None
        code = await self._process.wait()
        if self._reader is not None:
            await self._reader
        return code

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.log.append(_parse(line))


def _parse(line: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        decoded = json.loads(line)
        if isinstance(decoded, dict):
            return decoded
    return {"text": line.decode("utf-8", "replace").rstrip()}


def _addresses(line: Mapping[str, Any]) -> tuple[str, str]:
    return str(line["address"]), str(line["admin_address"])


@contextlib.asynccontextmanager
async def running(
    resources: Path,
    data: Path,
    *,
    ready: bool = True,
    arguments: Sequence[str] = (),
    prefix: Sequence[str] = (),
    shards: bool = False,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = _PROGRAM,
) -> AsyncIterator[ServerProcess]:
    """A started server that is dead when the block ends."""
    server = ServerProcess(
        resources, data, arguments=arguments, prefix=prefix, shards=shards, environment=environment, program=program
    )
    try:
        await server.start(ready=ready)
        yield server
    finally:
        await server.close()
