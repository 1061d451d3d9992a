"""A client's endpoint on loopback, in the test's own loop: records every push and answers as it is told to."""

import asyncio
import contextlib
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from aiohttp import web

from support.bodies import mark_of


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the client saw it. ``at`` is `time.monotonic`, in seconds."""

    at: float
    webhook_id: str
    mark: int | None
    headers: dict[str, str]
    body: bytes
    certificate: str | None = None
    """Serial number of the client's certificate, in hexadecimal, where the endpoint asks for one."""
    port: int = 0
    """The other end's: tells one connection from another."""


Behaviour = Callable[[Arrival], Awaitable[int | web.Response]]
"""Gives the answer or its status, when it likes."""


async def accept(arrival: Arrival) -> int:
    """Answer 200 at once."""
    del arrival
    return 200


async def hang(arrival: Arrival) -> int:
    """Never answer."""
    del arrival
    await asyncio.Event().wait()
    return 200


class Sink:
    """The endpoint. Start it with `open_sink`."""

    def __init__(self, behaviour: Behaviour, *, tls: bool = False) -> None:
        self.behaviour = behaviour
        self._scheme = "https" if tls else "http"
        self.arrivals: list[Arrival] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where it wants its pushes."""
        return f"{self._scheme}://127.0.0.1:{self.port}/hooks/shipments"

    @property
    def marks(self) -> set[int]:
        """The marks of all that arrived."""
        return {arrival.mark for arrival in self.arrivals if arrival.mark is not None}

    def by_mark(self) -> dict[int, list[Arrival]]:
        """All arrivals of each mark, in order."""
        found: dict[int, list[Arrival]] = defaultdict(list)
        for arrival in self.arrivals:
            if arrival.mark is not None:
                found[arrival.mark].append(arrival)
        return found

    async def handle(self, request: web.Request) -> web.Response:
        """Record, then answer as the behaviour says."""
        body = await request.read()
        certificate = request.get_extra_info("peercert")
        arrival = Arrival(
            at=time.monotonic(),
            webhook_id=request.headers.get("webhook-id", ""),
            mark=mark_of(body),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            certificate=(certificate or {}).get("serialNumber"),
            port=request.get_extra_info("peername")[1],
        )
        self.arrivals.append(arrival)
        answer = await self.behaviour(arrival)
        return web.Response(status=answer) if isinstance(answer, int) else answer


@contextlib.asynccontextmanager
async def open_sink(
    behaviour: Behaviour = accept, *, port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Sink]:
    """A listening endpoint; hanging answers are cut off when the block ends."""
    sink = Sink(behaviour, tls=context is not None)
    application = web.Application()
    application.router.add_post("/hooks/shipments", sink.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        sink.port = runner.addresses[0][1]
        yield sink
    finally:
        await runner.cleanup()
