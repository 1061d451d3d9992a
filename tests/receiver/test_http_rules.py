"""Heads that the parser would take and the receiver refuses, over real sockets."""

from pathlib import Path

import pytest

from receiver.raw import connect, post
from support.bodies import body
from support.serving import serving, table
from trackpush_api.routing import Host
from trackpush_api.vocabulary import Aggregator

KEY = "x-api-key: right-key-of-clickpost"
UPDATE = body("clickpost", mark=1, shipment=1, second=1)
PATH = "/rms/in/api/clickpost/notify"
HOSTS = (Host(host="saas.increff.com", aggregators=frozenset({Aggregator.CLICKPOST})),)


def request(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, f"Content-Length: {len(UPDATE)}", KEY, *headers]).encode() + b"\r\n\r\n" + UPDATE


async def answer(tmp_path: Path, *segments: bytes) -> bytes:
    """The status line of the answer to these bytes."""
    async with serving(tmp_path, table(hosts=HOSTS)) as server, connect(server.address) as raw:
        for segment in segments:
            await raw.send(segment)
        return (await raw.head()).split(b"\r\n", 1)[0].removeprefix(b"HTTP/1.1 ")


@pytest.mark.parametrize("version", ["RTSP/1.0", "HTTP/0.9", "HTTP/2.0"])
async def test_another_protocol_or_version_is_505(tmp_path: Path, version: str) -> None:
    assert await answer(tmp_path, request(f"POST {PATH} {version}", "Host: saas.increff.com")) == (
        b"505 HTTP Version Not Supported"
    )


@pytest.mark.parametrize("line", ["CONNECT  ", "GET  HTTP/1.1"])
async def test_a_request_line_without_a_target_is_400(tmp_path: Path, line: str) -> None:
    assert await answer(tmp_path, request(line, "Host: saas.increff.com")) == b"400 Bad Request"


async def test_another_protocol_is_noticed_in_a_line_that_comes_in_pieces(tmp_path: Path) -> None:
    whole = request(f"POST {PATH} RTSP/1.0", "Host: saas.increff.com")
    cut = whole.index(b"SP/1.0")
    async with serving(tmp_path, table(hosts=HOSTS)) as server, connect(server.address) as raw:
        await raw.send(whole[:cut])
        async with connect(server.address) as other:  # its answer shows that the piece above was read
            await other.send(post(b"{}"))
            await other.head()
        await raw.send(whole[cut:])
        assert (await raw.head()).startswith(b"HTTP/1.1 505 ")


@pytest.mark.parametrize(
    "head",
    [
        f"POST {PATH}?key={'k' * 9000} HTTP/1.1\r\nHost: a\r\n\r\n",
        f"POST {PATH} HTTP/1.1\r\nHost: a\r\nX-Long: {'v' * 9000}\r\n\r\n",
        f"POST {PATH} HTTP/1.1\r\nHost: a\r\n{'x' * 9000}: v\r\n\r\n",
        f"POST {PATH} HTTP/1.1\r\nHost: a\r\n{'X: v' + chr(13) + chr(10)}" * 1 + "X: v\r\n" * 2000 + "\r\n",
    ],
    ids=["line", "value", "name", "headers"],
)
async def test_a_head_that_is_too_large_is_431(tmp_path: Path, head: str) -> None:
    assert await answer(tmp_path, head.encode()) == b"431 Request Header Fields Too Large"


@pytest.mark.parametrize("host", ["[::1", "[nonsense]", "a:b", "a:80:90", "[::1]x"])
async def test_a_host_that_cannot_be_read_is_400(tmp_path: Path, host: str) -> None:
    assert await answer(tmp_path, request(f"POST {PATH} HTTP/1.1", f"Host: {host}")) == b"400 Bad Request"
    assert (
        await answer(tmp_path, request(f"POST http://{host}{PATH} HTTP/1.1", "Host: saas.increff.com"))
        == b"400 Bad Request"
    )


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (PATH, "saas.increff.com:", b"200 OK"),
        (PATH, "SAAS.increff.com:443", b"200 OK"),
        (PATH, "other.example", b"404 Not Found"),
        (PATH, "main.svc.evil.example", b"404 Not Found"),
        (f"http://saas.increff.com{PATH}", "other.example", b"200 OK"),
        (f"http://other.example{PATH}", "saas.increff.com", b"404 Not Found"),
        (f"HTTPS://saas.increff.com:{PATH}", "other.example", b"200 OK"),
    ],
)
async def test_a_url_in_the_request_line_takes_precedence_over_host(
    tmp_path: Path, target: str, host: str, status: bytes
) -> None:
    assert await answer(tmp_path, request(f"POST {target} HTTP/1.1", f"Host: {host}")) == status


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "gzip"])
async def test_a_transfer_coding_other_than_chunked_is_refused(tmp_path: Path, coding: str) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: saas.increff.com\r\n{KEY}\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"

    assert (await answer(tmp_path, head.encode()))[:3] in {b"400", b"501"}
