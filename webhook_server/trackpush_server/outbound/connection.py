"""One connection: writes a request and reads the response, one exchange at a time, with callbacks only.

This is the hottest code of the server. An exchange creates no task, no stream and no timer. The request is one write.
The parser calls back without headers; only the head of a failure is parsed again, for Retry-After. Each connection has
one alarm, which is moved to the next deadline only when it fires, and not after each exchange.
"""

import asyncio
import contextlib
import math
import ssl
import time
from collections.abc import Callable
from typing import Protocol

import httptools

from trackpush_server.outbound.alarms import Alarms
from trackpush_server.outbound.alerts import alert
from trackpush_server.outbound.answered import Said
from trackpush_server.outbound.excerpt import MAX_BODY, excerpt
from trackpush_server.outbound.exchange import Exchange
from trackpush_server.outbound.framing import complete_head, framed_once, is_about_framing
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.outbound.retry_after import parse_retry_after

BUFFER_SIZE = 64 * 1024
"""Size of the read buffer.

All connections of a loop share it, because each read is processed before the next one starts.
"""
MAX_HEAD = 64 * 1024
"""Maximum bytes of a response's head, including interim responses; a longer one is refused."""
MAX_ANSWER = 128 * 1024
"""Maximum bytes of a response that are read; then the connection is closed."""
IDLE = 55.0
"""Seconds for which an unused connection is kept: less than the 60 s after which many load balancers close it."""

_PARSER_ERRORS = (httptools.HttpParserError, httptools.HttpParserUpgrade)
_MOST_HEAD = 4096
"""Bytes of an answer's head that are kept for people."""
_OK = 200
_MULTIPLE_CHOICES = 300
_CONTINUE = 100
_SWITCHING = 101


class Owner(Protocol):
    """The owner of a connection: the pool."""

    secrets: tuple[str, ...]
    """Values that `Answer.detail` must not contain."""

    may_send: Callable[[], bool]
    """Called immediately before a request's bytes are written."""

    def joined(self, connection: "Connection") -> None: ...

    def freed(self, connection: "Connection") -> None: ...

    def left(self, connection: "Connection") -> None: ...

    def retry(self, exchange: Exchange) -> None:
        """Send the exchange again: the kept-alive connection was dead, and no byte of a response was read."""
        ...


