"""Senders without a key can neither fill the log nor keep the server busy for others."""

import asyncio
import contextlib
import gzip
import json
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from receiver.raw import connect, post
from support.bodies import body
from support.deadline import until
from support.serving import account, reception, serving, table
from trackpush_api.routing import Limits
from trackpush_api.vocabulary import Aggregator
from trackpush_server import logs
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.request import Request
from trackpush_server.server import Server

UPDATE = body("clickpost", mark=1, shipment=1, second=1)
GET = b"GET /rms/in/api/clickpost/notify HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MOST_LINES = 12
"""Lines of one kind that one flood may cause: 5 in 10 seconds, over two windows, and some slack for a busy machine."""
FLOOD = 300


def events(log: StringIO) -> Counter[str]:
    """How many lines there are of each event."""
    return Counter(json.loads(line)["event"] for line in log.getvalue().splitlines())


def send_and_reset(server: Server, data: bytes) -> None:
    """Send, and end the connection by a reset, without reading. Blocks; run it in a thread."""
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(10)
        with contextlib.suppress(OSError):  # the server may have stopped reading
            connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def served(server: Server) -> None:
    """Wait until the server has answered somebody and holds no other connection."""
    async with connect(server.address) as raw:
        await raw.send(post(b"{}"))
        assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
    await until(lambda: reception(server).connections == 0, seconds=20, what="the connections have ended")


