"""Pushes through an HTTP proxy by CONNECT."""

import asyncio
import contextlib
import socket

import pytest
import trustme

from outbound.kit import BODY, BOTH, LOOPBACK, OURS, PUSH_HEADERS, open_sender, post_once
from outbound.servers import Behaviour, Peer, polite, serve, silent
from outbound.test_tls import AUTHORITY, CA, server_context
from trackpush_api.routing import Egress, TlsMaterial
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.transport import HttpTransport

both = pytest.mark.parametrize("which", BOTH)
assert isinstance(AUTHORITY, trustme.CA)


async def tunnel(peer: Peer) -> None:
    """A small proxy: connects to where it is told and passes bytes both ways."""
    head = await peer.head()
    host, _, port = head.split(b" ")[1].decode().rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await peer.send(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
    try:
        await asyncio.gather(_copy(peer.reader, writer), _copy(reader, peer.writer))
    finally:
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def through(port: int, *, allowed: tuple[str, ...] = LOOPBACK.allowed_cidrs) -> Egress:
    return Egress(https_only=False, allowed_cidrs=allowed, proxy=f"http://127.0.0.1:{port}")


@both
async def test_a_push_goes_through_the_proxy_and_the_tunnel_is_kept(which: str) -> None:
    async with (
        serve(tunnel) as proxy,
        serve(polite, context=server_context("127.0.0.1")) as server,
        open_sender(server.url, which=which, egress=through(proxy.port), tls=TlsMaterial(ca=CA)) as sender,
    ):
        for _ in range(3):
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert (proxy.accepted, server.accepted, len(server.requests)) == (1, 1, 3)


async def test_plain_http_goes_through_a_tunnel_too() -> None:
    async with serve(tunnel) as proxy, serve(polite) as server:
        assert (await post_once(server.url, egress=through(proxy.port))).status == 200
        assert proxy.accepted == 1


async def test_the_proxys_address_is_not_judged_but_the_targets_is() -> None:
    async with serve(tunnel) as proxy, serve(polite) as server:
        answer = await post_once(server.url, egress=through(proxy.port, allowed=()))
        assert answer.failure is Failure.DENIED
        transport = HttpTransport(lookup=lambda _: ["10.1.2.3"])
        answer = await post_once(
            "http://inside.example.test/", egress=through(proxy.port, allowed=()), transport=transport
        )
        assert answer.failure is Failure.DENIED
        assert proxy.accepted == 0, "not even the name was told to the proxy"


FAR = "far.example.test"
ANYWHERE = ("0.0.0.0/0", "::/0")


class Recorder:
    """A small proxy that writes down what it is asked for; it refuses the first requests."""

    def __init__(self, refuses: int = 0) -> None:
        self.asked: list[bytes] = []
        self._refuses = refuses

    async def __call__(self, peer: Peer) -> None:
        head = await peer.head()
        self.asked.append(head.split(b"\r\n")[0])
        if len(self.asked) <= self._refuses:
            await peer.send(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        port = head.split(b" ")[1].rpartition(b":")[2]
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_copy(peer.reader, writer), _copy(reader, peer.writer))


def unknown(host: str) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, f"unknown: {host}")


@pytest.mark.parametrize(("address", "named"), [("127.0.0.1", b"127.0.0.1"), ("::1", b"[::1]")])
async def test_connect_names_the_address_and_tls_and_host_the_name(address: str, named: bytes) -> None:
    proxy = Recorder()
    async with serve(proxy) as front, serve(polite, context=server_context(FAR)) as server:
        answer = await post_once(
            f"https://{FAR}:{server.port}/hook",
            egress=through(front.port, allowed=LOOPBACK.allowed_cidrs),
            transport=HttpTransport(lookup=lambda _: [address]),
            tls=TlsMaterial(ca=CA),
        )
        assert answer.status == 200
        assert proxy.asked == [b"CONNECT %s:%d HTTP/1.1" % (named, server.port)]
        assert b"\r\nHost: %s:%d\r\n" % (FAR.encode(), server.port) in server.requests[0]


