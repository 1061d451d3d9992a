"""A definition of the routing table is served as its authentication and its limits say."""

import gzip
import json
import time
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from support.deadline import until
from support.definitions import KEY_PLACES, NAME, SIGNATURE, body, definition, signed
from support.serving import HeldSource, account, reception, serving, table
from support.sink import Sink, open_sink
from trackpush_api.routing import (
    Account,
    Definition,
    Destination,
    GraceKey,
    KeyPlaces,
    RoutingTable,
    Signature,
    Tenant,
    digest_key,
)
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.receiver import signatures
from trackpush_server.server import Server
from trackpush_server.tenancy import divide

SIGNED = definition(signature=SIGNATURE, key_places=KEY_PLACES)
TWO_KEYS = definition(all_of=(KeyPlaces(headers=("X-User",)), KeyPlaces(headers=("X-Password",))))
STORED = (200, {"accepted": 1, "duplicates": 0})
PROBE = (200, {"accepted": 0, "duplicates": 0})


def given(defined: Definition, *accounts: Account, **more: Any) -> RoutingTable:
    own = accounts or (account(NAME, "right", "newer", signs=defined.signature is not None),)
    builtin = account(Aggregator.CLICKPOST, "right-key-of-clickpost")
    return table(*own, builtin, definitions=[defined], **more)


def url(server: Server, suffix: str = "") -> str:
    return f"http://{server.address}/rms/in/api/{NAME}/notify{suffix}"


async def post(
    client: aiohttp.ClientSession,
    server: Server,
    content: bytes,
    headers: dict[str, str] | None = None,
    suffix: str = "",
) -> tuple[int, Any]:
    async with client.post(url(server, suffix), data=content, headers=headers or {}) as answer:
        return answer.status, json.loads(await answer.read())


@pytest.mark.parametrize(
    ("headers", "suffix"),
    [
        ({"X-Parcel-Key": "right"}, ""),
        ({"X-Parcel-Key": "Bearer right"}, ""),
        ({"Authorization": "newer"}, ""),
        ({}, "?secret=right"),
        ({}, "?token=newer"),
        ({}, "/right"),
        ({"X-Parcel-Key": "wrong"}, "/right"),
    ],
)
async def test_a_key_is_found_in_the_places_of_the_definition_and_in_the_general_ones(
    tmp_path: Path, client: aiohttp.ClientSession, headers: dict[str, str], suffix: str
) -> None:
    async with serving(tmp_path, given(definition(key_places=KEY_PLACES))) as server:
        assert await post(client, server, body(), headers, suffix) == STORED