class Connection(asyncio.BufferedProtocol):
    """A connection to one destination, checked by the egress guard and, with https, verified by TLS."""

    __slots__ = (
        "_alarm",
        "_alarms",
        "_body",
        "_buffer",
        "_done",
        "_exchange",
        "_first",
        "_framed_twice",
        "_head",
        "_idle_since",
        "_keep",
        "_loop",
        "_owner",
        "_parser",
        "_protocol_error",
        "_read",
        "_retry_after",
        "_served",
        "_status",
        "_surplus",
        "_transport",
        "_wakes_at",
    )

    def __init__(
        self, owner: Owner, first: Exchange, buffer: memoryview, loop: asyncio.AbstractEventLoop, alarms: Alarms
    ) -> None:
        self._owner = owner
        self._first: Exchange | None = first
        self._buffer = buffer
        self._loop = loop
        self._alarms = alarms
        self._alarm = 0
        """The step of the alarm that is set, if any."""
        self._wakes_at = math.inf
        """Time of the alarm; infinite without one."""
        self._parser = _parser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._idle_since = 0.0
        self._served = 0
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._read = 0
        self._done = self._keep = self._surplus = False
        self._head = b""
        self._body = b""
        self._retry_after: float | None = None
        self._protocol_error = ""
        self._framed_twice: Exception | None = None

    # ---- for the pool

    @property
    def is_usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def start(self, exchange: Exchange) -> None:
        """Send a request on an idle connection; the exchange ends by its deadline."""
        assert self._transport is not None
        assert self._exchange is None
        if not self._owner.may_send():
            exchange.fail(Failure.FENCED, "another replica sends its pushes; nothing was sent", self._loop.time())
            self.abort()
            return
        self._exchange = exchange
        exchange.stage = "waiting for the answer"
        if exchange.deadline < self._wakes_at:
            self._wake_at(exchange.deadline)
        self._transport.write(exchange.request)

    def shut(self) -> None:
        """Close the connection; an exchange in progress ends as RESET."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail(Failure.RESET, "the sender was closed", self._loop.time())
            self.abort()
        elif self._transport is not None:
            self._transport.close()

    # ---- asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready: send the request for which it was opened, before anything can be read."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._owner.joined(self)
        first, self._first = self._first, None
        assert first is not None
        if first.future.done():  # the exchange was cancelled meanwhile
            self._rest(self._loop.time())
        else:
            self.start(first)

    def get_buffer(self, sizehint: int) -> memoryview:
        """The shared buffer."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        exchange = self._exchange
        if exchange is None:
            self.abort()  # bytes without a request: they could be mistaken for the next response
            return
        self._parse(self._buffer[:nbytes])
        if self._protocol_error:
            self._refuse(self._protocol_error)
        elif self._status:
            if self._done or self._surplus or self._read > MAX_ANSWER:
                self._answer(exchange)
        elif self._read >= MAX_HEAD:
            self._refuse(f"its head has more than {MAX_HEAD} bytes")

    def _parse(self, data: memoryview) -> None:
        known = self._status
        self._read += len(data)
        refused: Exception | None = self._framed_twice
        if refused is None:
            try:
                self._parser.feed_data(data)
            except _PARSER_ERRORS as error:
                self._surplus = True
                refused = error
        if not known:
            self._head += bytes(data)
        if refused is not None and not self._status:
            self._read_refused(refused)

    def _read_refused(self, error: Exception) -> None:
        """Handle a head that the parser refuses.

        If only its framing is wrong, its status counts once it is complete.
        """
        if self._protocol_error:
            return
        if not is_about_framing(error):
            self._protocol_error = str(error) or "it can't be parsed"
            return
        head = complete_head(self._head)
        if head is None:
            self._framed_twice = error
            return
        once = framed_once(head)
        self._status = 0 if once is None else _HeadReader(once).status
        if not self._status:
            self._protocol_error = str(error)

    def eof_received(self) -> bool:
        """The other side closed its direction; close this one, too."""
        self._ended(None)
        self.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._alarms.take_back(self._alarm, self)
        self._transport = None
        self._owner.left(self)

    # ---- httptools, called from feed_data: nothing here may raise

    def on_message_begin(self) -> None:
        """A response starts. Refuse it if there was no request for it."""
        if self._done:
            self._surplus = True

    def on_headers_complete(self) -> None:
        """A head is complete. Ignore interim responses (1xx) (RFC 9110, section 15.2)."""
        status = self._parser.get_status_code()
        if not self._served and not self._parser.get_http_version().startswith("1."):
            self._protocol_error = f"it is HTTP/{self._parser.get_http_version()}"
        elif status >= _OK:
            if not self._done:
                self._status = status
        elif status < _CONTINUE or status == _SWITCHING:
            self._protocol_error = f"status {status} was not requested"

    def on_body(self, data: bytes) -> None:
        """Keep the first bytes of the body."""
        if len(self._body) < MAX_BODY:
            self._body += data[:MAX_BODY]

    def on_message_complete(self) -> None:
        if self._status and not self._done:
            self._done = True
            self._keep = self._parser.should_keep_alive()

    # ---- ends

    def _answer(self, exchange: Exchange) -> None:
        """Settle the exchange. The head is known, and the body is complete, cut off or missing."""
        self._exchange = None
        self._served += 1
        status = self._status
        now = self._loop.time()
        said = Said(self._head[:_MOST_HEAD], bytes(self._body[:MAX_BODY]), exchange.request, self._owner.secrets)
        if status < _MULTIPLE_CHOICES:
            answer = Answer(status=status, duration=now - exchange.started, said=said)
        else:
            answer = Answer(
                status=status,
                detail=excerpt(self._body, exchange.request, self._owner.secrets),
                retry_after=_retry_after(self._head),
                said=said,
                duration=now - exchange.started,
            )
        transport = self._transport
        assert transport is not None
        if self._done and self._keep and not self._surplus and not transport.get_write_buffer_size():
            self._begin()
            exchange.settle(answer)
            self._rest(now)
        else:
            exchange.settle(answer)
            self.abort()

    def _rest(self, now: float) -> None:
        """Wait for the next exchange, at most until the idle time-out."""
        self._idle_since = now
        if self._wakes_at == math.inf:
            self._wake_at(now + IDLE)
        self._owner.freed(self)

    def _refuse(self, why: str) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        exchange.fail(Failure.PROTOCOL, f"the answer is not HTTP/1.1: {why}", self._loop.time())
        self.abort()

    def _ended(self, exc: Exception | None) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if self._status:
            self._answer(exchange)
            return
        self._exchange = None
        if isinstance(exc, ssl.SSLError):
            detail = f"TLS ended by the other side: {alert(exc)}"
            exchange.fail(Failure.TLS, detail, self._loop.time())
        elif self._served and not self._read:
            # A retry uses a new connection, which has served nothing, so there is no second retry.
            self._owner.retry(exchange)
        else:
            how = "in the middle of the answer's head" if self._read else "without an answer"
            exchange.fail(Failure.RESET, f"the connection was ended {how}", self._loop.time())

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ---- time

    def _wake_at(self, when: float) -> None:
        self._alarms.take_back(self._alarm, self)
        self._alarm = self._alarms.set(when, self)
        self._wakes_at = when

    def wake(self) -> None:
        """The alarm fired: check the deadlines of the response and of an idle connection (`alarms.Sleeper`)."""
        self._wakes_at = math.inf
        now = self._loop.time()
        exchange = self._exchange
        due = self._idle_since + IDLE if exchange is None else exchange.deadline
        if due > now:
            self._wake_at(due)
        elif exchange is None:
            self.shut()
        elif self._status:
            self._answer(exchange)
        else:
            self._exchange = None
            exchange.time_out(now)
            self.abort()


def _parser(handler: object) -> httptools.HttpResponseParser:
    """A parser that is as lenient as browsers where this does no harm, because a response is never passed on."""
    parser = httptools.HttpResponseParser(handler)
    parser.set_dangerous_leniencies(
        lenient_headers=True,
        lenient_data_after_close=True,
        lenient_optional_cr_before_lf=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser


class _HeadReader:
    """Finds Retry-After and the status in a head that was parsed without headers before."""

    def __init__(self, data: bytes) -> None:
        self.value: bytes | None = None
        self.status = 0
        """Status of the final response; 0 without one."""
        self._ended = False
        self._parser = _parser(self)
        with contextlib.suppress(*_PARSER_ERRORS):
            self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Handle one header. After the end of the head it is a trailer, which is ignored."""
        if not self._ended and name.lower() == b"retry-after":
            self.value = value

    def on_headers_complete(self) -> None:
        """Ignore the headers of interim answers."""
        if self._parser.get_status_code() >= _OK:
            self._ended = True
            self.status = self._parser.get_status_code()
        elif not self._ended:
            self.value = None


def _retry_after(head: bytes) -> float | None:
    if b"retry-after" not in head.lower():
        return None
    whole = complete_head(head)
    value = _HeadReader((framed_once(whole) if whole else None) or head).value
    return None if value is None else parse_retry_after(value.decode("latin-1"), time.time())