@pytest.mark.parametrize("denied", [(), ("10.0.0.0/8",)])
async def test_a_name_without_an_address_is_refused_before_the_proxy_hears_of_it(denied: tuple[str, ...]) -> None:
    allowed = ANYWHERE if denied else LOOPBACK.allowed_cidrs
    proxy = Recorder()
    async with serve(proxy) as front:
        egress = Egress(
            https_only=False, allowed_cidrs=allowed, denied_cidrs=denied, proxy=f"http://127.0.0.1:{front.port}"
        )
        answer = await post_once(f"http://{FAR}/", egress=egress, transport=HttpTransport(lookup=unknown))
    assert (answer.failure, proxy.asked) == (Failure.DNS, [])
    assert answer.detail is not None
    assert "a name that only egress.proxy can resolve is refused" in answer.detail


async def test_a_name_without_an_address_is_left_to_the_proxy_where_every_address_is_allowed() -> None:
    proxy = Recorder(refuses=1)
    async with serve(proxy) as front:
        answer = await post_once(
            f"https://{FAR}/hook",
            egress=through(front.port, allowed=ANYWHERE),
            transport=HttpTransport(lookup=unknown),
        )
    assert (answer.failure, proxy.asked) == (Failure.PROXY, [b"CONNECT far.example.test:443 HTTP/1.1"])


async def test_a_name_that_changes_between_two_look_ups_leads_to_no_other_address() -> None:
    answers = iter([["10.1.2.3", "127.0.0.1"], ["10.1.2.3"]])
    proxy = Recorder()
    async with serve(proxy) as front, serve(polite) as server:
        answer = await post_once(
            f"http://{FAR}:{server.port}/",
            egress=through(front.port),
            transport=HttpTransport(lookup=lambda _: next(answers)),
        )
        assert answer.status == 200
        assert proxy.asked == [b"CONNECT 127.0.0.1:%d HTTP/1.1" % server.port], "the judged one alone"
        assert next(answers) == ["10.1.2.3"], "looked up once"


async def test_the_next_judged_address_is_tried_when_the_proxy_does_not_reach_the_first() -> None:
    proxy = Recorder(refuses=1)
    async with serve(proxy) as front, serve(polite) as server:
        answer = await post_once(
            f"http://{FAR}:{server.port}/",
            egress=through(front.port),
            transport=HttpTransport(lookup=lambda _: ["::1", "127.0.0.1"]),
        )
        assert answer.status == 200
        assert proxy.asked == [
            b"CONNECT [::1]:%d HTTP/1.1" % server.port,
            b"CONNECT 127.0.0.1:%d HTTP/1.1" % server.port,
        ]


def saying(*pieces: bytes) -> Behaviour:
    async def answer(peer: Peer) -> None:
        await peer.head()
        await peer.send(*pieces)

    return answer


@both
@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_a_proxy_failure(which: str, status: int) -> None:
    async with serve(saying(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)) as proxy:
        answer = await post_once("https://127.0.0.1:9443/", which=which, egress=through(proxy.port))
        assert answer.failure is Failure.PROXY
        if which == OURS:
            assert answer.detail == f"proxy 127.0.0.1:{proxy.port} answered {status} to CONNECT 127.0.0.1:9443"


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 200",),
        (b"SSH-2.0-OpenSSH\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000,),
    ],
    ids=["closes", "half an answer", "not HTTP", "answers for the target", "an endless head"],
)
async def test_a_proxy_that_talks_nonsense_is_a_proxy_failure(pieces: tuple[bytes, ...]) -> None:
    async with serve(saying(*pieces)) as proxy:
        answer = await post_once("http://127.0.0.1:9080/", egress=through(proxy.port))
        assert answer.failure is Failure.PROXY


@both
async def test_a_dead_proxy_is_a_proxy_failure(which: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        answer = await post_once("https://127.0.0.1:9443/", which=which, egress=through(port))
    assert answer.failure is Failure.PROXY


@both
async def test_a_proxy_that_hangs_ends_at_the_time_out(which: str) -> None:
    async with serve(silent) as proxy:
        answer = await post_once("https://127.0.0.1:9443/", which=which, egress=through(proxy.port), timeout=0.2)
        assert answer.failure is Failure.TIMEOUT


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:3128", "http://user:pass@127.0.0.1:3128", "127.0.0.1:3128", "http://"]
)
async def test_a_proxy_url_that_is_none_fails_every_push_and_says_where_it_stands(url: str) -> None:
    answer = await post_once("https://127.0.0.1:9443/", egress=Egress(allowed_cidrs=("127.0.0.0/8",), proxy=url))
    assert answer.failure is Failure.PROXY
    assert answer.detail is not None
    assert "egress.proxy" in answer.detail
    assert "pass@" not in answer.detail


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serve(polite) as server:
        assert (await post_once(server.url)).status == 200