async def test_requests_whose_sender_is_gone_are_not_handled_and_write_no_lines(
    tmp_path: Path, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as server:
        connections = reception(server)._connections
        handle, in_vain = connections.handle, 0

        async def counted(request: Request) -> Response:
            nonlocal in_vain
            in_vain += request.transport is None or request.transport.is_closing()
            return await handle(request)

        monkeypatch.setattr(connections, "handle", counted)
        for _ in range(5):
            await asyncio.to_thread(send_and_reset, server, GET * 20_000)
            await served(server)

    assert in_vain == 0
    assert events(log)["library_warning"] <= MOST_LINES


async def test_a_long_pipeline_gives_others_a_turn_every_few_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipelined = 5000
    async with serving(tmp_path) as server, connect(server.address) as raw:
        connections = reception(server)._connections
        handle, loop = connections.handle, asyncio.get_running_loop()
        in_this_turn = most_in_a_turn = 0

        async def counted(request: Request) -> Response:
            nonlocal in_this_turn, most_in_a_turn
            if not in_this_turn:
                loop.call_soon(next_turn)
            in_this_turn += 1
            most_in_a_turn = max(most_in_a_turn, in_this_turn)
            return await handle(request)

        def next_turn() -> None:
            nonlocal in_this_turn
            in_this_turn = 0

        monkeypatch.setattr(connections, "handle", counted)
        sending = asyncio.create_task(raw.send(GET * pipelined))
        for _ in range(pipelined):
            await raw.head()
            await raw.reader.readuntil(b"}")
        await sending

    assert 1 < most_in_a_turn <= 64


def test_warnings_of_libraries_are_throttled_by_their_place(log: StringIO) -> None:
    for number in range(FLOOD):
        logging.getLogger("asyncio").warning("socket.send() raised exception.")
        logging.getLogger(f"library.{number % 2}").error("another place")

    assert sorted(Counter(json.loads(line)["library"] for line in log.getvalue().splitlines()).values()) == [5, 5, 5]


async def test_failures_of_callbacks_are_throttled_by_their_kind(log: StringIO) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(FLOOD):
        logs.on_loop_error(loop, {"message": "a callback of the flood failed", "exception": ValueError()})

    assert events(log)["task_failed"] == 5


async def unauthorized(server: Server) -> None:
    async with connect(server.address) as raw:
        for _ in range(FLOOD):
            await raw.send(post(UPDATE, "x-api-key: wrong"))
            assert (await raw.head()).startswith(b"HTTP/1.1 401 ")
            await raw.reader.readuntil(b"}")


async def too_many_connections(server: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(FLOOD):
            await stack.enter_async_context(connect(server.address))


async def no_http(server: Server) -> None:
    for _ in range(FLOOD):
        async with connect(server.address) as raw:
            await raw.send(b"\x16\x03\x01nonsense\r\n\r\n")
            await raw.rest()


async def broken_bodies(server: Server) -> None:
    for data in (b"{", b"\xff\xff", b"[1", gzip.compress(b"x")[:-3]):
        for _ in range(FLOOD // 4):
            async with connect(server.address) as raw:
                await raw.send(post(data, "Content-Encoding: gzip" if data[:1] == b"\x1f" else "X: y"))
                assert (await raw.head()).startswith(b"HTTP/1.1 400 ")


async def resets_in_the_middle_of_a_body(server: Server) -> None:
    for _ in range(FLOOD):
        await asyncio.to_thread(send_and_reset, server, post(UPDATE[:50], length=len(UPDATE)))


async def unanswered(server: Server) -> None:
    """Requests whose handler fails, whatever the reason."""
    reception(server).receiver._journal = None  # type: ignore[assignment]
    async with connect(server.address) as raw:
        for _ in range(FLOOD):
            await raw.send(post(UPDATE, "x-api-key: right-key-of-clickpost"))
            assert (await raw.head()).startswith(b"HTTP/1.1 503 ")
            await raw.reader.readuntil(b"}")


FLOODS = {flood.__name__: flood for flood in (
    unauthorized, too_many_connections, no_http, broken_bodies, resets_in_the_middle_of_a_body, unanswered
)}  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_writes_a_few_lines_of_each_kind(
    tmp_path: Path, log: StringIO, flood: Callable[[Server], asyncio.Future[None]]
) -> None:
    limits = Limits(max_connections=20, max_connections_per_peer=20)
    async with serving(tmp_path, table(limits=limits)) as server:
        await flood(server)
        flooded = events(log)

    assert max(flooded.values(), default=0) <= MOST_LINES, flooded


async def test_an_unknown_key_while_a_part_of_the_table_is_missing_writes_a_few_lines(
    tmp_path: Path, log: StringIO
) -> None:
    async with serving(tmp_path, table(account(Aggregator.CLICKPOST, "k"))) as server:
        receiver = reception(server).receiver
        assert receiver.serving is not None
        receiver.serving.complete = False  # type: ignore[misc]
        async with connect(server.address) as raw:
            for _ in range(FLOOD):
                await raw.send(post(UPDATE, "x-api-key: wrong"))
                assert (await raw.head()).startswith(b"HTTP/1.1 503 ")
                await raw.reader.readuntil(b"}")

    assert events(log)["request_postponed"] <= MOST_LINES


async def test_a_connection_beyond_the_limit_gets_a_503_although_it_has_sent_a_request(tmp_path: Path) -> None:
    limits = Limits(max_connections=1, max_connections_per_peer=1)
    async with serving(tmp_path, table(limits=limits)) as server, connect(server.address) as first:
        await first.send(post(b"{}"))
        await first.head()
        for _ in range(50):
            host, _, port = server.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(post(b"x" * 1500, "x-api-key: right-key-of-clickpost"))
            writer.write(b"y" * 100_000)
            async with asyncio.timeout(10):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
                assert (await reader.read()).startswith(b'{"error":"overloaded"')
            writer.close()


async def test_one_address_leaves_connections_to_others(tmp_path: Path) -> None:
    limits = Limits(max_connections=10, max_connections_per_peer=3)
    async with serving(tmp_path, table(limits=limits)) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            raw = await stack.enter_async_context(connect(server.address))
            await raw.send(post(b"{}"))
            assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
        async with connect(server.address) as one_more:
            assert (await one_more.rest()).startswith(b"HTTP/1.1 503 ")
        port = int(server.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        writer.write(post(b"{}"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_bodies_of_strangers_that_never_end_leave_room_for_senders_with_a_key(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, contextlib.AsyncExitStack() as stack:
        admission = reception(server).receiver._admission
        admission.strangers.most = 100_000
        admission.known.most = 100_000
        for _ in range(20):
            raw = await stack.enter_async_context(connect(server.address))
            await raw.send(post(b"[" * 50_000, length=60_000))
        await until(lambda: admission.strangers.held >= 50_000, seconds=10, what="strangers hold their share")
        known = await stack.enter_async_context(connect(server.address))
        whole = post(UPDATE, "x-api-key: right-key-of-clickpost")
        await known.send(whole[:-10])
        await until(lambda: admission.known.held > 0, seconds=10, what="the first part of the body has arrived")
        await known.send(whole[-10:])
        assert (await known.head()).startswith(b"HTTP/1.1 200 ")
