"""The clients' endpoints, in one process, with raw sockets and epoll: they answer, fail, hang, crawl or are dead.

Every request is noted in arrays that are written on SIGTERM; a counter in a mapped file tells meanwhile how many were
answered with 200.
"""

import argparse
import gc
import heapq
import json
import mmap
import select
import signal
import socket
import struct
import time
from pathlib import Path

import paths  # noqa: F401  makes tests/support importable
from records import PushLog
from support.bodies import mark_of

_READ = 262144
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_FAIL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
COUNTER = struct.Struct("=q")


class SinkEndpoint:
    """One port and how it behaves: ``ok``, ``hang``, ``dead`` (refuses), ``slow:MILLISECONDS``, ``fail:FIRST_N``."""

    def __init__(self, index: int, text: str, port: int) -> None:
        self.index = index
        self.kind, _, number = text.partition(":")
        if self.kind not in {"ok", "hang", "dead", "slow", "fail"}:
            raise SystemExit(f"sink: unknown endpoint {text!r} (ok, hang, dead, slow:MILLISECONDS, fail:FIRST_N)")
        self.delay = float(number) / 1000 if self.kind == "slow" else 0.0
        self.failures = int(number) if self.kind == "fail" else 0
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", port))
        # A bound port that nobody listens on refuses connections, and nobody else can take it meanwhile.
        if self.kind != "dead":
            self.sock.listen(1024)
            self.sock.setblocking(False)

    @property
    def port(self) -> int:
        """Its TCP port."""
        return int(self.sock.getsockname()[1])

    def answer(self) -> bytes | None:
        """What to send now; None sends nothing now."""
        if self.kind == "ok":
            return _OK
        if self.kind == "fail":
            if self.failures:
                self.failures -= 1
                return _FAIL
            return _OK
        return None


class SinkConnection:
    """One accepted connection."""

    __slots__ = ("buffer", "endpoint", "number", "sock")

    def __init__(self, sock: socket.socket, endpoint: SinkEndpoint, number: int) -> None:
        self.sock = sock
        self.endpoint = endpoint
        self.number = number
        self.buffer = b""


def request_end(data: bytes) -> int:
    """Where the first request in the data ends; 0 while bytes are missing."""
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return 0
    at = data.find(b"Content-Length: ", 0, head_end)
    if at < 0:
        at = data[:head_end].lower().find(b"content-length: ")
    if at < 0:
        raise SystemExit(f"sink: a request without Content-Length: {data[:200]!r}")
    line_end = data.find(b"\r\n", at)
    end = head_end + 4 + int(data[at + 16 : line_end])
    return end if len(data) >= end else 0


def webhook_id(data: bytes) -> int:
    """A hash of the webhook-id header; 0 where there is none."""
    at = data.find(b"webhook-id: ")
    if at < 0:
        at = data[: data.find(b"\r\n\r\n")].lower().find(b"webhook-id: ")
    return 0 if at < 0 else hash(data[at + 12 : data.find(b"\r\n", at)])


class Sink:
    """The loop over all endpoints."""

    def __init__(self, endpoints: list[SinkEndpoint], progress: mmap.mmap) -> None:
        self.log = PushLog()
        self.stopped = False
        self.accepted = 0
        """Requests answered with 200."""
        self._endpoints = {endpoint.sock.fileno(): endpoint for endpoint in endpoints if endpoint.kind != "dead"}
        self._progress = progress
        self._connections: dict[int, SinkConnection] = {}
        self._accepted = 0
        self._delayed: list[tuple[float, int, SinkConnection]] = []
        self._epoll = select.epoll()
        for descriptor in self._endpoints:
            self._epoll.register(descriptor, select.EPOLLIN)

    def run(self) -> None:
        """Serve until `stopped`."""
        connections = self._connections
        while not self.stopped:
            for descriptor, _ in self._epoll.poll(self._wait()):
                connection = connections.get(descriptor)
                if connection is None:
                    self._accept(self._endpoints[descriptor])
                else:
                    self._receive(connection)
            self._answer_delayed()
            COUNTER.pack_into(self._progress, 0, self.accepted)

    def _wait(self) -> float:
        return max(self._delayed[0][0] - time.monotonic(), 0.0) if self._delayed else 0.2

    def _answer_delayed(self) -> None:
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            _, _, connection = heapq.heappop(self._delayed)
            if connection.sock.fileno() >= 0:
                connection.sock.send(_OK)
                self.accepted += 1

    def _accept(self, endpoint: SinkEndpoint) -> None:
        sock, _ = endpoint.sock.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted += 1
        self._connections[sock.fileno()] = SinkConnection(sock, endpoint, self._accepted)
        self._epoll.register(sock, select.EPOLLIN)

    def _receive(self, connection: SinkConnection) -> None:
        try:
            data = connection.sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        if connection.buffer:
            data = connection.buffer + data
        while end := request_end(data):
            self._note(connection, data[:end])
            data = data[end:]
        connection.buffer = data

    def _note(self, connection: SinkConnection, request: bytes) -> None:
        log = self.log
        endpoint = connection.endpoint
        log.arrived.append(time.monotonic_ns())
        mark = mark_of(request)
        log.mark.append(-1 if mark is None else mark)
        log.webhook_id.append(webhook_id(request))
        log.endpoint.append(endpoint.index)
        log.connection.append(connection.number)
        answer = endpoint.answer()
        if answer is not None:
            connection.sock.send(answer)
            self.accepted += answer is _OK
        elif endpoint.kind == "slow":
            heapq.heappush(self._delayed, (time.monotonic() + endpoint.delay, len(log.arrived), connection))

    def _close(self, connection: SinkConnection) -> None:
        self._epoll.unregister(connection.sock)
        del self._connections[connection.sock.fileno()]
        connection.sock.close()


def main() -> None:
    """Serve until SIGTERM, then write the log. Prints the ports as one JSON line when it listens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", action="append", required=True, help="ok, hang, dead, slow:MS or fail:N")
    parser.add_argument("--port", type=int, action="append", default=[], help="one per endpoint; free ones by default")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--progress", type=Path, required=True, help="file that holds the number of requests answered with 200 so far"
    )
    options = parser.parse_args()
    ports = options.port + [0] * (len(options.endpoint) - len(options.port))
    endpoints = [SinkEndpoint(index, text, ports[index]) for index, text in enumerate(options.endpoint)]
    options.progress.write_bytes(COUNTER.pack(0))
    with options.progress.open("r+b") as file:
        sink = Sink(endpoints, mmap.mmap(file.fileno(), COUNTER.size))

    def stop(*_: object) -> None:
        sink.stopped = True

    signal.signal(signal.SIGTERM, stop)
    gc.disable()
    print(json.dumps({"ports": [endpoint.port for endpoint in endpoints]}), flush=True)
    sink.run()
    sink.log.save(options.out)


if __name__ == "__main__":
    main()