async def test_a_key_in_a_place_of_another_aggregator_is_no_key(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    key = {"X-Parcel-Key": "right-key-of-clickpost"}
    async with serving(tmp_path, given(definition(key_places=KEY_PLACES))) as server:
        clickpost = f"http://{server.address}/rms/in/api/clickpost/notify"
        async with client.post(clickpost, data=b'{"waybill": "1", "clickpost_status_code": 8}', headers=key) as answer:
            assert answer.status == 401
        status, said = await post(client, server, body(), key)
        assert (status, said["error"]) == (401, "unauthorized")


async def test_a_refusal_names_the_places_of_this_aggregator(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    for defined, words in (
        (definition(key_places=KEY_PLACES), ("X-Parcel-Key", "Authorization", "?secret=", "/notify/KEY")),
        (SIGNED, ("X-Parcel-Signature", "HMAC-SHA256", "Hex", "sha256=", "/notify/KEY")),
        (TWO_KEYS, ("X-User", "X-Password", "/notify/KEY")),
    ):
        async with serving(tmp_path / str(len(words)) / defined.name, given(defined)) as server:
            status, said = await post(client, server, body())
            assert status == 401
            assert all(word in said["message"] for word in words), said["message"]


@pytest.mark.parametrize("receivers", [0, 1])
async def test_a_signature_by_any_key_of_an_account_authenticates_and_names_the_account(
    tmp_path: Path, client: aiohttp.ClientSession, receivers: int
) -> None:
    accounts = [account(NAME, "right", "newer", signs=True), account(NAME, "other", name="umbra/parcelkit", signs=True)]
    async with serving(tmp_path, given(SIGNED, *accounts), receivers=receivers) as server:
        for number, secret in enumerate(("right", "newer", "other")):
            content = body(f"70{number}")
            assert await post(client, server, content, signed(content, secret)) == STORED
        async with client.get(f"http://{server.admin_address}/api/v1/pushes") as answer:
            found = await answer.json()
    assert sorted((push["awb"], push["account"]) for push in found["pushes"]) == [
        ("700", "acme/parcelkit"),
        ("701", "acme/parcelkit"),
        ("702", "umbra/parcelkit"),
    ]


async def test_a_missing_or_wrong_signature_is_401(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    content = body()
    wrong = [
        {},
        signed(content, "stranger"),
        signed(content + b" ", "right"),
        {SIGNATURE.header: "sha256=" + "0" * 63},
        {SIGNATURE.header: ""},
        {SIGNATURE.header: signed(content, "right")[SIGNATURE.header].removeprefix("sha256=")},
        {"X-Parcel-Key": "right"},
        {"Authorization": "Bearer right"},
        {"X-Parcel-Key": "right"} | signed(content, "stranger"),
    ]
    async with serving(tmp_path, given(SIGNED)) as server:
        for headers in wrong:
            assert (await post(client, server, content, headers))[0] == 401, headers
        assert (await post(client, server, content, suffix="?token=right"))[0] == 401
        assert (await post(client, server, content, signed(content, "stranger"), "/right"))[0] == 401
        assert (await post(client, server, content, suffix="/wrong"))[0] == 401
        assert await post(client, server, content, signed(content, "right")) == STORED


async def test_a_key_in_the_path_is_enough_and_a_signature_beside_it_must_be_valid(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, given(SIGNED)) as server:
        assert await post(client, server, body("1"), suffix="/right") == STORED
        assert await post(client, server, body("2"), signed(body("2"), "newer"), "/right") == STORED
        assert (await post(client, server, body("3"), signed(body("3"), "stranger"), "/right"))[0] == 401


async def test_the_signature_must_be_of_the_account_whose_key_is_in_the_head(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    accounts = [account(NAME, "right", "newer", signs=True), account(NAME, "other", name="umbra/parcelkit", signs=True)]
    key = {"X-Parcel-Key": "right"}
    async with serving(tmp_path, given(SIGNED, *accounts)) as server:
        assert (await post(client, server, body("1"), key | signed(body("1"), "other")))[0] == 401
        assert await post(client, server, body("1"), key | signed(body("1"), "newer")) == STORED
        unknown = {"X-Parcel-Key": "a former key"}
        assert await post(client, server, body("2"), unknown | signed(body("2"), "other")) == STORED


async def test_a_compressed_body_may_be_signed_as_sent_or_unpacked(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    encoding = {"Content-Encoding": "gzip"}
    async with serving(tmp_path, given(SIGNED)) as server:
        for number, key in enumerate(({}, {"X-Parcel-Key": "right"})):
            content = body(f"70{number}")
            packed = gzip.compress(content)
            assert await post(client, server, packed, encoding | key | signed(packed, "right")) == STORED
            content = body(f"80{number}")
            packed = gzip.compress(content)
            assert await post(client, server, packed, encoding | key | signed(content, "right")) == STORED
            assert (await post(client, server, packed, encoding | key | signed(content, "stranger")))[0] == 401


@pytest.mark.parametrize("encoding", ["Hex", "Base64"])
async def test_encodings_and_prefixes_are_those_of_the_definition(
    tmp_path: Path, client: aiohttp.ClientSession, encoding: Any
) -> None:
    written = Signature(header="aftership-hmac-sha256", encoding=encoding)
    async with serving(tmp_path, given(definition(signature=written))) as server:
        assert await post(client, server, body(), signed(body(), "right", written)) == STORED


async def test_probes_of_a_signing_aggregator_need_no_signature_and_anything_else_does(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, given(SIGNED)) as server:
        for content in (b"", b"{}", b'{"shipments": []}'):
            assert await post(client, server, content) == PROBE, content
        async with client.get(url(server)) as answer:
            assert answer.status == 200
        assert (await post(client, server, b'{"event": "ping"}'))[0] == 401
        assert (await post(client, server, b"{}", signed(b"{}", "stranger")))[0] == 401
        assert (await post(client, server, b'{"event": "ping"}', signed(b'{"event": "ping"}', "right")))[1] == {
            "accepted": 0,
            "duplicates": 0,
            "unrecognised": 1,
        }


async def test_two_headers_must_have_different_keys_of_the_same_account(
    tmp_path: Path, client: aiohttp.ClientSession, log: StringIO
) -> None:
    user, password = {"X-User": "right"}, {"X-Password": "newer"}
    async with serving(tmp_path, given(TWO_KEYS)) as server:
        for wrong in (
            user,
            password,
            user | {"X-Password": "right"},
            user | {"X-Password": "wrong"},
            {"X-Api-Key": "right"},
        ):
            assert (await post(client, server, body(), wrong))[0] == 401, wrong
        assert (await post(client, server, body(), suffix="?key=right"))[0] == 401
        assert await post(client, server, b"{}") == PROBE
        assert await post(client, server, body("1"), user | password) == STORED
        assert await post(client, server, body("2"), suffix="/right") == STORED
    assert "newer" not in log.getvalue()


async def test_two_headers_and_a_signature_are_all_required(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    both = definition(all_of=TWO_KEYS.all_of, signature=SIGNATURE)
    headers, content = {"X-User": "right", "X-Password": "newer"}, body()
    async with serving(tmp_path, given(both)) as server:
        assert (await post(client, server, content, headers))[0] == 401
        assert (await post(client, server, content, signed(content, "right")))[0] == 401
        assert (await post(client, server, content, headers | signed(content, "stranger")))[0] == 401
        assert await post(client, server, content, headers | signed(content, "right")) == STORED


async def test_keys_and_secrets_that_a_body_repeats_are_not_stored(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    secrets = ("first-secret-key", "second-secret-key")
    async with open_sink() as sink:
        destination = Destination(name="acme/push", url=sink.url, payload_format="Raw")
        for number, (defined, headers) in enumerate(
            (
                (TWO_KEYS, {"X-User": secrets[0], "X-Password": secrets[1]}),
                (SIGNED, {"X-Parcel-Key": secrets[0]}),
            )
        ):
            content = body(note=" ".join(secrets))
            own = account(NAME, *secrets, signs=defined.signature is not None)
            sending = headers if defined.signature is None else headers | signed(content, secrets[1])
            async with serving(tmp_path / str(number), given(defined, own, destinations=[destination])) as server:
                assert await post(client, server, content, sending) == STORED
                arrived = await _next(sink, number + 1)
            assert b"secret-key" not in arrived
            assert arrived.count(b"[redacted]") == len(secrets)


async def test_a_new_table_serves_other_keys_and_definitions(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    source = HeldSource(given(SIGNED))
    content = body()
    async with serving(tmp_path, source=source) as server:
        assert await post(client, server, content, signed(content, "right")) == STORED
        new = given(definition(path="parcels"), account(NAME, "k"))
        source.loaded = Loaded(table=new)
        await until(lambda: _table(server) == new, seconds=60, what="the new table")
        assert (await post(client, server, content, signed(content, "right")))[0] == 404
        path = f"http://{server.address}/rms/in/api/parcels/notify"
        async with client.post(path, data=body("2"), headers={"X-Api-Key": "k"}) as answer:
            assert (answer.status, await answer.json()) == STORED


async def test_a_signature_may_be_by_a_key_in_grace_so_it_is_sent_back(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    now, content = int(time.time()), body()
    for until_, status in ((now + 60, 503), (now - 1, 401)):
        grace = (GraceKey(digest=digest_key("deleted"), until=until_),)
        held_back = msgspec.structs.replace(account(NAME, "right", signs=True), grace=grace)
        async with serving(tmp_path / str(status), given(SIGNED, held_back)) as server:
            assert (await post(client, server, content, signed(content, "deleted")))[0] == status
            assert (await post(client, server, content, suffix="/deleted"))[0] == status
            assert (await post(client, server, content))[0] == 401
            assert await post(client, server, content, signed(content, "right")) == STORED


def test_a_client_that_is_held_back_verifies_no_signature() -> None:
    tenant = Tenant(uid="6f1c0000-0000-4000-8000-000000000001")
    own = msgspec.structs.replace(account(NAME, "right", signs=True), tenant=tenant)

    (divided,) = divide(given(SIGNED, own), {}).table.accounts[:1]

    assert (divided.name, divided.secrets, divided.key_digests) == (own.name, (), ())
    assert [key.digest for key in divided.grace] == list(own.key_digests)


async def test_the_secrets_of_many_accounts_are_tried_and_not_more_than_the_bound(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signatures, "MOST_SECRETS", 20)
    accounts = [account(NAME, f"secret-{number}", name=f"c{number:02}/p", signs=True) for number in range(40)]
    async with serving(tmp_path, given(SIGNED, *accounts)) as server:
        assert (await post(client, server, body(), signed(body(), "secret-20")))[0] == 401
        assert await post(client, server, body(), signed(body(), "secret-19")) == STORED
        assert (await post(client, server, body("2"), signed(body("2"), "secret-39")))[0] == 401
        assert await post(client, server, body("2"), signed(body("2"), "secret-39"), "/secret-39") == STORED


async def test_a_definition_that_this_server_cannot_compile_keeps_all_bodies(
    tmp_path: Path, client: aiohttp.ClientSession, log: StringIO
) -> None:
    newer = definition(spec='{"path": "parcelkit", "language": 2}')
    async with serving(tmp_path, given(newer)) as server:
        assert await post(client, server, body(), {"X-Api-Key": "right"}) == (200, PROBE[1] | {"unrecognised": 1})
        assert (await post(client, server, body()))[0] in {200, 401}
    assert "definition_unusable" in log.getvalue()


def _table(server: Server) -> RoutingTable | None:
    now = reception(server).receiver.serving
    return now and now.table


async def _next(sink: Sink, count: int) -> bytes:
    await until(lambda: len(sink.arrivals) >= count, seconds=60, what="the push")
    return sink.arrivals[count - 1].body


@pytest.mark.parametrize("receivers", [0, 1])
async def test_while_a_definition_can_not_be_loaded_a_post_to_its_url_is_sent_back(
    tmp_path: Path, client: aiohttp.ClientSession, receivers: int
) -> None:
    source = HeldSource(table())
    source.loaded = Loaded(table=table(), complete=False)
    async with serving(tmp_path, source=source, receivers=receivers) as server:
        assert (await post(client, server, body()))[0] == 503
        async with client.get(url(server)) as answer:
            assert answer.status == 404
        async with client.post(f"http://{server.address}/elsewhere", data=body()) as answer:
            assert answer.status == 404
    async with serving(tmp_path / "complete", table(), receivers=receivers) as server:
        assert (await post(client, server, body()))[0] == 404
