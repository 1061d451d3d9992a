"""The key is found in every place that the README names, in order, and a wrong one says nothing."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from support.bodies import body
from support.rows import every_row
from support.serving import account, serving, table
from trackpush_api.routing import KeyPlaces
from trackpush_api.vocabulary import Aggregator
from trackpush_server.receiver import keys
from trackpush_server.server import Server

KEY = "ümlaut/+ key=1&%"
ASCII_KEY = "k-1/+=&%?"
_SHIPMENTS = itertools.count(1)


def test_candidates_come_in_the_documented_order() -> None:
    headers = CIMultiDict(
        {"Authorization": "Bearer 5", "X-API-Key": "3", "webhook-key": "2", "WEBHOOK_KEY": "1"},
    )

    found = list(keys.candidates(headers, "token=7&other=x&key=8", "9%2F"))

    assert found == ["1", "2", "3", "Bearer 5", "5", "7", "8", "9/"]


def test_a_repeated_header_gives_all_its_values() -> None:
    headers = CIMultiDict([("x-api-key", "1"), ("x-api-key", "2")])

    assert list(keys.candidates(headers, "", None)) == ["1", "2"]


def test_a_query_with_too_many_fields_holds_no_key() -> None:
    assert list(keys.candidates(CIMultiDict(), "&".join(["key=1"] * 1000), None)) == []


@pytest.fixture
async def ascii_server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path, table(account(Aggregator.CLICKPOST, ASCII_KEY))) as server:
        yield server


@every_row(
    ("headers", "suffix"),
    [
        ({"webhook_key": ASCII_KEY}, ""),
        ({"webhook-key": ASCII_KEY}, ""),
        ({"x-api-key": ASCII_KEY}, ""),
        ({"Authorization": ASCII_KEY}, ""),
        ({"Authorization": f"Bearer {ASCII_KEY}"}, ""),
        ({"Authorization": f"bearer {ASCII_KEY}"}, ""),
        ({}, f"?key={quote(ASCII_KEY, safe='')}"),
        ({}, f"?a=b&token={quote(ASCII_KEY, safe='')}"),
        ({}, f"/{quote(ASCII_KEY, safe='')}"),
        ({}, f"/{quote(ASCII_KEY, safe='')}/"),
        ({"webhook_key": "wrong", "x-api-key": ASCII_KEY}, ""),
        ({"webhook_key": "wrong"}, f"?key={quote(ASCII_KEY, safe='')}"),
    ],
)
async def test_every_place_is_accepted_and_a_wrong_key_in_an_earlier_one_does_not_matter(
    ascii_server: Server, client: aiohttp.ClientSession, headers: dict[str, str], suffix: str
) -> None:
    answer = await _post(client, ascii_server.address, suffix, headers)

    assert answer == (200, {"accepted": 1, "duplicates": 0})


async def test_a_key_of_any_characters_works_in_a_query(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, table(account(Aggregator.CLICKPOST, KEY))) as server:
        answer = await _post(client, server.address, f"?key={quote(KEY, safe='')}", {})

    assert answer[0] == 200


async def test_a_plus_that_was_pasted_into_a_url_is_taken_for_a_plus(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, table(account(Aggregator.CLICKPOST, "abc+def=="))) as server:
        assert (await _post(client, server.address, "?key=abc+def==", {}))[0] == 200


async def test_shipways_hash_in_the_body_is_a_key_for_shipway_only(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    content = body("shipway", mark=1, shipment=1, second=1).replace(b"{", b'{"hash": "right-key-of-shipway", ', 1)
    other = body("clickpost", mark=1, shipment=1, second=1).replace(b"{", b'{"hash": "right-key-of-clickpost", ', 1)
    async with serving(tmp_path) as server:
        url = f"http://{server.address}/rms/in/api"
        async with client.post(f"{url}/shipway/notify", data=content) as answer:
            assert answer.status == 200
        async with client.post(f"{url}/clickpost/notify", data=other) as answer:
            assert answer.status == 401


async def test_a_key_of_another_aggregator_is_refused(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path) as server:
        assert (await _post(client, server.address, "", {"webhook_key": "right-key-of-shipway"}))[0] == 401


async def test_a_wrong_key_and_no_key_get_the_same_answer(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path) as server:
        wrong = await _post(client, server.address, "", {"webhook_key": "wrong"})
        none = await _post(client, server.address, "", {})

    assert wrong == none
    assert wrong[0] == 401


async def _post(
    client: aiohttp.ClientSession, address: str, suffix: str, headers: dict[str, str]
) -> tuple[int, dict[str, object]]:
    url = URL(f"http://{address}/rms/in/api/clickpost/notify{suffix}", encoded=True)
    content = body("clickpost", mark=1, shipment=next(_SHIPMENTS), second=1)
    async with client.post(url, data=content, headers=headers) as answer:
        return answer.status, await answer.json()


def test_places_of_a_definition_come_first_and_a_scheme_before_the_key_may_be_there() -> None:
    headers = CIMultiDict({"X-API-Key": "4", "X-Parcel-Key": "Token 1", "Authorization": "Bearer 6"})
    places = KeyPlaces(headers=("x-parcel-key",), query=("secret",))

    found = list(keys.candidates(headers, "secret=3&key=7", None, places))

    assert found == ["Token 1", "1", "3", "4", "Bearer 6", "6", "7"]


USER_AND_PASSWORD = (KeyPlaces(headers=("X-User",)), KeyPlaces(headers=("X-Password",), query=("password",)))
TWO_CLIENTS = table(
    account("parcelkit", "user-1", "password-1", name="acme/parcelkit"),
    account("parcelkit", "user-2", "password-2", name="umbra/parcelkit"),
    account("parcelkit", "only", name="single/parcelkit"),
)


@every_row(
    ("headers", "query", "client"),
    [
        ({"X-User": "user-1", "X-Password": "password-1"}, "", "acme/parcelkit"),
        ({"X-User": "password-1", "X-Password": "user-1"}, "", "acme/parcelkit"),
        ({"X-User": "user-2"}, "password=password-2", "umbra/parcelkit"),
        ({"X-User": "only", "X-Password": "only"}, "", "single/parcelkit"),
        ({"X-User": "user-1", "X-Password": "user-1"}, "", None),
        ({"X-User": "user-1", "X-Password": "password-2"}, "", None),
        ({"X-User": "user-1", "X-Password": "wrong"}, "", None),
        ({"X-User": "user-1"}, "", None),
        ({"X-Password": "password-1"}, "", None),
        ({"X-User": "user-1", "Authorization": "password-1"}, "", None),
        ({}, "", None),
    ],
)
def test_all_places_must_have_different_keys_of_one_account(
    headers: dict[str, str], query: str, client: str | None
) -> None:
    match = keys.find_all_of(TWO_CLIENTS, "parcelkit", USER_AND_PASSWORD, CIMultiDict(headers), query)

    assert (match and match.account.name) == client
    assert match is None or {match.key, *match.others} == {*headers.values(), *query.split("=")[1:]}


def test_of_repeated_headers_one_with_the_right_key_is_enough_for_a_place() -> None:
    headers = CIMultiDict(
        [("x-user", "wrong"), ("x-user", "user-1"), ("x-password", "other"), ("x-password", "password-1")]
    )

    assert keys.find_all_of(TWO_CLIENTS, "parcelkit", USER_AND_PASSWORD, headers, "")


def test_with_more_places_than_keys_each_key_must_be_there() -> None:
    three = (*USER_AND_PASSWORD, KeyPlaces(headers=("X-Third",)))

    def is_found(*values: str) -> bool:
        headers = CIMultiDict(zip(("X-User", "X-Password", "X-Third"), values, strict=True))
        return keys.find_all_of(TWO_CLIENTS, "parcelkit", three, headers, "") is not None

    assert is_found("user-1", "password-1", "user-1")
    assert not is_found("user-1", "user-1", "user-1")
