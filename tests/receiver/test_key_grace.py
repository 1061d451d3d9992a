"""A key whose Secret was deleted a moment ago gets 503, which aggregators repeat, and 401 after its grace."""

import time
from io import StringIO
from pathlib import Path

import aiohttp
import msgspec
import pytest

from support.bodies import body
from support.serving import account, serving, table
from trackpush_api.routing import GraceKey, RoutingTable, digest_key
from trackpush_api.vocabulary import Aggregator

GONE, LEFT = "key-that-is-missing-now", "key-that-is-still-there"
HOUR = 3600


def with_missing_key(aggregator: Aggregator, *, seconds: int) -> RoutingTable:
    """A table in which one of an account's two keys is in grace for so many seconds from now."""
    grace = (GraceKey(digest=digest_key(GONE), until=int(time.time()) + seconds),)
    return table(msgspec.structs.replace(account(aggregator, LEFT), grace=grace))


def url(address: str, segment: str) -> str:
    return f"http://{address}/rms/in/api/{segment}/notify"


@pytest.mark.parametrize(
    ("headers", "suffix"),
    [({"webhook_key": GONE}, ""), ({"Authorization": f"Bearer {GONE}"}, ""), ({}, f"?key={GONE}"), ({}, f"/{GONE}")],
)
async def test_an_update_with_a_missing_key_is_sent_back_for_later(
    tmp_path: Path, client: aiohttp.ClientSession, log: StringIO, headers: dict[str, str], suffix: str
) -> None:
    content = body("clickpost", mark=1, shipment=1, second=1)
    async with serving(tmp_path, with_missing_key(Aggregator.CLICKPOST, seconds=HOUR)) as server:
        async with client.post(url(server.address, "clickpost") + suffix, data=content, headers=headers) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "missing" in await answer.text()
        async with client.post(url(server.address, "clickpost"), data=content, headers={"x-api-key": LEFT}) as answer:
            assert answer.status == 200, "the account's other key is accepted all the same"
            assert (await answer.json())["accepted"] == 1, "nothing was stored with the missing key"
        async with client.post(url(server.address, "clickpost"), data=content, headers={"x-api-key": "x"}) as answer:
            assert answer.status == 401, "another key is wrong, as always"
    assert "request_postponed" in log.getvalue()
    assert GONE not in log.getvalue()


async def test_a_missing_key_in_the_body_is_found_too(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    content = body("shipway", mark=1, shipment=1, second=1).replace(b"{", f'{{"hash": "{GONE}", '.encode(), 1)
    large = content.replace(b"{", b'{"filler": "' + b"x" * 100_000 + b'", ', 1)
    async with serving(tmp_path, with_missing_key(Aggregator.SHIPWAY, seconds=HOUR)) as server:
        for sent in (content, large):
            async with client.post(url(server.address, "shipway"), data=sent) as answer:
                assert answer.status == 503


async def test_a_missing_key_is_wrong_once_its_grace_is_over(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    content = body("clickpost", mark=1, shipment=1, second=1)
    given = with_missing_key(Aggregator.CLICKPOST, seconds=-1)
    async with (
        serving(tmp_path, given) as server,
        client.post(url(server.address, "clickpost"), data=content, headers={"x-api-key": GONE}) as answer,
    ):
        assert answer.status == 401


async def test_a_probe_with_a_missing_key_is_answered_as_every_probe(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, with_missing_key(Aggregator.CLICKPOST, seconds=HOUR)) as server:
        async with client.post(url(server.address, "clickpost"), data=b"{}", headers={"x-api-key": GONE}) as answer:
            assert answer.status == 200
        odd = b'{"something": "without a shipment"}'
        async with client.post(url(server.address, "clickpost"), data=odd, headers={"x-api-key": GONE}) as answer:
            assert answer.status == 503, "it would be kept as unrecognised if its key were there"
