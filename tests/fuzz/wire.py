"""Sends fuzzed requests to a running server over raw sockets and collects the status codes of its answers."""

import asyncio
import contextlib
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from fuzz.mutation import Bodies
from support.bodies import FORMATS, body
from trackpush_api.vocabulary import Aggregator

KEY: Final = "right-key-of-the-fuzzer"
CONNECTIONS: Final = 64
"""That stay open; the updates of so many requests share a commit."""
THREADS: Final = 8
"""That open a connection for each request: blocking sockets take half the CPU time of asyncio's streams."""
_USUAL: Final = b"POST /rms/in/api/st/notify"
_ADMIN_TARGETS: Final = (
    *(b"GET /livez", b"GET /metrics", b"GET /config", b"GET /console/", b"GET /api/v1/pushes?limit=1"),
    *(b"POST /console/login", b"POST /api/v1/replays"),
)
_SECONDS: Final = 60.0
_STATUS: Final = re.compile(rb"HTTP/\d\.\d (\d{3}) ")
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
_ALLOWED_5XX: Final = {501, 505}
"""They answer what a head asks for and the server does not have: 501 a transfer coding, 505 a version."""


class Report(NamedTuple):
    """How often each status was answered, and requests without an answer or with a 5xx that no request may cause."""

    statuses: Counter[int]
    failures: list[bytes]

    def add(self, request: bytes, statuses: list[int]) -> None:
        """Count the answers to one request."""
        self.statuses.update(statuses)
        if not statuses or any(status >= 500 and status not in _ALLOWED_5XX for status in statuses):
            self.failures.append(request)


async def send_bodies(port: int, seed: int, count: int) -> Report:
    """Post fuzzed bodies, most of them with the right key, over connections that stay open."""
    report, requests = Report(Counter(), []), _requests(seed, count)
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_keep_alive(port, requests, report))
    return report


async def send_heads(port: int, seed: int, count: int) -> Report:
    """Send mutated heads, each on a connection of its own that is closed for sending afterwards."""
    return await _on_connections_of_their_own(port, islice(heads(seed), count))


async def send_admin_heads(port: int, seed: int, count: int) -> Report:
    """The same to an admin port."""
    return await _on_connections_of_their_own(port, islice(heads(seed, _ADMIN_TARGETS), count))


async def send_kept(port: int, requests: Sequence[bytes]) -> Report:
    """Send whole requests, each on a connection of its own."""
    return await _on_connections_of_their_own(port, iter(requests))


def heads(seed: int, usual: Sequence[bytes] = (_USUAL,)) -> Iterator[bytes]:
    """An endless supply of requests whose head was mutated; ``usual`` are their methods and paths before."""
    rng = random.Random(f"heads {seed}")  # noqa: S311  repeatable, not secret
    content = body("shiprocket", mark=1, shipment=1, second=1)
    while True:
        lines = [
            rng.choice(usual) + b" HTTP/1.1",
            b"Host: 127.0.0.1",
            b"x-api-key: " + KEY.encode(),
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(content),
        ]
        for _ in range(rng.choice((1, 1, 2, 3))):
            rng.choice(_HEAD_CHANGES)(rng, lines)
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        if rng.random() < 0.3:
            at = rng.randrange(len(head))
            head = head[:at] + rng.choice((b"", rng.randbytes(1), rng.choice(_ODD))) + head[at + rng.randint(0, 2) :]
        yield head + content


def _requests(seed: int, count: int) -> Iterator[bytes]:
    rng = random.Random(f"requests {seed}")  # noqa: S311  repeatable, not secret
    supplies = {aggregator: iter(Bodies(aggregator, seed)) for aggregator in Aggregator}
    for _ in range(count):
        aggregator = rng.choice(tuple(Aggregator))
        made = next(supplies[aggregator])
        key = KEY if rng.random() < 0.8 else "wrong"
        form = FORMATS[aggregator.slug]
        head = f"POST /rms/in/api/{form.segment}/notify HTTP/1.1\r\nHost: 127.0.0.1\r\n{form.key_header}: {key}\r\n"
        content_type = made.content_type.replace("\x00", "")
        yield (
            f"{head}Content-Type: {content_type}\r\nContent-Length: {len(made.body)}\r\n\r\n".encode("latin-1")
            + made.body
        )


async def _keep_alive(port: int, requests: Iterator[bytes], report: Report) -> None:
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for request in requests:
        reader, writer = connection or await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(_SECONDS):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
        report.add(request, [int(status) for status in _STATUS.findall(head)])
        connection = None if b"\r\nConnection: close\r\n" in head else (reader, writer)
        if connection is None:
            writer.close()
    if connection is not None:
        connection[1].close()


