"""Connections of the receiver: aiohttp's protocol, with time-outs for heads, a bound on their number, lean answers.

aiohttp gives an idle connection a time-out, but none to a head that arrives byte by byte, and building a response
object costs as much as parsing the request. Only what needs to differ is overridden here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, cast

from aiohttp import HttpVersion10, web
from aiohttp.web_protocol import RequestHandler

from trackpush_api.routing import Limits
from trackpush_server.receiver import answers
from trackpush_server.receiver.answers import Answer

_LINGERING = 2.0
"""Seconds to go on reading what a client still sends after its answer, so that it sees the answer."""

Handle = Callable[[web.BaseRequest], Awaitable[Answer]]


class _Date:
    """The Date header's value, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = f"Date: {formatdate(now, usegmt=True)}\r\n".encode("ascii")
        return self._line


_DATE = _Date()


class Connection(RequestHandler):
    """One connection. A head must be complete within its time-out, from the connect or from the head's first byte."""

    __slots__ = ("_connections", "_head_timer", "_limits")

    def __init__(self, server: "Connections", loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_timeout,
            access_log=cast("Any", None),  # aiohttp's own way to switch it off
            lingering_time=_LINGERING,
        )
        self._connections = server
        self._limits = limits
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or say that there are too many."""
        if len(self._connections) >= self._limits.max_connections:
            real = cast("asyncio.Transport", transport)
            self._connections.on_refused()
            real.write(_encode(answers.TOO_MANY_CONNECTIONS, b"Connection: close\r\n"))
            real.close()
            return
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Parse, and watch the time of a head that isn't complete."""
        super().data_received(data)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if self._head_timer is None:
                self._expect_head()
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._limits.header_timeout, self.force_close)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write an answer whose bytes are ready."""
        del start_time
        transport = self.transport
        if transport is None:
            return resp, True
        answer = cast("Answer", resp)
        keep = request.keep_alive and not (answer.ends or self._close or self._force_close or self._upgraded)
        connection = b"" if keep else b"Connection: close\r\n"
        if keep and request.version == HttpVersion10:
            connection = b"Connection: keep-alive\r\n"
        transport.write(_encode(answer, connection, body=request.method != "HEAD"))
        if self._paused:  # sends requests but reads no answers
            self.force_close()
        return (answer if keep else answers.CLOSING), False

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """A request that is no valid HTTP. What it holds is not logged: it may hold a key."""
        del request, status, exc, message
        self._connections.on_bad_request()
        return answers.BAD_REQUEST

    def log_exception(self, *args: object, **kw: object) -> None:
        """Aiohttp found a mistake of its own or of ours: tell, without its text."""
        del args
        error = kw.get("exc_info")
        self._connections.on_error(error if isinstance(error, BaseException) else None)


class Connections(web.Server):
    """All connections of the receiver; the protocol factory for `asyncio.loop.create_server`."""

    def __init__(
        self,
        handle: Handle,
        *,
        limits: Callable[[], Limits],
        on_refused: Callable[[], None],
        on_bad_request: Callable[[], None],
        on_error: Callable[[BaseException | None], None],
    ) -> None:
        """``limits`` is asked for each new connection; ``on_refused`` is told of each connection too many."""
        super().__init__(handle)
        self._limits = limits
        self.on_refused = on_refused
        self.on_bad_request = on_bad_request
        self.on_error = on_error

    def __len__(self) -> int:
        return len(self._connections)

    def __bool__(self) -> bool:
        return True

    def __call__(self) -> Connection:
        """A new connection."""
        return Connection(self, self._loop, self._limits())


def _encode(answer: Answer, connection: bytes, *, body: bool = True) -> bytes:
    head = answer.head + _DATE.line() + connection + b"\r\n"
    return head + answer.content if body else head
