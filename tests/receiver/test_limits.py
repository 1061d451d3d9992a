"""Slow, many and large: nobody holds a connection for ever, and overload is an honest 503."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from receiver.raw import connect, post
from support.bodies import body
from support.deadline import until
from support.serving import reception, serving, table
from trackpush_api.routing import Limits

KEY = "x-api-key: right-key-of-clickpost"
ONE = body("clickpost", mark=1, shipment=1, second=1)
SHORT = 0.3


async def test_a_connection_that_says_nothing_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, table(limits=Limits(header_timeout=SHORT))) as server, connect(server.address) as raw:
        assert await raw.rest() == b""


@pytest.mark.parametrize("after", [0, 1])
async def test_a_head_that_comes_byte_by_byte_is_cut_off_on_a_fresh_and_on_a_used_connection(
    tmp_path: Path, after: int
) -> None:
    async with serving(tmp_path, table(limits=Limits(header_timeout=SHORT))) as server, connect(server.address) as raw:
        for _ in range(after):
            await raw.send(post(ONE, KEY))
            await raw.reader.readuntil(b"}")
        started = time.monotonic()
        ended = asyncio.create_task(raw.rest())
        for byte in post(b"", "X: " + "y" * 1000):
            await raw.send(bytes([byte]))
            await asyncio.wait({ended}, timeout=0.02)
            if ended.done():
                break
        assert await ended == b""

    assert time.monotonic() - started < 5


async def test_a_body_that_does_not_come_is_408(tmp_path: Path) -> None:
    async with serving(tmp_path, table(limits=Limits(body_timeout=SHORT))) as server, connect(server.address) as raw:
        await raw.send(post(ONE[:100], KEY, length=len(ONE)))
        assert (await raw.head()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_ends_early_is_stored_nowhere(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path) as server:
        async with connect(server.address) as raw:
            await raw.send(post(ONE, KEY, length=len(ONE) + 5))
            raw.writer.write_eof()
            assert b" 200 " not in await raw.rest()
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        async with client.post(url, data=ONE, headers={"x-api-key": "right-key-of-clickpost"}) as answer:
            assert (await answer.json())["accepted"] == 1


async def test_an_idle_connection_is_closed_after_its_time_and_not_before(tmp_path: Path) -> None:
    limits = Limits(idle_timeout=SHORT, header_timeout=5)
    async with serving(tmp_path, table(limits=limits)) as server, connect(server.address) as raw:
        await raw.send(post(ONE, KEY))
        await raw.reader.readuntil(b"}")
        started = time.monotonic()
        assert await raw.rest() == b""

    assert SHORT * 0.9 < time.monotonic() - started < 5


async def test_a_connection_beyond_the_bound_gets_an_answer_that_says_so_and_the_others_continue(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, table(limits=Limits(max_connections=2, max_connections_per_peer=2))) as server:
        async with connect(server.address) as first, connect(server.address) as second:
            for raw in (first, second):
                await raw.send(post(b"{}"))
                assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
            async with connect(server.address) as third:
                assert (await third.rest()).startswith(b"HTTP/1.1 503 ")
            await first.send(post(ONE, KEY))
            assert (await first.reader.readuntil(b"}")).endswith(b"}")
        async with connect(server.address) as fourth:
            await fourth.send(post(ONE, KEY))
            assert await fourth.reader.read(1)


async def test_requests_beyond_the_bound_are_503_and_probes_are_still_answered(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, table(limits=Limits(max_concurrent_requests=1))) as server:
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        headers = {"x-api-key": "right-key-of-clickpost"}
        asked = asyncio.Event()
        held: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def append(_: object) -> asyncio.Future[int]:
            asked.set()
            return held

        monkeypatch.setattr(server._journal.updates, "append", append)
        first = asyncio.create_task(client.post(url, data=ONE, headers=headers))
        await asked.wait()
        async with client.post(url, data=ONE, headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        async with client.get(url) as answer:
            assert answer.status == 200
        held.set_result(1)
        assert (await first).status == 200


async def test_slow_bodies_beyond_their_memory_are_503_and_whole_requests_are_not(tmp_path: Path) -> None:
    limits = Limits(max_body_bytes=2000)
    async with serving(tmp_path, table(limits=limits)) as server, connect(server.address) as first:
        share = reception(server).receiver._admission.known
        share.most = 300
        await first.send(post(ONE[:200], KEY, length=len(ONE)))
        await until(lambda: share.held == 200, seconds=10, what="the first body has begun to arrive")
        async with connect(server.address) as second, connect(server.address) as whole:
            await second.send(post(b" " * 1900, KEY, length=1950))
            assert (await second.head()).startswith(b"HTTP/1.1 503 ")
            await whole.send(post(ONE, KEY))
            assert (await whole.head()).startswith(b"HTTP/1.1 200 ")
        await first.send(ONE[200:])
        assert (await first.head()).startswith(b"HTTP/1.1 200 ")
        assert share.held == 0


async def test_pipelined_requests_are_all_answered_in_order(tmp_path: Path) -> None:
    count = 100  # more than the parser queues before it pauses reading
    async with serving(tmp_path) as server, connect(server.address) as raw:
        bodies = [body("clickpost", mark=n, shipment=n, second=1) if n % 2 else b"{}" for n in range(count)]
        await raw.send(b"".join(post(content, KEY) for content in bodies))
        for number in range(count):
            await raw.head()
            assert await raw.reader.readuntil(b"}") == b'{"accepted": %d, "duplicates": 0}' % (number % 2)


async def test_a_client_that_is_refused_while_it_sends_still_reads_the_answer(tmp_path: Path) -> None:
    size = 3_000_000
    async with serving(tmp_path) as server, connect(server.address) as raw:
        await raw.send(post(b"x" * size, KEY))
        assert (await raw.head()).startswith(b"HTTP/1.1 413 ")
        assert (await raw.rest()).startswith(b'{"error":"body_too_large"')
