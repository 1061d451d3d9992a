"""Connections of the receiver: aiohttp's protocol, with a time limit for heads and a maximum number of connections.

aiohttp limits how long a connection may be idle, but not how long a head may take that arrives byte by byte. For every
request, aiohttp's loop also creates a task, a request, a writer and a response, which costs more than parsing the
request. So this module has its own loop over the requests of a connection. Parser, flow control, pipelining, keep-alive
and shutdown are aiohttp's.

aiohttp does not intend `RequestHandler` for subclasses. So tests/receiver drives every path of this module over real
sockets, and fails if an upgrade of aiohttp breaks it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, cast

from aiohttp import HttpVersion10, StreamReader, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from trackpush_api.routing import Limits
from trackpush_server.receiver import answers
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.request import Request

_LINGERING = 2.0
"""Seconds for which bytes of the client are still read after its answer, so that it receives the answer."""
_LINGERING_REFUSED = 256
"""Maximum number of refused connections that linger at the same time; others are closed at once."""
_TURN = 8
"""Number of pipelined requests that are answered before other tasks of the event loop run."""
_RTSP = b" RTSP/1.0\r\n"
"""The parser treats this protocol as HTTP/1.0."""

_TOO_MANY_HEADERS = "Too many headers"
"""The text in the parser's message; the parser has no exception class for this."""

Handle = Callable[[Request], Awaitable[Response]]


class _Date:
    """The value of the Date header, computed once per second."""

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


class ReceiverConnection(RequestHandler):
    """One connection. The time for a head starts when the connection is opened, or at the head's first byte."""

    __slots__ = (
        "_connections",
        "_half_closed",
        "_head_timer",
        "_is_admitted",
        "_is_rtsp",
        "_limits",
        "_refusal_timer",
        "_tail",
        "peer",
    )

    def __init__(self, server: "Connections", loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_timeout,
            access_log=cast("Any", None),  # None switches the access log off
            lingering_time=_LINGERING,
            auto_decompress=False,  # `compression` decompresses, up to the size limit of a body
        )
        self._connections = server
        self._limits = limits
        self._half_closed = False
        self._is_admitted = False
        self._is_rtsp = False
        self._tail = b""
        """The last bytes that arrived, because a request line may be split anywhere."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal_timer: asyncio.TimerHandle | None = None
        self.peer = ""
        """Address of the other end of the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or refuse it if there are too many."""
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if address else ""
        if not self._connections.admit(self.peer, self._limits):
            self._refuse(cast("asyncio.Transport", transport))
            return
        self._is_admitted = True
        super().connection_made(transport)
        self._expect_head()

    def _refuse(self, transport: asyncio.Transport) -> None:
        """Answer 503, then read for a moment: closing a connection with unread bytes would reset it."""
        transport.write(_encode(answers.TOO_MANY_CONNECTIONS, b"Connection: close\r\n"))
        if not self._connections.linger_refused():
            transport.close()
            return
        transport.write_eof()
        self._refusal_timer = self._loop.call_later(_LINGERING, transport.close)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, and start the time limit of an incomplete head."""
        if self._refusal_timer is not None:
            return
        if _RTSP in self._tail + data:
            self._is_rtsp = True
        self._tail = data[-len(_RTSP) :]
        super().data_received(data)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if self._head_timer is None:
                self._expect_head()
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio allows it; aiohttp never keeps the connection
        """Keep the connection for pending answers: a sender may close its side right after its request.

        Returns:
            False, which closes the connection, if no request waits for an answer.
        """
        self._half_closed = True
        if self._refusal_timer is not None:
            return False
        if self._messages:
            last_body = self._messages[-1][1]
        elif self._current_request is not None:
            last_body = cast("Request", self._current_request).content
        else:
            return False
        if not last_body.is_eof():  # the rest of this body will never arrive
            last_body.set_exception(ConnectionError("the sender closed its side in the middle of a body"))
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self._refusal_timer is not None:
            self._refusal_timer.cancel()
            self._refusal_timer = None
            self._connections.refused_lingering -= 1
        elif self._is_admitted:
            self._is_admitted = False
            self._connections.release(self.peer)
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._limits.header_timeout, self.force_close)

    async def start(self) -> None:
        """Answer one request after the other until the connection ends.

        Replaces aiohttp's loop, which creates a task and a response writer for every request. This saves a tenth of the
        time per request.
        """
        turn = 0
        try:
            while not (self._force_close or self._close or self._is_closing):
                if not self._messages:
                    if self._half_closed:
                        break
                    await self._next_message()
                turn += 1
                if turn % _TURN == 0:  # many pipelined requests must not block other connections
                    await asyncio.sleep(0)
                    continue
                message, payload = self._messages.popleft()
                self._consumed()
                if isinstance(message, _ErrInfo):  # its text is not logged: it may hold a key
                    self._connections.on_bad_request()
                    self._write(_bad_head(message), b"Connection: close\r\n")
                    break
                if not await self._exchange(message, payload):
                    break
        finally:
            self._task_handler = None
            if not self._force_close and self.transport is not None:
                self.transport.close()

    @property
    def _is_closing(self) -> bool:
        """Whether the other end has closed the connection, so that no answer can be sent."""
        return self.transport is None or self.transport.is_closing()

    async def _next_message(self) -> None:
        if self._keepalive_handle is None:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        else:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _consumed(self) -> None:
        """Continue reading if there is room, after a pipelined request was taken from the queue."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    async def _exchange(self, message: Any, payload: StreamReader) -> bool:
        """Handle one request; returns whether the connection stays open."""
        request = Request(message, payload, self)
        self._current_request = cast("Any", request)
        self._request_in_progress = True
        try:
            if self._is_rtsp and request.version == HttpVersion10:
                answer = answers.HTTP_VERSION
            else:
                answer = await self._connections.handle(request)
        finally:
            self._current_request = None
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)
        keep = request.keep_alive and not (answer.ends or self._close or self._force_close or self._upgraded)
        connection = b"" if keep else b"Connection: close\r\n"
        if keep and request.version == HttpVersion10:
            connection = b"Connection: keep-alive\r\n"
        self._write(answer, connection, body=request.method != "HEAD")
        if not payload.is_eof():
            await self._linger(payload)
            keep = False
        return keep

    def _write(self, answer: Response, connection: bytes, *, body: bool = True) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        self.transport.write(_encode(answer, connection, body=body))
        if self._paused:  # the client sends requests but reads no answers
            self.force_close()

    async def _linger(self, payload: StreamReader) -> None:
        """Read for a moment what the client still sends; otherwise a reset could destroy the answer."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_LINGERING):
                while not payload.is_eof() and not self._force_close:
                    await payload.readany()


