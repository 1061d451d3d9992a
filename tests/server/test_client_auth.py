"""A running server authenticates itself to clients over TLS, and takes up a changed Secret while it runs."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate

from support.authority import CLIENT, SECRET, open_authority
from support.deadline import until
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import ServerProcess, running
from support.sink import Arrival, open_sink

AUTHORITY = trustme.CA()
CLIENTS = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()


def context(*, demands_certificate: bool = False) -> ssl.SSLContext:
    """Of a TLS server on loopback, whose certificate the private CA has issued."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(made)
    if demands_certificate:
        made.verify_mode = ssl.CERT_REQUIRED
        CLIENTS.configure_trust(made)
    return made


def source(key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "keys", "key": key}}


def certificate(authority: trustme.CA = CLIENTS) -> dict[str, str]:
    """Values of the Secret: a client certificate and its key."""
    issued = authority.issue_cert("trackpush@acme.example.test")
    return {
        "ca": CA,
        "tls.crt": "".join(blob.bytes().decode() for blob in issued.cert_chain_pems),
        "tls.key": issued.private_key_pem.bytes().decode(),
    }


def serial(secrets: dict[str, str]) -> str:
    """Serial number of the client certificate, as OpenSSL spells it."""
    digits = f"{load_pem_x509_certificate(secrets['tls.crt'].encode()).serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)  # whole bytes


TLS = {"ca": source("ca"), "certificate": source("tls.crt"), "privateKey": source("tls.key")}
QUICK = {"retry": {"schedule": ["100ms"]}}


async def troubles(server: ServerProcess) -> str:
    return (await server.probe("/undelivered")).text


async def until_trouble(server: ServerProcess, text: str) -> None:
    """Wait until /undelivered tells this."""
    told = ""
    for _ in range(300):
        told = await troubles(server)
        if text in told:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{text!r} was not told: {told}")


async def test_basic_and_bearer_arrive_as_the_rfcs_say(tmp_path: Path) -> None:
    basic = {"basic": {"username": source("user"), "password": source("password")}}
    bearer = {"bearer": {"token": source("token")}}
    values = {"user": "track", "password": "pa:ss", "token": "fixed-token"}
    async with open_sink() as sink:
        clients = [
            Client(name="one", url=sink.url, auth=basic, secrets=values),
            Client(name="two", url=sink.url, auth=bearer, secrets=values),
        ]
        async with running(write(tmp_path / "resources", clients), tmp_path / "data") as server:
            for mark, client in enumerate(clients):
                async with open_aggregator(server.url, client) as aggregator:
                    await aggregator.post(mark)
            await until(lambda: sink.marks == {0, 1}, seconds=5, what="both")
        headers = {arrival.mark: arrival.headers["authorization"] for arrival in sink.arrivals}
        assert headers[0] == aiohttp.encode_basic_auth("track", "pa:ss")
        assert headers[1] == "Bearer fixed-token"


async def test_oauth2_over_tls_with_a_private_ca_and_a_secret_that_is_changed_while_it_runs(tmp_path: Path) -> None:
    async with open_authority(context=context()) as authority:

        async def judge(arrival: Arrival) -> int:
            return 200 if authority.takes(arrival.headers.get("authorization", "")) else 401

        async with open_sink(judge, context=context()) as sink:
            auth = {
                "oauth2ClientCredentials": {
                    "tokenUrl": authority.url,
                    "clientId": source("id"),
                    "clientSecret": source("secret"),
                    "scopes": ["push"],
                }
            }
            client = Client(
                name="acme",
                url=sink.url,
                auth=auth,
                tls={"ca": source("ca")},
                delivery=QUICK,
                secrets={"id": CLIENT, "secret": SECRET, "ca": CA},
            )
            folder = write(tmp_path / "resources", [client])
            async with (
                running(folder, tmp_path / "data") as server,
                open_aggregator(server.url, client) as aggregator,
            ):
                await aggregator.many(range(20))
                await until(lambda: len(sink.marks) == 20, seconds=5, what="pushes with a token")
                assert len(authority.asked) == 1

                authority.valid.clear()
                authority.secret = "the rotated one"
                await aggregator.many(range(20, 30))
                await until_trouble(server, "token: HTTP 401 invalid_client")
                assert len(sink.marks) == 30, "they were refused: the token was revoked"

                secrets = {"id": CLIENT, "secret": "the rotated one", "ca": CA}
                write(folder, [msgspec.structs.replace(client, secrets=secrets)])

                def taken() -> set[int | None]:
                    return {
                        arrival.mark for arrival in sink.arrivals if authority.takes(arrival.headers["authorization"])
                    }

                await until(lambda: taken() == set(range(20, 30)), seconds=10, what="all, with the new secret")
                assert "acme/push" not in await troubles(server)
                log = server.tail(10_000)
            for secret in (SECRET, "the rotated one", *authority.issued):
                assert secret not in log


async def test_a_client_certificate_that_is_changed_while_it_runs_is_shown_on_new_connections_only(
    tmp_path: Path,
) -> None:
    old, new = certificate(), certificate()
    async with open_sink(context=context(demands_certificate=True)) as sink:
        client = Client(name="acme", url=sink.url, tls=TLS, delivery=QUICK, secrets=old)
        folder = write(tmp_path / "resources", [client])
        async with running(folder, tmp_path / "data") as server, open_aggregator(server.url, client) as aggregator:
            await aggregator.many(range(20))
            await until(lambda: len(sink.marks) == 20, seconds=5, what="pushes with the old certificate")
            before = {arrival.port for arrival in sink.arrivals}
            assert {arrival.certificate for arrival in sink.arrivals} == {serial(old)}
            since = len(server.log)
            write(folder, [msgspec.structs.replace(client, secrets=new)])
            await until(
                lambda: server.logged("routing_table_loaded", since=since) is not None, seconds=5, what=server.tail
            )
            await aggregator.many(range(20, 40))
            await until(lambda: len(sink.marks) == 40, seconds=5, what="pushes with the new certificate")
            after = [arrival for arrival in sink.arrivals if arrival.mark is not None and arrival.mark >= 20]
            assert {arrival.certificate for arrival in after} == {serial(new)}
            assert not before & {arrival.port for arrival in after}, "no connection of the old version is used again"


@pytest.mark.parametrize("wrong", ["ca", "certificate"])
async def test_a_wrong_ca_or_a_certificate_of_strangers_is_reported_until_the_secret_is_right(
    tmp_path: Path, wrong: str
) -> None:
    right = certificate()
    stranger = trustme.CA()
    secrets = {**right, "ca": stranger.cert_pem.bytes().decode()} if wrong == "ca" else certificate(stranger)
    async with open_sink(context=context(demands_certificate=True)) as sink:
        client = Client(name="acme", url=sink.url, tls=TLS, delivery=QUICK, secrets=secrets)
        folder = write(tmp_path / "resources", [client])
        async with running(folder, tmp_path / "data") as server, open_aggregator(server.url, client) as aggregator:
            await aggregator.many(range(8))
            # asyncio's servers end without telling why; what a refused certificate is called is in test_tls.
            await until_trouble(server, "with: tls" if wrong == "ca" else "with: ")
            write(folder, [msgspec.structs.replace(client, secrets=right)])
            await until(lambda: len(sink.marks) == 8, seconds=10, what=server.tail)
