"""One row of docs/reliability.md each: a fault under load, what everybody saw of it, and that nothing was lost."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crash.test_kill import over_kills
from faults.report import WRITES, Row, tell
from faults.scene import EXTRA, PACE, scene, slow_to_sync
from faults.shim import Shim
from support.deadline import until
from support.load import Pace, open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import open_sink

pytestmark = pytest.mark.slow
IDLE = 10_000
KILLS = int(os.environ.get("TRACKPUSH_KILLS") or 10)
"""A hundred in `make reliability`."""
BURST_SECONDS = int(os.environ.get("TRACKPUSH_BURST_SECONDS") or 4)
"""A minute in CI and in `make reliability`."""


async def test_a_disk_that_is_slow_to_sync(tmp_path: Path) -> None:
    shim = Shim(tmp_path / "shim")
    async with scene(tmp_path, environment=shim.environment) as stage:
        await slow_to_sync(stage, shim, "SQLite")


async def test_the_clock_steps_back(tmp_path: Path) -> None:
    shim = Shim(tmp_path / "shim")
    async with scene(tmp_path, environment=shim.environment) as stage:
        shim.step_clock(-3600)
        await stage.more(80)
        await stage.settle()
        shim.step_clock(0)
        await stage.end()
        assert stage.statuses == {200}
        stage.tell(
            "The wall clock steps an hour back, then forward",
            "SQLite",
            aggregator=f"200, {stage.slowest:.1f} s at most",
            client="its pushes, at once and in order; `receivedAt` is the time of the stepped clock",
        )


@contextlib.asynccontextmanager
async def _dripping() -> AsyncIterator[str]:
    """An endpoint that answers one byte a second."""
    ended = asyncio.Event()
    under_way: set[asyncio.Task[None]] = set()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(task := asyncio.create_task(drip(reader, writer)))
        task.add_done_callback(under_way.discard)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), 1)
                    break
        writer.transport.abort()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/hooks"
        ended.set()
        listening.close()
        await asyncio.gather(*under_way)  # none outlives the test: a warning in the next one would be an error


async def test_a_client_that_answers_one_byte_a_second(tmp_path: Path) -> None:
    async with _dripping() as url, open_sink() as sink:
        slow = Client(name="slow", url=url, delivery={"timeout": "2s"})
        good = Client(name="good", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [slow, good]), tmp_path / "data") as server,
            open_aggregator(server.url, slow) as to_slow,
            open_aggregator(server.url, good) as to_good,
        ):
            await asyncio.gather(to_slow.many(range(100)), to_good.many(range(1000, 1300)))
            await until(lambda: to_good.accepted <= sink.marks, seconds=30, what="the other client's pushes")
            answered = {post.mark: post.answered_at for post in to_good.posts}
            latest = max(found[0].at - answered[mark] for mark, found in sink.by_mark().items())

            async def failing() -> bool:
                return "slow/push" in (await server.probe("/undelivered")).text

            end = asyncio.get_running_loop().time() + 60
            while not await failing():
                assert asyncio.get_running_loop().time() < end, "not told as failing"
                await asyncio.sleep(0.05)
            assert len(to_slow.accepted) == 100
            assert len(to_good.accepted) == 300
    tell(
        Row(
            fault="A client answers one byte a second",
            storage="either",
            aggregator="200, at once",
            client="that client: each attempt ends at its `timeout` and is tried again, then its breaker opens and"
            f" pushes wait; the others: no effect, {max(latest, 0) * 1000:.0f} ms at most",
            accepted=400,
            lost=len(to_good.accepted - sink.marks),
            doubled=sum(len(found) > 1 for found in sink.by_mark().values()),
        )
    )


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("receivers", [0, 1])
async def test_kills_under_load(tmp_path: Path, receivers: int) -> None:
    found = await over_kills(tmp_path, KILLS, receivers)
    assert found.accepted > KILLS * 40, "hardly anything was accepted: the test proves nothing"
    if not os.environ.get(WRITES):
        return  # the page holds the figures of a hundred kills
    tell(
        Row(
            fault=f"`kill -9`, {KILLS} times under load, `--receivers {receivers}`",
            storage="SQLite",
            aggregator="no answer to open requests; 200 again after the start,"
            f" {found.posts_per_second:,.0f} a second between kills",
            client="its pushes, in order; a push that was in progress at a kill is sent again",
            accepted=found.accepted,
            lost=0,
            doubled=found.doubled,
        )
    )


@pytest.mark.long
async def test_ten_thousand_idle_connections(tmp_path: Path) -> None:
    settings = {
        "limits": {"maxConnections": IDLE, "maxConnectionsPerPeer": IDLE, "headerTimeout": "2m", "idleTimeout": "2m"}
    }
    async with scene(tmp_path, settings=settings) as stage:
        place = ("127.0.0.1", stage.server.port)
        with contextlib.ExitStack() as held:
            await asyncio.to_thread(_connect, held, place, IDLE - PACE.workers - 8)
            before = len(stage.aggregator.posts)
            await stage.more(80)
            slowest = max(post.seconds for post in stage.aggregator.posts[before:])
            beyond = await asyncio.to_thread(_connect, held, place, 200)
            refused = await asyncio.to_thread(lambda: sum(_is_refused(connection) for connection in beyond))
            assert refused >= 100, "nothing bounds the connections"
        await stage.end()
        assert stage.statuses == {200}
        stage.tell(
            f"{IDLE:,} idle connections",
            "either",
            aggregator=f"200, {slowest:.1f} s at most on its open connections; new ones beyond `maxConnections`"
            " are refused at once",
            client="its pushes, as before",
        )


def _connect(held: contextlib.ExitStack, place: tuple[str, int], count: int) -> list[socket.socket]:
    return [held.enter_context(socket.create_connection(place, timeout=30)) for _ in range(count)]


def _is_refused(connection: socket.socket) -> bool:
    connection.settimeout(0.02)
    with contextlib.suppress(TimeoutError, ConnectionError):
        return connection.recv(64).startswith((b"HTTP/1.1 503", b""))
    return False


async def test_a_burst_of_ten_times_the_load(tmp_path: Path) -> None:
    async with scene(tmp_path, pace=Pace(rate=40, shipments=64, workers=32)) as stage:
        begun, before = time.monotonic(), len(stage.aggregator.posts)
        await stage.aggregator.many(range(EXTRA, EXTRA + 10 * 40 * BURST_SECONDS), workers=64)
        took = time.monotonic() - begun
        during = stage.aggregator.posts[before:]
        assert {post.status for post in during} <= {200, 503}
        await stage.end()
        slowest = max(post.seconds for post in during)
        rate = len(during) / took
        stage.tell(
            "A burst of ten times the load",
            "either",
            aggregator=f"200, {slowest:.1f} s at most, {rate:,.0f} a second; 503 with Retry-After beyond what"
            " can be stored",
            client="its pushes, later by the queue before them",
        )
