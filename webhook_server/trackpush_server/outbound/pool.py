"""The pool: the connections of one destination, up to a maximum; the last used one is used first.

With this order, under low load few connections stay in use, and the others reach their idle time-out.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from trackpush_server.outbound.alarms import Alarms
from trackpush_server.outbound.connection import Connection
from trackpush_server.outbound.dial import Dialler
from trackpush_server.outbound.exchange import Exchange
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Failure

_CLOSED = "the sender was closed"
_GOODBYE = 2.0


class ConnectionPool:
    """The pool of one destination, on one event loop. Times are in seconds."""

    def __init__(
        self,
        dialler: Dialler,
        *,
        limit: int,
        timeout: float,
        secrets: tuple[str, ...],
        buffer: memoryview,
        alarms: Alarms,
        may_send: Callable[[], bool],
    ) -> None:
        self.secrets = secrets
        self.may_send = may_send
        self._dialler = dialler
        self._limit = limit
        self._timeout = timeout
        self._buffer = buffer
        self._alarms = alarms
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._dialling: dict[asyncio.Task[None], Exchange] = {}
        self._waiting: deque[Exchange] = deque()
        self._closed = False
        self._empty = asyncio.Event()

    def submit(self, exchange: Exchange) -> None:
        """Start an exchange now, or queue it until a connection is free; its time-out starts when it is sent."""
        if self._closed:
            exchange.settle_reset(_CLOSED)
            return
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_usable:
                self._begin(exchange)
                connection.start(exchange)
                return
        if len(self._connections) + len(self._dialling) < self._limit:
            self._open(exchange)
        else:
            self._waiting.append(exchange)

    async def close(self) -> None:
        """Close all connections; running and queued exchanges end as RESET."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft().settle_reset(_CLOSED)
        dialling = list(self._dialling)
        for task in dialling:
            task.cancel()
        await asyncio.gather(*dialling, return_exceptions=True)
        for connection in list(self._connections):
            connection.shut()
        if self._connections:
            self._empty.clear()
            try:
                async with asyncio.timeout(_GOODBYE):
                    await self._empty.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.abort()

    # ---- called by connections (connection.Owner)

    def joined(self, connection: Connection) -> None:
        self._connections.add(connection)

    def freed(self, connection: Connection) -> None:
        while self._waiting:
            exchange = self._waiting.popleft()
            if not exchange.future.done():
                self._begin(exchange)
                connection.start(exchange)
                return
        self._idle.append(connection)

    def left(self, connection: Connection) -> None:
        """A connection was closed: its place is free."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._connections:
            self._empty.set()
        self._fill()

    def retry(self, exchange: Exchange) -> None:
        """Send an exchange again within the same time-out.

        Uses a new connection, because another idle one may be dead, too.
        """
        if self._closed:
            exchange.settle_reset(_CLOSED)
        elif not exchange.future.done():
            self._open(exchange)

    # ---- opening

    def _begin(self, exchange: Exchange) -> None:
        exchange.started = now = self._loop.time()
        exchange.deadline = now + self._timeout

    def _open(self, exchange: Exchange) -> None:
        if not exchange.started:
            self._begin(exchange)
        task = self._loop.create_task(self._dial(exchange))
        self._dialling[task] = exchange
        task.add_done_callback(self._dialled)

    async def _dial(self, exchange: Exchange) -> None:
        protocol = partial(Connection, self, exchange, self._buffer, self._loop, self._alarms)
        try:
            async with asyncio.timeout_at(exchange.deadline):
                await self._dialler.dial(exchange, protocol)
        except AttemptError as error:
            exchange.refuse(error, self._loop.time())
        except TimeoutError:
            exchange.time_out(self._loop.time())
        except asyncio.CancelledError:
            exchange.fail(Failure.RESET, _CLOSED, self._loop.time())
            raise
        except Exception as error:  # noqa: BLE001 - the future never fails: a bug becomes an answer, too
            exchange.fail(Failure.CONNECT, f"internal error: {type(error).__name__}", self._loop.time())

    def _dialled(self, task: asyncio.Task[None]) -> None:
        del self._dialling[task]
        self._fill()

    def _fill(self) -> None:
        """Open connections for the queued exchanges, up to the maximum."""
        while self._waiting and not self._closed and len(self._connections) + len(self._dialling) < self._limit:
            exchange = self._waiting.popleft()
            if not exchange.future.done():
                self._open(exchange)
