"""Posts updates over N keep-alive connections, from its own process, with raw sockets and epoll.

Closed loop: each connection has one request under way at any time, so the server sets the pace. Open loop (--rate):
requests fall due at a fixed rate whatever the server does; one that finds no free connection waits, and its latency
counts from when it was due, so that a stall shows in all the requests that it held up (no coordinated omission).
"""

import argparse
import gc
import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

import paths  # noqa: F401  makes tests/support importable
from records import PostLog
from workload import request_maker

_SECOND = 1_000_000_000
_LAST_ANSWERS_SECONDS = 15
_READ = 65536
_SEND_BUFFER = 256 * 1024
"""Room for one whole request of the largest kind."""


class PostingConnection:
    """One keep-alive connection and the row of the request under way (-1: none)."""

    __slots__ = ("buffer", "row", "sock")

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.sock.setblocking(False)
        self.buffer = b""
        self.row = -1


def answer_status(data: bytes) -> int | None:
    """The status of a complete answer with a Content-Length, or None while bytes are missing."""
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    at = data.find(b"Content-Length: ", 0, head_end)
    if at < 0:
        raise SystemExit(f"load: an answer without Content-Length: {data[:200]!r}")
    length = int(data[at + 16 : data.find(b"\r\n", at)])
    if len(data) < head_end + 4 + length:
        return None
    return int(data[9:12])


class Load:
    """One run against one server, or several, that get the connections in turn."""

    def __init__(self, ports: Sequence[int], make: Callable[[int], bytes], *, first: int) -> None:
        self.log = PostLog()
        self.reconnects = 0
        self._ports = cycle(ports)
        self._make = make
        self._first = first
        self._epoll = select.epoll()
        self._connections: dict[int, PostingConnection] = {}
        self._idle: deque[PostingConnection] = deque()
        self._outstanding = 0

    def connect(self, count: int) -> None:
        """Open the connections."""
        for _ in range(count):
            self._open()

    def closed(self, *, until: int, count: int) -> None:
        """Keep every connection busy until a time (ns) or until ``count`` requests were sent."""
        clock = time.monotonic_ns
        intended = self.log.intended
        while clock() < until and len(intended) < count:
            while self._idle and len(intended) < count:
                self._send(self._idle.popleft(), clock())
            self._collect(1.0)
        self._finish()

    def open(self, *, rate: float, seconds: float) -> None:
        """Send at a rate for so long."""
        clock = time.monotonic_ns
        start = clock()
        until = start + int(seconds * _SECOND)
        step = _SECOND / rate
        sent = 0
        while True:
            now = clock()
            due = int((min(now, until) - start) / step) + 1
            while sent < due and self._idle:
                self._send(self._idle.popleft(), start + int(sent * step))
                sent += 1
            if now >= until and sent >= due:
                break
            # With every connection busy only an answer can help; otherwise sleep until the next one falls due.
            wait = (start + int(sent * step) - clock()) / _SECOND if self._idle else 1.0
            self._collect(max(wait, 0.0))
        self._finish()

    def _finish(self) -> None:
        end = time.monotonic() + _LAST_ANSWERS_SECONDS
        while self._outstanding and time.monotonic() < end:
            self._collect(0.1)

    def _send(self, connection: PostingConnection, intended: int) -> None:
        log = self.log
        connection.row = len(log.intended)
        log.intended.append(intended)
        log.sent.append(time.monotonic_ns())
        log.answered.append(0)
        log.status.append(0)
        self._outstanding += 1
        request = self._make(self._first + connection.row)
        try:
            sent = connection.sock.send(request)
        except OSError:
            self._broken(connection)
            return
        if sent != len(request):
            raise SystemExit("load: the socket's buffer is full with a single request in it")

    def _collect(self, seconds: float) -> None:
        # select() has microseconds where epoll has milliseconds; an epoll descriptor is itself selectable.
        if not select.select((self._epoll,), (), (), seconds)[0]:
            return
        connections = self._connections
        for descriptor, _ in self._epoll.poll(0):
            self._receive(connections[descriptor])

    def _receive(self, connection: PostingConnection) -> None:
        try:
            data = connection.sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._broken(connection)
            return
        if connection.buffer:
            data = connection.buffer + data
        status = answer_status(data)
        if status is None:
            connection.buffer = data
            return
        connection.buffer = b""
        row = connection.row
        self.log.answered[row] = time.monotonic_ns()
        self.log.status[row] = status
        connection.row = -1
        self._outstanding -= 1
        self._idle.append(connection)

    def _broken(self, connection: PostingConnection) -> None:
        if connection.row >= 0:
            self.log.answered[connection.row] = time.monotonic_ns()
            self._outstanding -= 1
        self._epoll.unregister(connection.sock)
        del self._connections[connection.sock.fileno()]
        connection.sock.close()
        self.reconnects += 1
        self._open()

    def _open(self) -> None:
        connection = PostingConnection(("127.0.0.1", next(self._ports)))
        self._connections[connection.sock.fileno()] = connection
        self._epoll.register(connection.sock, select.EPOLLIN)
        self._idle.append(connection)


def main() -> None:
    """Run one load and write its log; prints one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, action="append", required=True, help="several: connections take turns")
    parser.add_argument("--key", action="append", required=True, help="one per client; requests take turns")
    parser.add_argument("--aggregator", default="clickpost")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second (open loop); 0 is closed loop")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, default=sys.maxsize, help="closed loop: stop after so many")
    parser.add_argument("--first", type=int, default=0, help="the first mark")
    parser.add_argument("--per-shipment", type=int, default=1)
    parser.add_argument("--padding", type=int, default=0, help="bytes that each body is longer")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    make = request_maker(options.aggregator, options.key, per_shipment=options.per_shipment, padding=options.padding)
    load = Load(options.port, make, first=options.first)
    load.connect(options.connections)
    gc.disable()
    cpu, started = time.process_time(), time.monotonic()
    if options.rate:
        load.open(rate=options.rate, seconds=options.seconds)
    else:
        load.closed(until=time.monotonic_ns() + int(options.seconds * _SECOND), count=options.count)
    busy = (time.process_time() - cpu) / (time.monotonic() - started)
    load.log.save(options.out)
    print(json.dumps({"requests": len(load.log.intended), "reconnects": load.reconnects, "busy": busy}))


if __name__ == "__main__":
    main()
