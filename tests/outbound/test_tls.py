"""TLS: what is verified, and what a failure is called. Certificates are made by trustme for each run."""

import asyncio
import contextlib
import datetime as dt
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from outbound.kit import BODY, BOTH, OURS, PUSH_HEADERS, open_sender, post_once
from outbound.servers import OK, Peer, always, polite, serve
from trackpush_api.routing import TlsMaterial
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.tls import build_context

both = pytest.mark.parametrize("which", BOTH)
AUTHORITY = trustme.CA()
CLIENTS = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()


def server_context(*names: str, expired: bool = False) -> ssl.SSLContext:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = AUTHORITY.issue_cert(*names, not_after=past if expired else None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def client_material(authority: trustme.CA = CLIENTS, *, expired: bool = False) -> TlsMaterial:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = authority.issue_cert("client@acme.example.test", not_after=past if expired else None)
    return TlsMaterial(
        ca=CA,
        certificate="".join(blob.bytes().decode() for blob in certificate.cert_chain_pems),
        private_key=certificate.private_key_pem.bytes().decode(),
    )


@both
async def test_a_verified_connection_delivers_and_is_kept(which: str) -> None:
    async with (
        serve(polite, context=server_context("127.0.0.1")) as server,
        open_sender(server.url, which=which, tls=TlsMaterial(ca=CA)) as sender,
    ):
        for _ in range(3):
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert server.accepted == 1


@both
async def test_a_large_body_and_a_large_answer_pass_through_tls(which: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
    async with (
        serve(always(answer), context=server_context("127.0.0.1")) as server,
        open_sender(server.url, which=which, tls=TlsMaterial(ca=CA)) as sender,
    ):
        for _ in range(2):
            assert (await sender.post(PUSH_HEADERS, b"y" * 1_000_000)).status == 200
        assert [len(request) > 1_000_000 for request in server.requests] == [True, True]
        assert server.accepted == 1


@both
@pytest.mark.parametrize("names", [("localhost",), ("other.example.test",)])
async def test_the_host_name_is_checked_and_sent(which: str, names: tuple[str, ...]) -> None:
    asked: list[str | None] = []
    context = server_context(*names)
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with serve(polite, context=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        answer = await post_once(url, which=which, tls=TlsMaterial(ca=CA))
        assert asked == ["localhost"]
        if names == ("localhost",):
            assert answer.status == 200
        else:
            assert answer.failure is Failure.TLS
            assert not server.requests


@both
@pytest.mark.parametrize("expired", [True, False])
async def test_an_expired_certificate_or_an_unknown_ca_is_refused(which: str, expired: bool) -> None:  # noqa: FBT001
    material = TlsMaterial(ca=CA) if expired else None
    async with serve(polite, context=server_context("127.0.0.1", expired=expired)) as server:
        answer = await post_once(server.url, which=which, tls=material)
        assert answer.failure is Failure.TLS
        assert not server.requests, "not a byte of a push goes to a server that isn't verified"
        if which == OURS:
            assert answer.detail is not None
            assert ("expired" if expired else "issuer") in answer.detail


async def test_a_certificate_is_judged_by_its_subject_alternative_names_only() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("someone@acme.example.test", common_name="localhost").configure_cert(context)
    async with serve(polite, context=context) as server:
        answer = await post_once(server.url.replace("127.0.0.1", "localhost"), tls=TlsMaterial(ca=CA))
        assert answer.failure is Failure.TLS
        assert not server.requests


async def test_an_intermediate_certificate_may_be_the_anchor_of_trust() -> None:
    intermediate = AUTHORITY.create_child_ca()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    intermediate.issue_cert("127.0.0.1").configure_cert(context)
    async with serve(polite, context=context) as server:
        material = TlsMaterial(ca=intermediate.cert_pem.bytes().decode())
        assert (await post_once(server.url, tls=material)).status == 200


def test_what_is_verified_does_not_depend_on_the_version_of_python() -> None:
    context = build_context(None)
    assert ssl.VERIFY_X509_PARTIAL_CHAIN in context.verify_flags
    assert ssl.VERIFY_X509_STRICT not in context.verify_flags
    assert (context.check_hostname, context.hostname_checks_common_name) == (True, False)


@both
async def test_an_old_tls_version_is_refused(which: str) -> None:
    context = server_context("127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serve(polite, context=context) as server:
        answer = await post_once(server.url, which=which, tls=TlsMaterial(ca=CA))
        # aiohttp calls a connection that ends during the handshake a reset.
        assert answer.failure is Failure.TLS or (which != OURS and answer.failure is Failure.CONNECT)


@both
async def test_plain_http_on_the_tls_port_is_a_tls_failure(which: str) -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await peer.ended()

    async with serve(plain) as server:
        answer = await post_once(server.url.replace("http:", "https:"), which=which)
        assert answer.failure is Failure.TLS


async def test_a_connection_that_ends_during_the_handshake_is_a_tls_failure() -> None:
    async def rude(peer: Peer) -> None:
        await peer.reader.read(1)

    async with serve(rude) as server:
        assert (await post_once(server.url.replace("http:", "https:"))).failure is Failure.TLS


async def test_a_handshake_that_never_ends_is_a_time_out_that_says_so() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.ended()

    async with serve(deaf) as server:
        answer = await post_once(server.url.replace("http:", "https:"), timeout=0.3)
        assert answer.failure is Failure.TIMEOUT
        assert answer.detail is not None
        assert "TLS" in answer.detail


@contextlib.contextmanager
def demanding_server(context: ssl.SSLContext, refused: threading.Event | None = None) -> Iterator[str]:
    """A server in a thread on blocking sockets: unlike asyncio's, it sends the alert before it ends.

    ``refused`` is set when it has ended a connection on which it had refused the client's certificate.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with accepted, contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as secured:
                secured.settimeout(5)
                secured.recv(65536)
                secured.sendall(OK)
                continue
            if refused is not None:
                refused.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@both
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_shown_to_who_demands_it(which: str, version: ssl.TLSVersion) -> None:
    context = server_context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    CLIENTS.configure_trust(context)
    with demanding_server(context) as url:
        assert (await post_once(url, which=which, tls=client_material())).status == 200
        for material in (TlsMaterial(ca=CA), client_material(trustme.CA())):
            answer = await post_once(url, which=which, tls=material)
            if which == OURS:
                assert answer.failure is Failure.TLS
            else:  # with TLS 1.3 the refusal comes after the handshake, where aiohttp calls it a lost connection
                assert answer.failure in {Failure.TLS, Failure.RESET}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_client_certificate_is_reported_with_what_to_do(version: ssl.TLSVersion) -> None:
    context = server_context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    CLIENTS.configure_trust(context)
    with demanding_server(context) as url:
        expired = await post_once(url, tls=client_material(expired=True))
        assert expired.failure is Failure.TLS
        assert "finds the client certificate of spec.tls expired; renew it in its Secret" in str(expired.detail)
        stranger = await post_once(url, tls=client_material(trustme.CA()))
        assert "unknown ca: it doesn't know the issuer of spec.tls's client certificate" in str(stranger.detail)
        if version is ssl.TLSVersion.TLSv1_3:  # before it there was no such alert
            missing = await post_once(url, tls=TlsMaterial(ca=CA))
            assert "it demands a client certificate; set spec.tls.certificate and privateKey" in str(missing.detail)


async def test_destinations_with_the_same_material_share_a_context_and_work_at_once() -> None:
    async with (
        serve(polite, context=server_context("127.0.0.1")) as server,
        open_sender(server.url, tls=TlsMaterial(ca=CA), max_concurrency=8) as sender,
    ):
        answers = await asyncio.gather(*(sender.post(PUSH_HEADERS, BODY) for _ in range(40)))
        assert {answer.status for answer in answers} == {200}


def test_a_client_key_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    build_context(client_material())
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    monkeypatch.delattr(os, "memfd_create")
    build_context(client_material())
    assert list(tmp_path.iterdir()) == []


ENCRYPTED_KEY = """-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00000000000000000000000000000000

AAAA
-----END RSA PRIVATE KEY-----
"""
GOOD = client_material()


@pytest.mark.parametrize(
    "material",
    [
        TlsMaterial(ca="not PEM"),
        TlsMaterial(ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        TlsMaterial(certificate=GOOD.certificate),
        TlsMaterial(certificate=GOOD.certificate, private_key="not PEM"),
        TlsMaterial(certificate=GOOD.certificate, private_key=client_material().private_key),
        TlsMaterial(certificate=GOOD.certificate, private_key=ENCRYPTED_KEY),
    ],
    ids=["no PEM", "no certificate", "no key", "key is no PEM", "key of another", "encrypted key"],
)
async def test_material_that_cannot_be_used_fails_with_what_is_wrong_and_never_with_the_key(
    material: TlsMaterial,
) -> None:
    with pytest.raises(AttemptError) as caught:
        build_context(material)
    assert caught.value.failure is Failure.TLS
    assert caught.value.detail.startswith("spec.tls: ")
    async with serve(polite) as server:
        answer = await post_once(server.url.replace("http:", "https:"), tls=material)
        assert answer.failure is Failure.TLS
        assert answer.detail == caught.value.detail
