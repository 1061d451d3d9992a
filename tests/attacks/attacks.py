"""What strangers do to the public port without a key, each attack a function that repeats until it is cancelled."""

import asyncio
import contextlib
import functools
import gzip
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, NamedTuple

from attacks.budget import Budget
from support import definitions
from support.bodies import body

ADDRESS: Final = "127.0.0.66"
"""Attackers have an address of their own, as strangers do."""
_CONNECT_BYTES: Final = 200
"""What the packets that open and end a connection take."""
_MEBIBYTE: Final = 1 << 20


class Attacker:
    """Opens connections to the server and counts what it sends."""

    def __init__(self, port: int, budget: Budget) -> None:
        self.actions = 0
        """Connections and requests."""
        self.budget = budget
        self._port = port

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection from the attacker's address."""
        await self.budget.spend(_CONNECT_BYTES)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(ADDRESS, 0))
        if not self.actions:
            print("begun", flush=True)  # noqa: T201  the test waits for it
        self.actions += 1
        try:
            yield reader, writer
        finally:
            writer.close()

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send within the budget, in pieces of a packet's size and more."""
        self.actions += 1
        for start in range(0, len(data), 16_384):
            piece = data[start : start + 16_384]
            await self.budget.spend(len(piece))
            writer.write(piece)
            await writer.drain()

    async def exchange(self, request: bytes) -> None:
        """Send a request on a connection of its own, read one answer, and close."""
        async with self.connect() as (reader, writer):
            await self.send(writer, request)
            async with asyncio.timeout(10):
                await reader.read(65_536)

    async def hold(self, count: int, one: Callable[[], Awaitable[None]]) -> None:
        """Keep so many of these going; each begins again when it has ended."""

        async def again() -> None:
            while True:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):  # the server may refuse
                    await one()
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(again())


def post(content: bytes, *headers: str, segment: str = "shipway", length: int | None = None) -> bytes:
    """A POST without a key."""
    size = len(content) if length is None else length
    lines = [f"POST /rms/in/api/{segment}/notify HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {size}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


GZIP: Final = "Content-Encoding: gzip"
GET: Final = b"GET /rms/in/api/clickpost/notify HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def many_updates_in_a_small_gzip(attacker: Attacker) -> None:
    """2 kB that unpack to 100,000 updates."""
    packed = gzip.compress(b"[" + b",".join([b'{"awb":1}'] * 104_800) + b"]", 9)
    await attacker.hold(8, lambda: attacker.exchange(post(packed, GZIP)))


async def hashes_in_a_small_gzip(attacker: Attacker) -> None:
    """Guessed keys in the body, for an aggregator that sends its key there."""
    packed = gzip.compress(b"[" + b",".join(b'{"hash":"k%d","awb":1}' % (n % 9) for n in range(45_000)) + b"]", 9)
    await attacker.hold(8, lambda: attacker.exchange(post(packed, GZIP)))


async def gzip_bombs(attacker: Attacker) -> None:
    """Bodies that unpack to 16 MiB."""
    packed = gzip.compress(b"\0" * 16 * _MEBIBYTE, 9)
    await attacker.hold(8, lambda: attacker.exchange(post(packed, GZIP, segment="st")))


async def pipelines_with_resets(attacker: Attacker) -> None:
    """Thousands of requests in one go, and a reset instead of reading the answers."""

    async def one() -> None:
        async with attacker.connect() as (_, writer):
            await attacker.send(writer, GET * 2000)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    await attacker.hold(4, one)


async def pipelines_that_read_nothing(attacker: Attacker) -> None:
    """Endless requests whose answers are not read."""

    async def one() -> None:
        async with attacker.connect() as (_, writer), asyncio.timeout(5):
            while True:
                await attacker.send(writer, GET * 200)

    await attacker.hold(8, one)


async def slow_heads(attacker: Attacker) -> None:
    """Heads that arrive byte by byte."""

    async def one() -> None:
        async with attacker.connect() as (_, writer):
            for byte in GET * 20:
                await attacker.send(writer, bytes([byte]))
                await asyncio.sleep(0.5)

    await attacker.hold(500, one)


async def slow_bodies(attacker: Attacker) -> None:
    """Bodies that arrive byte by byte."""

    async def one() -> None:
        async with attacker.connect() as (_, writer):
            await attacker.send(writer, post(b"[", length=100_000))
            while not writer.is_closing():
                await attacker.send(writer, b" ")
                await asyncio.sleep(0.5)

    await attacker.hold(500, one)


async def tiny_chunks(attacker: Attacker) -> None:
    """A chunked body, a byte in each chunk."""

    async def one() -> None:
        async with attacker.connect() as (_, writer):
            head = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            await attacker.send(writer, head)
            while not writer.is_closing():
                await attacker.send(writer, b"1\r\n[\r\n" * 1000)

    await attacker.hold(8, one)


async def unfinished_bodies(attacker: Attacker) -> None:
    """Large bodies whose last bytes never come: 67 MB in 265 connections."""
    sizes = [1_000_000] * 65 + [100_000] * 20 + [1000] * 120 + [100] * 60

    async def held(size: int) -> None:
        async with attacker.connect() as (reader, writer):
            await attacker.send(writer, post(b"[" * size, length=size + 1))
            async with asyncio.timeout(30):
                await reader.read()

    async with asyncio.TaskGroup() as group:
        for size in sizes:
            group.create_task(attacker.hold(1, functools.partial(held, size)))


async def deep_nesting(attacker: Attacker) -> None:
    """Thousands of levels, and the most that are allowed, many times over."""
    deepest = b"[" + b",".join([b"[" * 63 + b"]" * 63] * 400) + b"]"
    contents = (b"[" * 60_000, b'{"a":' * 12_000, deepest, gzip.compress(b"[" * 60_000))
    await attacker.hold(8, lambda: _any_of(attacker, contents))


async def _any_of(attacker: Attacker, contents: tuple[bytes, ...]) -> None:
    content = random.choice(contents)  # noqa: S311
    await attacker.exchange(post(content, GZIP) if content.startswith(b"\x1f") else post(content))


async def odd_numbers(attacker: Attacker) -> None:
    """Numbers that take long to read: digits without end."""
    content = b'[{"awb":' + b"9" * 60_000 + b"}]"
    await attacker.hold(8, lambda: attacker.exchange(post(content)))


async def wrong_keys(attacker: Attacker) -> None:
    """Real bodies with guessed keys, over connections that stay open."""
    numbers = _numbers()

    async def one() -> None:
        async with attacker.connect() as (reader, writer):
            for number in numbers:
                content = body("clickpost", mark=number, shipment=number, second=1)
                await attacker.send(writer, post(content, f"webhook_key: guess-{number}", segment="clickpost"))
                await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b"}")

    await attacker.hold(8, one)


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


