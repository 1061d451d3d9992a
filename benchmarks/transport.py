"""Our transport beside aiohttp's client: posts per second and CPU seconds per 10,000 to one sink process on loopback.

Rounds are interleaved, so that a busy machine slows both; the medians and their ratio are printed. The sink answers
every request with the same 200 and is a process of its own, so its CPU time is not counted.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import aiohttp
from yarl import URL

from trackpush_api.routing import Destination, Egress
from trackpush_server.outbound.port import Answer
from trackpush_server.outbound.transport import HttpTransport

_EGRESS = Egress(https_only=False, allowed_cidrs=("127.0.0.0/8",))
_BODY = json.dumps({"id": "x" * 40, "raw": "y" * 700}).encode()
_PUSH_HEADERS = {"webhook-id": "psh_" + "0" * 32, "webhook-timestamp": "1700000000"}
_CLIENT_HEADERS = (("X-Acme-Key", "s-1"), ("X-Source", "rms"))
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: sink\r\nDate: Mon, 23 Nov 2026 20:00:00 GMT\r\n"
    b'Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
)


class Round(NamedTuple):
    """One measurement."""

    posts_per_second: float
    cpu_per_10k: float


async def ours(url: str, posts: int, concurrency: int) -> None:
    """Post through the transport, by callbacks as the dispatcher does."""
    transport = HttpTransport()
    destination = Destination(name="acme/oms", url=url, headers=_CLIENT_HEADERS, max_concurrency=concurrency)
    sender = transport.sender(destination, _EGRESS)
    headers = "".join(f"{name}: {value}\r\n" for name, value in _PUSH_HEADERS.items()).encode()
    ended = asyncio.Event()
    started = finished = 0

    def start() -> None:
        nonlocal started
        started += 1
        sender.post(headers, _BODY).add_done_callback(done)

    def done(future: asyncio.Future[Answer]) -> None:
        nonlocal finished
        if future.result().status != 200:
            raise SystemExit(f"not delivered: {future.result()}")
        finished += 1
        if started < posts:
            start()
        elif finished == posts:
            ended.set()

    for _ in range(concurrency):
        start()
    await ended.wait()
    await transport.close()


async def theirs(url: str, posts: int, concurrency: int) -> None:
    """Post through aiohttp's client, a task per connection."""
    connector = aiohttp.TCPConnector(limit=concurrency)
    target = URL(url, encoded=True)
    async with aiohttp.ClientSession(connector=connector, headers=_CLIENT_HEADERS) as session:

        async def worker(count: int) -> None:
            for _ in range(count):
                async with session.post(target, data=_BODY, headers=_PUSH_HEADERS, allow_redirects=False) as answer:
                    await answer.read()
                    if answer.status != 200:
                        raise SystemExit(f"not delivered: {answer.status}")

        await asyncio.gather(*(worker(posts // concurrency) for _ in range(concurrency)))


def measure(client: Callable[[str, int, int], Awaitable[None]], url: str, posts: int, concurrency: int) -> Round:
    """One round, in a fresh event loop."""

    async def run() -> None:
        await client(url, posts, concurrency)

    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(run())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Round(posts / wall, cpu / posts * 10_000)


class _Sink(asyncio.Protocol):
    """Answers each whole request; knows only what this script sends: requests of one length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        answers = 0
        while (end := held.find(b"\r\n\r\n")) >= 0 and len(held) >= end + 4 + len(_BODY):
            held = held[end + 4 + len(_BODY) :]
            answers += 1
        self._held = held
        if answers:
            assert self._transport is not None
            self._transport.write(_ANSWER * answers)


def serve(listener: socket.socket) -> None:
    """The sink process."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Sink, sock=listener)
        await server.serve_forever()

    asyncio.run(run())


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=20_000, help="per round")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sink", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink is not None:
        serve(socket.socket(fileno=options.sink))
        return
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/hooks/shipments"
    descriptor = listener.fileno()
    sink = subprocess.Popen([sys.executable, __file__, "--sink", str(descriptor)], pass_fds=[descriptor])
    try:
        measure(theirs, url, options.concurrency, options.concurrency)  # the sink may take seconds to start
        rounds = [
            (
                measure(ours, url, options.posts, options.concurrency),
                measure(theirs, url, options.posts // 4, options.concurrency),
            )
            for _ in range(options.rounds)
        ]
    finally:
        os.kill(sink.pid, signal.SIGTERM)
        sink.wait(5)
    mine, other = (
        Round(*(statistics.median(values) for values in zip(*side, strict=True))) for side in zip(*rounds, strict=True)
    )
    print(
        json.dumps(
            {
                "ours": {"posts_per_second": round(mine.posts_per_second), "cpu_per_10k": round(mine.cpu_per_10k, 3)},
                "aiohttp": {
                    "posts_per_second": round(other.posts_per_second),
                    "cpu_per_10k": round(other.cpu_per_10k, 3),
                },
                "ratio": {
                    "posts": round(mine.posts_per_second / other.posts_per_second, 2),
                    "cpu": round(other.cpu_per_10k / mine.cpu_per_10k, 2),
                },
            }
        )
    )


if __name__ == "__main__":
    main()
