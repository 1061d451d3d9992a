"""The client on the docs page for clients' developers, run as it stands there, as its own process."""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from support.bodies import mark_of
from support.node import NODE, project
from support.page import blocks

PAGE = Path(__file__).parents[2] / "docs" / "receiving-pushes.md"
START_SECONDS = 20.0


class Booking(NamedTuple):
    """A row of the client's history."""

    id: str
    shipment: str
    mark: int | None


class NodeClient:
    """The client, on a port and a database that stay the same over restarts. Make it with `running_client`."""

    def __init__(self, folder: Path, secret: str) -> None:
        project(folder)
        (folder / "client.mjs").write_text(blocks(PAGE, "runnable")["client.mjs"])
        self.database = folder / "pushes.db"
        self._folder = folder
        self._secret = secret
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def origin(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        given = {"PORT": str(self._port), "WEBHOOK_SECRET": self._secret, "DATABASE": str(self.database)}
        self._process = await asyncio.create_subprocess_exec(
            NODE, "client.mjs", cwd=self._folder, env={**os.environ, **given}, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = (await self._process.stdout.readline()).decode()
        assert line.startswith("listening on "), f"the client ended at once: {line}"
        self._port = int(line.split()[-1])

    async def end(self, how: signal.Signals) -> int:
        """Send it a signal and return its exit code."""
        assert self._process is not None, "the client was not started"
        assert self._process.returncode is None, "the client ended by itself"
        self._process.send_signal(how)
        async with asyncio.timeout(10):
            return await self._process.wait()

    async def close(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def booked(self) -> list[Booking]:
        """What it booked, in the order in which it did."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT id, shipment, remark FROM history ORDER BY number").fetchall()
        return [Booking(push_id, shipment, mark_of(remark.encode())) for push_id, shipment, remark in rows]


@contextlib.asynccontextmanager
async def running_client(folder: Path, secret: str) -> AsyncIterator[NodeClient]:
    """A started client; dead when the block ends."""
    client = NodeClient(folder, secret)
    try:
        await client.start()
        yield client
    finally:
        await client.close()
