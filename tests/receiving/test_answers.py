"""A server with receiving processes answers, byte for byte, what a server of one process does."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from receiver.raw import connect, post
from support.bodies import body
from support.serving import HeldSource, serving, table
from trackpush_api.routing import Host, Limits
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.server import Server

pytestmark = pytest.mark.slow
KEY = "x-api-key: right-key-of-clickpost"
LIMITS = Limits(max_body_bytes=4096, body_timeout=0.3)
HOSTS = [Host(host="saas.nextscm.com", aggregators=frozenset({Aggregator.SHIPWAY}))]


def one(mark: int) -> bytes:
    return body("clickpost", mark=mark, shipment=mark, second=1)


def packed(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()


def bare(method: str, path: str = "/rms/in/api/clickpost/notify") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode()


REQUESTS = {
    "a new update": post(one(1), KEY),
    "the same again": post(one(1), KEY),
    "a batch of which one is new": post(b"[" + one(1) + b"," + one(2) + b"]", KEY),
    "an update that comes packed": post(packed(one(3)), KEY, "Content-Encoding: gzip"),
    "what is said to be packed and isn't": post(one(3), KEY, "Content-Encoding: gzip"),
    "a key in the path": post(one(1), path="/rms/in/api/clickpost/notify/right-key-of-clickpost"),
    "a wrong key": post(one(4), "x-api-key: wrong"),
    "no key": post(one(4)),
    "a key of another aggregator": post(one(4), "x-api-key: right-key-of-shipway"),
    "no JSON": post(b"{", KEY),
    "JSON of another kind": post(b'"text"', KEY),
    "an empty body": post(b"", KEY),
    "an empty feed": post(b'{"status_feed": []}'),
    "another path": post(one(5), KEY, path="/rms/in/api/unknown/notify"),
    "another host": post(one(5), KEY).replace(b"Host: 127.0.0.1", b"Host: other.example"),
    "a host of another aggregator": post(one(5), KEY).replace(b"Host: 127.0.0.1", b"Host: saas.nextscm.com"),
    "GET": bare("GET"),
    "HEAD": bare("HEAD"),
    "OPTIONS": bare("OPTIONS"),
    "PUT": bare("PUT"),
    "a body that is too large": post(b" " * 5000, KEY),
    "a body that unpacks to too much": post(packed(b" " * 50_000), KEY, "Content-Encoding: gzip"),
    "a body that doesn't come": post(b"{", KEY, length=100),
    "no HTTP": b"nonsense\r\n\r\n",
    "a client that closes": post(one(1), KEY, "Connection: close"),
}


async def answer(server: Server, request: bytes) -> bytes:
    """The whole answer but for its date."""
    async with connect(server.address) as raw:
        await raw.send(request)
        head = await raw.head()
        length = int(re.findall(rb"Content-Length: (\d+)", head)[0])
        content = b"" if request.startswith(b"HEAD ") else await raw.reader.readexactly(length)
    return re.sub(rb"Date: [^\r]+", b"Date: -", head) + content


async def both(folder: Path, given: Callable[[], HeldSource]) -> AsyncIterator[Server]:
    for receivers in (0, 2):
        (folder / str(receivers)).mkdir()
        async with serving(folder / str(receivers), source=given(), receivers=receivers) as server:
            yield server


async def test_every_answer_is_the_same(tmp_path: Path) -> None:
    def source() -> HeldSource:
        return HeldSource(table(limits=LIMITS, hosts=HOSTS))

    found = [
        {name: await answer(server, request) for name, request in REQUESTS.items()}
        async for server in both(tmp_path, source)
    ]

    statuses = {name: int(text.split()[1]) for name, text in found[0].items()}
    assert set(statuses.values()) == {200, 400, 401, 404, 405, 408, 413}
    for name in REQUESTS:
        assert found[1][name] == found[0][name], name


@pytest.mark.parametrize("unavailable", [None, "the disk is full"])
async def test_what_the_main_process_cannot_store_is_the_same_503(
    tmp_path: Path, unavailable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise JournalUnavailableError("no")

    async def fail(_: object) -> None:
        raise JournalUnavailableError("no")

    found = []
    async for server in both(tmp_path, lambda: HeldSource(table())):
        monkeypatch.setattr(type(server._journal.updates), "unavailable", property(lambda _: unavailable))
        for way in (refuse, lambda updates: asyncio.ensure_future(fail(updates))):
            monkeypatch.setattr(server._journal.updates, "append", way)
            found.append(await answer(server, post(one(1), KEY)))
        monkeypatch.undo()

    assert len(set(found)) == 1
    assert found[0].startswith(b"HTTP/1.1 503 ")
    assert (b"Retry-After: 30" if unavailable else b"Retry-After: 5") in found[0]


async def test_without_a_table_and_with_a_part_of_one_the_answer_is_the_same_503(tmp_path: Path) -> None:
    def nothing() -> HeldSource:
        source = HeldSource(table())
        source.loaded = Loaded(table=None, waits=True)
        return source

    def part() -> HeldSource:
        source = HeldSource(table())
        source.loaded = Loaded(table=table(), complete=False)
        return source

    request = post(one(1), "x-api-key: wrong")
    for number, given in enumerate((nothing, part)):
        (tmp_path / f"given-{number}").mkdir()
        found = {await answer(server, request) async for server in both(tmp_path / f"given-{number}", given)}
        assert len(found) == 1
        assert b"not_ready" in found.pop()
