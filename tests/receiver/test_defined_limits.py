"""Bodies of several megabytes: a definition's own limit, for senders with a key or a signature and for nobody else."""

import contextlib
import gzip
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from receiver.raw import connect
from receiver.raw import post as raw_post
from support.deadline import until
from support.definitions import NAME, SIGNATURE, body, definition, signed
from support.serving import account, reception, serving, table
from support.sink import open_sink
from trackpush_api.routing import Definition, Destination, Limits, RoutingTable
from trackpush_server.server import Server

MIB = 1024 * 1024
LARGE = 16 * MIB
KEY = {"X-Api-Key": "right"}
PATH = f"/rms/in/api/{NAME}/notify"


def given(**changes: Any) -> RoutingTable:
    limits = changes.pop("limits", Limits())
    destinations = changes.pop("destinations", ())
    defined: Definition = definition(**({"max_body_bytes": LARGE} | changes))
    own = account(NAME, "right", signs=defined.signature is not None)
    return table(own, definitions=[defined], limits=limits, destinations=destinations)


async def post(
    client: aiohttp.ClientSession, server: Server, content: bytes, headers: dict[str, str]
) -> tuple[int, Any]:
    async with client.post(f"http://{server.address}{PATH}", data=io.BytesIO(content), headers=headers) as answer:
        return answer.status, json.loads(await answer.read())


@pytest.mark.parametrize("receivers", [0, 1])
@pytest.mark.parametrize("how", ["key", "signature", "signature and gzip"])
async def test_a_picture_of_ten_mebibytes_is_removed_before_the_body_is_stored_and_pushed(
    tmp_path: Path, client: aiohttp.ClientSession, how: str, receivers: int
) -> None:
    picture = "iVBORw0KGgo" + "A" * 10 * MIB
    content = body(picture=picture, note="left at the gate")
    async with open_sink() as sink:
        raw = Destination(name="acme/push", url=sink.url, payload_format="Raw")
        signs = how != "key"
        has = given(destinations=[raw], signature=SIGNATURE if signs else None)
        async with serving(tmp_path, has, receivers=receivers) as server:
            sent = gzip.compress(content, 1) if "gzip" in how else content
            headers = signed(sent, "right") if signs else KEY
            encoding = {"Content-Encoding": "gzip"} if "gzip" in how else {}
            assert await post(client, server, sent, headers | encoding) == (200, {"accepted": 1, "duplicates": 0})
            await until(lambda: len(sink.arrivals) == 1, seconds=60, what="the push")
        pushed = sink.arrivals[0].body
    assert len(pushed) < 1000
    assert b"AAAAA" not in pushed
    assert b'"picture":"[redacted]"' in pushed
    assert b"left at the gate" in pushed
    assert sum(path.stat().st_size for path in (tmp_path / "data").rglob("*")) < 4 * MIB


async def test_the_limit_of_a_definition_may_be_larger_or_smaller_than_that_of_the_server(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    for most, size, status in (
        (2 * MIB, MIB + 1000, 200),
        (2 * MIB, 2 * MIB + 1, 413),
        (4096, 5000, 413),
        (4096, 4000, 200),
    ):
        content = body(picture="A" * (size - len(body(picture=""))))
        assert len(content) == size
        async with serving(tmp_path / f"{most}-{size}", given(max_body_bytes=most)) as server:
            found, said = await post(client, server, content, KEY)
            assert (found, said.get("error")) == (status, "body_too_large" if status == 413 else None)
            packed, encoding = gzip.compress(content), {"Content-Encoding": "gzip"}
            again, _ = await post(client, server, packed, KEY | encoding)
            assert again == status


async def test_the_limit_of_other_aggregators_stays_that_of_the_server(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, given()) as server:
        where = f"http://{server.address}/rms/in/api/clickpost/notify"
        async with client.post(where, data=io.BytesIO(b"x" * (MIB + 1)), headers=KEY) as answer:
            assert answer.status == 413


@pytest.mark.parametrize("case", ["wrong key", "key without signature", "chunked"])
async def test_without_valid_credentials_a_large_body_is_401_and_not_read_to_its_end(tmp_path: Path, case: str) -> None:
    has = given(signature=SIGNATURE) if case == "key without signature" else given()
    key = "X-Api-Key: wrong" if case == "wrong key" else "X-Api-Key: right"
    request = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH.encode()
    chunk = b"%x\r\n%s\r\n" % (MIB, b"[" * MIB)
    async with serving(tmp_path, has) as server, connect(server.address) as raw:
        await raw.send(request + chunk + chunk if case == "chunked" else raw_post(b"", key, path=PATH, length=8 * MIB))
        head = await raw.head()
        assert head.startswith(b"HTTP/1.1 401 ")
        assert b"Connection: close" in head


async def test_signed_bodies_without_a_key_share_a_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies that wait for their account count until it is found; what is too much is sent back."""
    sent = body(picture="A" * 9 * MIB)
    headers = [f"{name}: {value}" for name, value in signed(sent, "right").items()]
    has = given(signature=SIGNATURE, limits=Limits(body_timeout=60))
    async with serving(tmp_path, has) as server, contextlib.AsyncExitStack() as stack:
        share = reception(server).receiver._admission.signed
        monkeypatch.setattr(share, "_clock", lambda: 0.0)  # no body is slow enough to be dropped
        first, second = [await stack.enter_async_context(connect(server.address)) for _ in range(2)]
        unfinished = raw_post(sent[:-1], *headers, path=PATH, length=len(sent))
        await first.send(unfinished)
        await until(lambda: share.held == len(sent) - 1, seconds=60, what=lambda: f"{share.held} bytes held")
        await second.send(unfinished)
        assert (await second.head()).startswith(b"HTTP/1.1 503 ")
        await first.send(sent[-1:])
        assert (await first.head()).startswith(b"HTTP/1.1 200 ")
        await until(lambda: share.held == 0, seconds=60, what="the memory is released")


async def test_a_large_body_counts_until_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, held = body(picture="A" * 3 * MIB), list[int]()
    async with serving(tmp_path, given()) as server, connect(server.address) as raw:
        receiver = reception(server).receiver
        append = receiver._journal.append

        def seen(updates: Any) -> Any:
            held.append(receiver._admission.held.held)
            return append(updates)

        monkeypatch.setattr(receiver._journal, "append", seen)
        await raw.send(raw_post(content, "X-Api-Key: right", path=PATH))
        assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
        assert held == [len(content)]
        await until(lambda: receiver._admission.held.held == 0, seconds=60, what="the memory is released")
