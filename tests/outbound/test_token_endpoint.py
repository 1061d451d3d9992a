"""The way to a token endpoint: the guard, the proxy and the TLS of pushes hold for it; it is bounded in time."""

import asyncio
import ssl
import threading
from collections.abc import Callable

import pytest
import trustme
from blockbuster import BlockBuster

from outbound.authorized import endpoint, failed, opened
from outbound.kit import BODY, LOOPBACK, PUSH_HEADERS, open_sender
from outbound.servers import Behaviour, Peer, serve, silent
from outbound.test_proxy import through, tunnel
from outbound.test_tls import CA, CLIENTS, client_material, demanding_server, server_context
from support.authority import SECRET, hanging, open_authority
from support.deadline import until
from trackpush_api.routing import Egress, OAuth2, TlsMaterial
from trackpush_server.outbound.dial import Dialler
from trackpush_server.outbound.exchange import Progress
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.outbound.transport import HttpTransport
from trackpush_server.pusher import policy


async def asked_of(url: str, *, egress: Egress = LOOPBACK, **options: object) -> Answer:
    """One push whose token URL is this one."""
    credentials = OAuth2(token_url=url, client_id="id", client_secret=SECRET)
    push_url = "https://127.0.0.1:9443/hook"
    async with open_sender(push_url, oauth2=credentials, egress=egress, **options) as sender:
        return await sender.post(PUSH_HEADERS, BODY)


async def test_the_private_ca_and_the_client_certificate_hold_for_the_token_url_too() -> None:
    context = server_context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    CLIENTS.configure_trust(context)
    async with open_authority(context=context) as authority, endpoint(authority, context) as server:
        async with opened(authority, server, tls=client_material()) as sender:
            for _ in range(2):
                assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert len(authority.asked) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_client_certificate_is_a_failure_of_tls(version: ssl.TLSVersion) -> None:
    context = server_context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    CLIENTS.configure_trust(context)
    with demanding_server(context) as url:
        for material in (TlsMaterial(ca=CA), client_material(trustme.CA())):
            assert policy.cause(await asked_of(url, tls=material)) == "token: tls"


@pytest.mark.parametrize("reads_first", [True, False])
async def test_a_refusal_that_is_faster_than_the_request_is_a_failure_of_tls(
    monkeypatch: pytest.MonkeyPatch,
    blocked_loop_detector: BlockBuster,
    reads_first: bool,  # noqa: FBT001
) -> None:
    context = server_context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    CLIENTS.configure_trust(context)
    refused = threading.Event()
    dial = Dialler.dial

    async def late(dialler: Dialler, progress: Progress, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        await dial(dialler, progress, protocol)
        if reads_first:
            assert await asyncio.to_thread(refused.wait, 5)
        else:  # the loop is held, so that writing fails before anything is read
            assert refused.wait(5)

    blocked_loop_detector.functions["threading.Lock.acquire"].can_block_in(__file__, "late")
    monkeypatch.setattr(Dialler, "dial", late)
    with demanding_server(context, refused) as url:
        answer = await asked_of(url, tls=client_material(trustme.CA()))
    assert policy.cause(answer) == "token: tls"
    assert "it doesn't know the issuer of spec.tls's client certificate" in str(answer.detail)


@pytest.mark.parametrize("expired", [True, False])
async def test_an_expired_or_unknown_token_endpoint_gets_no_secret(expired: bool) -> None:  # noqa: FBT001
    material = TlsMaterial(ca=CA) if expired else None
    async with open_authority(context=server_context("127.0.0.1", expired=expired)) as authority:
        answer = await failed(authority, tls=material)
        assert policy.cause(answer) == "token: tls"
        assert answer.detail is not None
        assert "its certificate is refused: " in answer.detail
        assert ("expired" if expired else "issuer") in answer.detail
        assert not authority.asked


async def test_the_guard_judges_the_address_of_the_token_url() -> None:
    answer = await asked_of("https://10.1.2.3/token")
    assert (answer.failure, answer.detail) == (Failure.DENIED, answer.detail)
    assert answer.detail is not None
    assert answer.detail.startswith("tokenUrl: pushes may not go to 10.1.2.3")
    transport = HttpTransport(lookup=lambda _: ["169.254.169.254"])
    answer = await asked_of("https://login.example.test/token", transport=transport)
    assert answer.detail is not None
    assert "169.254.169.254" in answer.detail
    assert policy.cause(answer) == f"token: {answer.detail}", "a condition names what was denied"


async def test_plain_http_to_a_token_url_needs_leave() -> None:
    answer = await asked_of("http://127.0.0.1:9080/token", egress=Egress(allowed_cidrs=("127.0.0.0/8",)))
    assert answer.failure is Failure.DENIED
    assert answer.detail is not None
    assert answer.detail.startswith("tokenUrl: plain http is refused")


async def test_token_requests_go_through_the_proxy() -> None:
    context = server_context("127.0.0.1")
    async with (
        serve(tunnel) as proxy,
        open_authority(context=context) as authority,
        endpoint(authority, context) as server,
        opened(authority, server, egress=through(proxy.port), tls=TlsMaterial(ca=CA)) as sender,
    ):
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert proxy.accepted == 2


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with open_authority() as authority, endpoint(authority) as server, opened(authority, server) as sender:
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200


async def test_a_token_endpoint_that_never_answers_ends_at_the_time_out() -> None:
    async with open_authority() as authority:
        authority.override = hanging
        answer = await failed(authority, timeout=1.5)
        assert policy.reason(answer) == "token: timeout: time-out of 1.5 s while waiting for the answer"
        assert 1.5 <= answer.duration < 10


def saying(*pieces: bytes) -> Behaviour:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)

    return answer


async def dripping(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
    await peer.ended()


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (saying(), "token: reset"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Le"), "token: reset"),
        (saying(b"SSH-2.0-OpenSSH\r\n\r\n"), "token: protocol"),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "token: protocol"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), "token: protocol"),
        (silent, "token: timeout"),
        (dripping, "token: timeout"),
    ],
    ids=["closes", "half a head", "not HTTP", "an endless head", "half a body", "silent", "half a body, then silent"],
)
async def test_a_token_endpoint_that_talks_nonsense_is_reported_in_a_word(behaviour: Behaviour, cause: str) -> None:
    async with serve(behaviour) as server:
        answer = await asked_of(server.url, timeout=0.3)
        assert policy.cause(answer) == cause
        assert SECRET not in str(answer.detail)


async def test_closing_ends_pushes_that_wait_for_a_token() -> None:
    async with open_authority() as authority, endpoint(authority) as server, opened(authority, server) as sender:
        authority.override = hanging
        posts = [sender.post(PUSH_HEADERS, BODY) for _ in range(3)]
        await until(lambda: bool(authority.asked), seconds=5, what="the token request")
        await sender.close()
        assert {policy.reason(post.result()) for post in posts} == {"token: reset: the sender was closed"}
        assert (await sender.post(PUSH_HEADERS, BODY)).failure is Failure.TOKEN


async def test_closing_before_the_token_request_has_begun_ends_its_pushes_too() -> None:
    async with open_authority() as authority, endpoint(authority) as server, opened(authority, server) as sender:
        post = sender.post(PUSH_HEADERS, BODY)
        await asyncio.sleep(0)
        await sender.close()
        assert post.result().failure is Failure.TOKEN
