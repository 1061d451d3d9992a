"""Limits the admin port's connections: a time limit for heads and bodies, and a maximum number.

The admin port and the public port share the process's file descriptors, so a client of the admin port must not use up
all of them. kubelet and Prometheus must always be able to connect: above the maximum, the connection that has been idle
the longest is closed.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion10, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler

from trackpush_server.admin.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_CONNECTIONS = 256
HEAD_SECONDS = 10.0
"""Maximum seconds for a request's head, counted from the connect or from the head's first byte."""
BODY_SECONDS = 20.0
IDLE_SECONDS: Final = 75.0
"""Maximum seconds between two requests of a connection."""
_TURNS: Final = 10
_WHY_NOT: Final = "{}: this is not a valid HTTP/1.1 request."
_NOT_HTTP: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s"
) % (len(_WHY_NOT.format(400)), _WHY_NOT.format(400).encode())


class BoundedConnection(asyncio.Protocol):
    """Passes all calls to aiohttp's protocol, and closes the connection if a head doesn't arrive in time."""

    def __init__(self, inner: asyncio.Protocol, connections: "BoundedConnections") -> None:
        self.inner = inner
        self.busy = False
        """Whether a request is being answered."""
        self.streams = False
        """Whether this response is a stream of events, which ends with the connection."""
        self._connections = connections
        self.at_end = False
        """Whether the other side has closed its sending direction. It may still read."""
        self._content: StreamReader | None = None
        """The body of the request that is being answered."""
        self._transport: asyncio.BaseTransport | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection if there is room, or an idle one can be closed."""
        self._transport = transport
        if not self._connections.enter(self):
            transport.close()
            return
        self.inner.connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, and start the time limit of a head."""
        if not self.busy and self._head_timer is None:
            self._expect_head()
        self.inner.data_received(data)

    def eof_received(self) -> bool:
        """Keep the connection open for pending answers, except for a live tail, which would never end."""
        self.inner.eof_received()
        self.at_end = True
        self._end_body()
        self._close_unless_busy(_TURNS)
        return not self.streams

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_timer()
        if self._connections.leave(self):
            self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def request_begins(self, content: StreamReader) -> None:
        """Call when a head is complete; ``content`` is the request's body, which may still be arriving."""
        self.busy = True
        self._content = content
        self._end_timer()
        if self.at_end:
            self._end_body()

    def request_ends(self) -> None:
        """Call when the request was answered."""
        self.busy = False
        self._content = None
        self._connections.touch(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _end_body(self) -> None:
        """End the body: no more bytes of it will arrive."""
        if self._content is not None and not self._content.is_eof():
            self._content.set_exception(web.RequestPayloadError("the connection ended within the body"))
            self._content.feed_eof()  # otherwise aiohttp waits for the rest of the body after the answer

    def _close_unless_busy(self, turns: int) -> None:
        """Close the connection after a few turns of the event loop: aiohttp needs them to start a complete request."""
        if self.busy:
            return
        if turns:
            asyncio.get_running_loop().call_soon(self._close_unless_busy, turns - 1)
        else:
            self.close()

    def _expect_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.close)

    def _end_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _since_http_1(message: RawRequestMessage) -> RawRequestMessage:
    """Refuse a message without an HTTP version, which aiohttp would answer in HTTP/0.9.

    Raises:
        HttpProcessingError: the message has no HTTP version.
    """
    if message.version < HttpVersion10:
        raise HttpProcessingError(code=400)
    return message


class _Unnamed(web.Response):
    """An answer without a ``Server`` header, which aiohttp adds at the end."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Server", None)


class _Connection(RequestHandler):
    """aiohttp's handler with a different answer to invalid HTTP. Such requests reach no application and no log."""

    __slots__ = ()

    async def start(self) -> None:
        """Answer the requests of the connection.

        aiohttp creates its request object outside all of its error handling. This fails for a head such as ``CONNECT``
        without a target, whose URL is None.
        """
        make = self._request_factory
        assert make is not None
        self._request_factory = lambda message, *rest: make(_since_http_1(message), *rest)
        try:
            await super().start()
        except Exception:  # noqa: BLE001  whatever it is, no request came of the head
            if self.transport is not None:
                self.transport.write(_NOT_HTTP)
                self.transport.close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if isinstance(exc, HttpProcessingError):
            answer = _Unnamed(status=status, text=_WHY_NOT.format(status))
            answer.force_close()
            return answer
        # aiohttp quotes this header in its answer 417
        if isinstance(exc, UnicodeEncodeError) and "Expect" in request.headers:
            return self.handle_error(request, 417, HttpProcessingError(code=417))
        return super().handle_error(request, status, exc, message)


class BoundedConnections:
    """All connections of the admin port, the longest idle first. A protocol factory around aiohttp's."""

    def __init__(self) -> None:
        self.factory: Callable[[], asyncio.Protocol] | None = None
        """aiohttp's protocol factory; set when its application is set up."""
        self._open: dict[BoundedConnection, None] = {}
        self._by_inner: dict[object, BoundedConnection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __call__(self) -> BoundedConnection:
        assert self.factory is not None
        inner = self.factory()
        inner.__class__ = _Connection  # aiohttp has no setting for the class
        return BoundedConnection(inner, self)

    def enter(self, connection: BoundedConnection) -> bool:
        if len(self._open) >= MOST_CONNECTIONS:
            idle = next((other for other in self._open if not other.busy), None)
            if idle is None:
                return False
            self._forget(idle)
            idle.close()
        self._open[connection] = None
        self._by_inner[connection.inner] = connection
        return True

    def leave(self, connection: BoundedConnection) -> bool:
        """Remove a connection that has ended; returns False if it was never added."""
        entered = connection.inner in self._by_inner
        self._forget(connection)
        self._by_inner.pop(connection.inner, None)
        return entered

    def touch(self, connection: BoundedConnection) -> None:
        """Make the connection the most recently used one."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def _forget(self, connection: BoundedConnection) -> None:
        self._open.pop(connection, None)

    def middleware(self) -> Middleware:
        """The outermost middleware: it marks busy connections, and reads bodies within their time limit."""

        @web.middleware
        async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = self._by_inner.get(request.protocol)
            if connection is not None:
                connection.request_begins(request.content)
            try:
                refused = await _read_body(request)
                answer = refused if refused is not None else await handler(request)
                if connection is not None and connection.at_end:
                    answer.force_close()
                return answer
            finally:
                if connection is not None:
                    connection.request_ends()

        return bounded

    async def note_streams(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Mark connections that stream events: aiohttp's ``on_response_prepare``."""
        connection = self._by_inner.get(request.protocol)
        if connection is not None and answer.content_type == "text/event-stream":
            connection.streams = True


async def _read_body(request: web.Request) -> web.Response | None:
    """Read the body into memory, where handlers find it; returns an answer if it can't be read."""
    if not request.body_exists:
        return None
    if request.content_type == "multipart/form-data":
        return problem(415, "Send JSON, or a form as application/x-www-form-urlencoded.")
    try:
        if request.charset is not None:
            "a".encode(request.charset)  # also refuses codecs that do not decode to text
        async with asyncio.timeout(BODY_SECONDS):
            await request.read()
    except (LookupError, UnicodeError):
        return problem(400, "The charset of this Content-Type is not known. Send UTF-8.")
    except TimeoutError:
        return problem(408, "The body did not arrive in time.")
    except web.RequestPayloadError:
        return problem(400, "The body is incomplete or does not match its headers.")
    return None
