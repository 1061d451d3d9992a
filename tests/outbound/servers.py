"""Odd servers on loopback: raw bytes over asyncio streams, so that a test can send what no HTTP library would."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """One accepted connection, seen from the server."""

    def __init__(self, server: "Server", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = server.accepted
        """From 1, in order of acceptance."""
        self._server = server
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The next whole request.

        Raises:
            asyncio.IncompleteReadError: the client has ended.
        """
        head = await self.head()
        length = next(
            int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        request = head + await self.reader.readexactly(length)
        self._server.requests.append(request)
        return request

    async def head(self) -> bytes:
        """The next request's head alone."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def send(self, *pieces: bytes) -> None:
        """Write pieces, each as a segment of its own as far as the network allows."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    def reset(self) -> None:
        """End with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ended(self) -> None:
        """Wait until the client has ended."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Behaviour = Callable[[Peer], Awaitable[None]]


class Server:
    """A listening server. Start it with `serve`."""

    def __init__(self, host: str, *, tls: bool) -> None:
        self.host = host
        self.scheme = "https" if tls else "http"
        self.port = 0
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        """Its URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/hook"


@contextlib.asynccontextmanager
async def serve(
    behaviour: Behaviour, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """Run a behaviour per connection; a connection ends when its behaviour does."""
    server = Server(host, tls=context is not None)
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.accepted += 1
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await behaviour(Peer(server, reader, writer))
        finally:
            server.open -= 1
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(run(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, host, 0, ssl=context, backlog=512)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def polite(peer: Peer) -> None:
    """Answer every request with 200 and keep the connection."""
    while True:
        await peer.request()
        await peer.send(OK)


async def silent(peer: Peer) -> None:
    """Read and never answer."""
    await peer.ended()


def always(*pieces: bytes, then: str = "keep") -> Behaviour:
    """Answer every request with these pieces, then ``keep``, ``close`` or ``reset`` the connection."""

    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*pieces)
            if then == "close":
                return
            if then == "reset":
                peer.reset()
                return

    return behave
