"""Each answer that the README names."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import aiohttp
import pytest

from receiver.raw import connect, post
from support.bodies import body
from support.deadline import until
from support.rows import every_row
from support.serving import serving, table
from trackpush_api.routing import Host, Limits
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.server import Server

KEY = {"webhook_key": "right-key-of-clickpost"}
ONE = body("clickpost", mark=1, shipment=1, second=1)


def url(server: Server, segment: str = "clickpost") -> str:
    return f"http://{server.address}/rms/in/api/{segment}/notify"


async def test_what_is_new_is_accepted_and_what_is_known_is_a_duplicate(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    batch = b"[" + ONE + b"," + body("clickpost", mark=2, shipment=2, second=1) + b"]"
    async with serving(tmp_path) as server:
        async with client.post(url(server), data=ONE, headers=KEY) as answer:
            first = (answer.status, answer.content_type, await answer.json())
        async with client.post(url(server), data=batch, headers=KEY) as answer:
            second = await answer.json()

    assert first == (200, "application/json", {"accepted": 1, "duplicates": 0})
    assert second == {"accepted": 1, "duplicates": 1}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_probe_by_method_is_200_with_and_without_a_key(
    tmp_path: Path, client: aiohttp.ClientSession, method: str
) -> None:
    async with serving(tmp_path) as server:
        for path in ("", "/some-key", "?key=x"):
            async with client.request(method, url(server) + path) as answer:
                assert answer.status == 200


async def test_a_doctors_probe_learns_which_headers_of_a_key_arrived_and_nothing_of_keys(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    headers = {"Trackpush-Doctor": "1", "webhook_key": "right-key-of-clickpost", "x-api-key": "wrong"}
    async with serving(tmp_path) as server, client.get(url(server), headers=headers) as answer:
        assert answer.status == 200
        assert await answer.json() == {"accepted": 0, "duplicates": 0, "arrived": ["webhook_key", "x-api-key"]}


@every_row("content", [b"", b"{}", b"[]", b"null", b" \n", b'{"status_feed": []}', b'{"hello": "world"}'])
@every_row("segment", ["clickpost", "st", "shipway"])
async def test_a_body_without_identifiers_is_a_probe(
    server: Server, client: aiohttp.ClientSession, content: bytes, segment: str
) -> None:
    async with client.post(url(server, segment), data=content) as answer:
        assert (answer.status, await answer.json()) == (200, {"accepted": 0, "duplicates": 0})


@every_row("content", [b"{", b"nonsense", b"payload=%7B%7D", b"<xml/>", b"[1, 2"])
async def test_malformed_json_is_400_and_says_what_is_wrong(
    server: Server, client: aiohttp.ClientSession, content: bytes
) -> None:
    async with client.post(url(server), data=content, headers=KEY) as answer:
        found = await answer.json()

    assert (answer.status, found["error"]) == (400, "malformed_body")
    assert found["message"]


async def test_other_paths_are_404_and_other_methods_405(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path) as server:
        async with client.post(f"http://{server.address}/rms/in/api/unknown/notify", data=ONE, headers=KEY) as answer:
            assert answer.status == 404
        async with client.put(url(server), data=ONE, headers=KEY) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")


async def test_a_host_serves_its_own_aggregators(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    hosts = [Host(host="saas.nextscm.com", aggregators=frozenset({Aggregator.SHIPWAY}))]
    async with serving(tmp_path, table(hosts=hosts)) as server:
        found = {}
        for host in ("saas.nextscm.com", "other.example", "127.0.0.1"):
            async with client.post(url(server), data=ONE, headers={**KEY, "Host": host}) as answer:
                found[host] = answer.status

    assert found == {"saas.nextscm.com": 404, "other.example": 404, "127.0.0.1": 200}


@pytest.mark.parametrize("way", ["length", "chunked", "gzip bomb", "small gzip bomb"])
async def test_a_body_that_is_too_large_is_413(tmp_path: Path, client: aiohttp.ClientSession, way: str) -> None:
    large = {"gzip bomb": 50_000_000, "small gzip bomb": 5000}.get(way, 200_000) * b" "
    headers = dict(KEY)
    data: object = large
    if "gzip" in way:
        packer = zlib.compressobj(wbits=31)
        data = packer.compress(large) + packer.flush()
        headers["Content-Encoding"] = "gzip"
    elif way == "chunked":
        data = _pieces(large)
    async with (
        serving(tmp_path, table(limits=Limits(max_body_bytes=4096))) as server,
        client.post(url(server), data=data, headers=headers) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]) == (413, "body_too_large")


async def test_a_body_may_be_packed_and_may_come_in_pieces(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(ONE) + packer.flush()
    async with serving(tmp_path) as server:
        async with client.post(url(server), data=packed, headers={**KEY, "Content-Encoding": "gzip"}) as answer:
            assert await answer.json() == {"accepted": 1, "duplicates": 0}
        async with client.post(url(server), data=_pieces(ONE), headers=KEY) as answer:
            assert await answer.json() == {"accepted": 0, "duplicates": 1}
        async with client.post(url(server), data=ONE, headers={**KEY, "Content-Encoding": "gzip"}) as answer:
            assert answer.status == 400


async def test_a_client_that_waits_for_100_continue_gets_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, connect(server.address) as raw:
        await raw.send(post(b"", "Expect: 100-continue", "x-api-key: right-key-of-clickpost", length=len(ONE)))
        assert await raw.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await raw.send(ONE)
        assert (await raw.head()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("protocol", ["websocket", "h2c", "tcp"])
async def test_a_client_that_offers_an_upgrade_is_served_as_any_other(
    tmp_path: Path,
    protocol: str,
    chunked: bool,  # noqa: FBT001
) -> None:
    request = post(ONE, "Connection: Upgrade", f"Upgrade: {protocol}", "x-api-key: right-key-of-clickpost")
    if chunked:
        head, _, content = request.partition(b"\r\n\r\n")
        head = head.replace(b"Content-Length: %d" % len(ONE), b"Transfer-Encoding: chunked")
        request = head + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    async with serving(tmp_path) as server, connect(server.address) as raw:
        await raw.send(request)
        await raw.head()
        assert await raw.reader.readuntil(b"}") == b'{"accepted": 1, "duplicates": 0}'


@pytest.mark.parametrize(
    ("request_line", "headers", "stays"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "Connection: close\r\n", False),
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "Connection: keep-alive\r\n", True),
    ],
)
async def test_the_connection_stays_as_the_client_wishes(
    tmp_path: Path,
    request_line: str,
    headers: str,
    stays: bool,  # noqa: FBT001
) -> None:
    request = f"HEAD /rms/in/api/st/notify {request_line}\r\nHost: localhost\r\n{headers}\r\n".encode()
    async with serving(tmp_path) as server, connect(server.address) as raw:
        await raw.send(request)
        head = await raw.head()
        assert b"Date: " in head
        if stays:
            await raw.send(request)
            assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
        else:
            assert b"Connection: close" in head
            assert await raw.rest() == b""


async def test_a_journal_that_can_store_nothing_is_503_with_retry_after(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise JournalUnavailableError("the disk is full")

    async with serving(tmp_path) as server:
        monkeypatch.setattr(server._journal.updates, "append", refuse)
        async with client.post(url(server), data=ONE, headers=KEY) as answer:
            text = await answer.text()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "disk" not in text


async def test_a_mistake_of_ours_is_503_with_a_reference_that_the_log_has_too(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("marked-secret")

    monkeypatch.setattr("trackpush_server.receiver.handler.parse_in_steps", fail)
    async with serving(tmp_path) as server, client.post(url(server), data=ONE, headers=KEY) as answer:
        message = (await answer.json())["message"]

    line = next(json.loads(line) for line in log.getvalue().splitlines() if "request_failed" in line)
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert line["reference"] in message
    assert line["error"] == "ZeroDivisionError"
    assert "in _take" in line["at"]
    assert "marked-secret" not in log.getvalue() + message


async def test_a_client_that_hangs_up_before_the_answer_changes_nothing(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as server:
        append, asked, go_on = server._journal.updates.append, asyncio.Event(), asyncio.Event()

        async def late(updates: object) -> int:
            asked.set()
            await go_on.wait()
            return await append(updates)  # type: ignore[arg-type]

        monkeypatch.setattr(server._journal.updates, "append", late)
        async with connect(server.address) as raw:
            await raw.send(post(ONE, "x-api-key: right-key-of-clickpost"))
            await asked.wait()
        await until(
            lambda: server._receiving.connections == 0 or server._receiving.under_way == 1,
            seconds=5,
            what="the hang-up",
        )
        go_on.set()
        monkeypatch.undo()
        await until(lambda: server._receiving.under_way == 0, seconds=5, what="the commit")
        async with client.post(url(server), data=ONE, headers=KEY) as answer:
            assert await answer.json() == {"accepted": 0, "duplicates": 1}


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 300):
        yield content[start : start + 300]