async def wrong_signatures(attacker: Attacker) -> None:
    """Real bodies with guessed signatures: the secrets of all accounts of the aggregator are tried."""
    numbers = _numbers()

    async def one() -> None:
        async with attacker.connect() as (reader, writer):
            for number in numbers:
                content = definitions.body(f"{number}")
                await attacker.send(writer, post(content, _guessed(), segment=definitions.NAME))
                await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b"}")

    await attacker.hold(8, one)


async def wrong_signatures_of_large_bodies(attacker: Attacker) -> None:
    """Guessed signatures of bodies of a mebibyte: many bytes have to be hashed."""
    content = definitions.body(picture="A" * (_MEBIBYTE - 4096))
    await attacker.hold(8, lambda: attacker.exchange(post(content, _guessed(), segment=definitions.NAME)))


async def large_bodies_without_a_signature(attacker: Attacker) -> None:
    """Bodies of 8 MiB, which the aggregator's limit allows, without the signature that it requires."""
    content = definitions.body(picture="A" * 8 * _MEBIBYTE)
    await attacker.hold(8, lambda: attacker.exchange(post(content, segment=definitions.NAME)))


def _guessed() -> str:
    return f"{definitions.SIGNATURE.header}: sha256={random.randbytes(32).hex()}"  # noqa: S311


async def half_closed_connections(attacker: Attacker) -> None:
    """A request, the sending side closed, and a connection that is never closed by the sender."""

    async def one() -> None:
        async with attacker.connect() as (_, writer):
            await attacker.send(writer, post(b"{}", length=5))
            writer.write_eof()
            await asyncio.sleep(2)

    await attacker.hold(300, one)


async def connection_floods(attacker: Attacker) -> None:
    """Connections that say nothing: 800 are held, and others come and go."""

    async def held() -> None:
        async with attacker.connect() as (reader, _), asyncio.timeout(30):
            await reader.read()

    async def brief() -> None:
        async with attacker.connect():
            pass

    async with asyncio.TaskGroup() as group:
        group.create_task(attacker.hold(800, held))
        group.create_task(attacker.hold(20, brief))


async def huge_heads(attacker: Attacker) -> None:
    """Heads of 60 kB: one long header, and very many short ones."""
    long = post(b"", "X: " + "y" * 60_000)
    many = post(b"", *(f"X-{n}: y" for n in range(5000)))
    await attacker.hold(8, lambda: _either(attacker, long, many))


async def _either(attacker: Attacker, first: bytes, second: bytes) -> None:
    await attacker.exchange(first)
    await attacker.exchange(second)


async def no_http(attacker: Attacker) -> None:
    """TLS, garbage and broken heads."""
    await attacker.hold(8, lambda: attacker.exchange(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n"))


class Attack(NamedTuple):
    """An attack and the bytes per second that it may send."""

    run: Callable[[Attacker], Awaitable[None]]
    rate: int = 100_000


_ALL: Final = (
    Attack(many_updates_in_a_small_gzip, 20_000),  # ten times what stopped a server that parsed them
    Attack(hashes_in_a_small_gzip, 20_000),
    *map(Attack, (gzip_bombs, pipelines_with_resets)),
    *map(Attack, (pipelines_that_read_nothing, slow_heads, slow_bodies, tiny_chunks, deep_nesting, odd_numbers)),
    *map(Attack, (wrong_keys, half_closed_connections, connection_floods, huge_heads, no_http)),
    Attack(wrong_signatures),
    *(Attack(each, 4_000_000) for each in (wrong_signatures_of_large_bodies, large_bodies_without_a_signature)),
    Attack(unfinished_bodies, 40_000_000),  # it needs its 67 MB before the time-out of a body ends it
)
ATTACKS: Final = {attack.run.__name__: attack for attack in _ALL}
