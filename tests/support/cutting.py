"""A TCP proxy that cuts a connection at the worst moments: before a message is passed on, or after its answer came."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Literal

When = Literal["before the message is passed on", "after its answer has come"]


class Cutter:
    """Passes bytes on; `arm` it to cut at one of the client's messages."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._armed: When | None = None
        self._marker = b""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        self.refuses = False
        """Whether new connections are closed at once."""

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def arm(self, when: When, marker: bytes) -> None:
        """Cut the connection of the client's next message that holds the marker."""
        self._armed, self._marker = when, marker

    def move(self, port: int) -> None:
        """From now on the address is another server's."""
        self._upstream = port
        self.cut_all()

    def cut_all(self) -> None:
        """Cut every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Cutter"]:
        """Listening; everything is cut in the end."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        try:
            yield self
        finally:
            self._server.close()
            self.cut_all()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if not self.refuses:
                there, up = await asyncio.open_connection("127.0.0.1", self._upstream)
                self._writers.add(up)
                await self._pump(reader, writer, there, up)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        up: asyncio.StreamWriter,
    ) -> None:
        answering = asyncio.create_task(self._pass_on(there, writer))
        try:
            while data := await reader.read(1 << 16):
                when = self._armed if self._marker in data else None
                if when is not None:
                    self._armed = None
                if when == "before the message is passed on":
                    self.cuts += 1
                    return
                if when is not None:
                    answering.cancel()
                    await asyncio.gather(answering, return_exceptions=True)
                    up.write(data)
                    await there.read(1)
                    self.cuts += 1
                    return
                up.write(data)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            up.transport.abort()
            self._writers.discard(up)

    async def _pass_on(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(1 << 16):
            writer.write(data)
        writer.transport.abort()