class Connections(web.Server):
    """All connections of the receiver; the protocol factory for `asyncio.loop.create_server`."""

    def __init__(
        self,
        handle: Handle,
        *,
        limits: Callable[[], Limits],
        on_refused: Callable[[], None],
        on_bad_request: Callable[[], None],
    ) -> None:
        """``limits`` is called for each new connection; ``on_refused`` for each connection above the maximum."""
        super().__init__(cast("Any", handle))
        self.handle = handle
        self._limits = limits
        self._by_peer: dict[str, int] = {}
        self.refused_lingering = 0
        """Number of refused connections that are still open, so that the client can read the reason."""
        self.on_refused = on_refused
        self.on_bad_request = on_bad_request

    def admit(self, peer: str, limits: Limits) -> bool:
        """Return whether one more connection of this peer is accepted; if so, count it."""
        of_peer = self._by_peer.get(peer, 0)
        if len(self) >= limits.max_connections or of_peer >= limits.max_connections_per_peer:
            self.on_refused()
            return False
        self._by_peer[peer] = of_peer + 1
        return True

    def release(self, peer: str) -> None:
        """Subtract an admitted connection that has ended."""
        left = self._by_peer[peer] - 1
        if left:
            self._by_peer[peer] = left
        else:
            del self._by_peer[peer]

    def linger_refused(self) -> bool:
        """Return whether one more refused connection may stay open for a moment; if so, count it."""
        if self.refused_lingering >= _LINGERING_REFUSED:
            return False
        self.refused_lingering += 1
        return True

    def __len__(self) -> int:
        return len(self._connections)

    def __bool__(self) -> bool:
        return True

    def __call__(self) -> ReceiverConnection:
        return ReceiverConnection(self, self._loop, self._limits())


def _bad_head(error: _ErrInfo) -> Response:
    """The answer to a head that the parser refuses."""
    too_large = isinstance(error.exc, LineTooLong) or _TOO_MANY_HEADERS in error.message
    return answers.HEAD_TOO_LARGE if too_large else answers.BAD_REQUEST


def _encode(answer: Response, connection: bytes, *, body: bool = True) -> bytes:
    head = answer.head + _DATE.line() + connection + b"\r\n"
    return head + answer.content if body else head