async def _on_connections_of_their_own(port: int, requests: Iterator[bytes]) -> Report:
    report, lock = Report(Counter(), []), threading.Lock()
    async with asyncio.TaskGroup() as group:
        for _ in range(THREADS):
            group.create_task(asyncio.to_thread(_one_by_one, port, requests, report, lock))
    return report


def _one_by_one(port: int, requests: Iterator[bytes], report: Report, lock: threading.Lock) -> None:
    """Send what is left of the requests; threads share them, and the report, under a lock."""
    while True:
        with lock:
            request = next(requests, None)
        if request is None:
            return
        answer = _answer(port, request)
        with lock:
            report.add(request, [int(status) for status in _STATUS.findall(answer)])


def _answer(port: int, request: bytes) -> bytes:
    """All that the server sends on a fresh connection until it closes it."""
    parts: list[bytes] = []
    with (
        socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def _odd_value(rng: random.Random, lines: list[bytes]) -> None:
    at = rng.randrange(1, len(lines))
    lines[at] = lines[at].partition(b":")[0] + b": " + rng.choice(_ODD)


def _odd_line(rng: random.Random, lines: list[bytes]) -> None:
    lines.insert(rng.randrange(1, len(lines) + 1), rng.choice(_LINES))


def _double(rng: random.Random, lines: list[bytes]) -> None:
    lines.append(rng.choice(lines[1:] or lines))


def _drop(rng: random.Random, lines: list[bytes]) -> None:
    if len(lines) > 1:
        del lines[rng.randrange(1, len(lines))]


def _first_line(rng: random.Random, lines: list[bytes]) -> None:
    lines[0] = b" ".join((rng.choice(_METHODS), rng.choice(_TARGETS), rng.choice(_VERSIONS)))


_HEAD_CHANGES: Final = (_odd_value, _odd_line, _odd_line, _double, _drop, _first_line)
_METHODS: Final = (
    b"POST",
    b"GET",
    b"HEAD",
    b"OPTIONS",
    b"PUT",
    b"CONNECT",
    b"TRACE",
    b"PRI",
    b"post",
    b"",
    b"X" * 9000,
)
_TARGETS: Final = (
    *(b"/rms/in/api/st/notify", b"/RMS//in/api/ST/notify/", b"/rms/in/api/st/notify/%00"),
    b"/rms/in/api/st/notify/k%ff",
    *(b"http://127.0.0.1/rms/in/api/st/notify", b"http://[::1/rms", b"http://", b"//", b"*", b"", b"?"),
    b"/?key=%zz&key",
    *(b"/rms/in/api/clickpost/notify?token=" + b"%41" * 2000, b"/" + b"a/" * 2000, b"/%2e%2e/%2e"),
    *(b"\xff\xfe", b"/;x#y"),
)  # fmt: skip
_VERSIONS: Final = (
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.9",
    b"RTSP/1.0",
    b"HTTP/11",
    b"",
    b"ICE/1.0",
)
_ODD: Final = (
    *(b"", b" ", b"0", b"-1", b"+5", b"5", b"1_0", b"9" * 30, b"0x10", b"\x00", b"\xff\xfe", b"a,b", b"a\rb"),
    *(b"a\nb", b"\t"),
    *(b"chunked", b"gzip", b"gzip, chunked", b"chunked, identity", b"100-continue", b"close", b"h2c", b"[::1"),
    b"name:",
    *(b"127.0.0.1:99999", b"a@b", b"main.svc.evil.example", b"x" * 9000, b"application/json; charset=\x01"),
    b"Bearer ",
)  # fmt: skip
_LINES: Final = (
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: xchunked"),
    b"TE: trailers",
    *(b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Content-Encoding: br"),
    b"Content-Encoding: gzip, gzip",
    *(b"Expect: 100-continue", b"Expect: 200-ok", b"Upgrade: h2c", b"Upgrade: websocket", b"Connection: upgrade"),
    *(b"Connection: close", b"Connection: keep-alive", b"Host: [::1", b"Host: a, b", b"Content-Length: 5"),
    b" folded",
    *(b"X" * 9000 + b": y", b"no colon", b": no name", b"traceparent: 00-zz-zz-01", b"Authorization: Bearer"),
    b"webhook_key: \xff",
    *(b"Content-Type: application/json; charset=utf-16", b"Cookie: " + b"a=b; " * 500, b"X-Forwarded-For: \x7f"),
)  # fmt: skip
