"""Every aggregator of the catalog is served at its name, authenticates like the sender, and is pushed."""

import base64
import hashlib
import hmac
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.deadline import until
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_aggregators.catalog import catalog_names, catalog_spec
from trackpush_api.routing import Destination, Limits

KEY, OTHER = "first-key-of-acme", "second-key-of-acme"
SIGNED = {
    "aftership": ("aftership-hmac-sha256", "", "base64"),
    "easypost": ("X-Hmac-Signature", "hmac-sha256-hex=", "hex"),
    "nimbuspost": ("X-Hmac-SHA256", "", "base64"),
    "xpressbees": ("X-Hmac-SHA256", "", "base64"),
}
HEADERS = {
    "bluedart": {"client-id": KEY, "license-key": OTHER},
    "delhivery": {"x-webhook-token": KEY},
    "shadowfax": {"Authorization": KEY, "account_name": "acme"},
    "ecomexpress": {"X-API-Key": KEY, "x-webhook-version": "2.0"},
}
"""As the senders send them. All others have the key in the URL."""


def request(name: str, body: bytes) -> tuple[dict[str, str], str]:
    """The headers of a sender, and the end of its URL."""
    if name in SIGNED:
        header, prefix, encoding = SIGNED[name]
        made = hmac.digest(KEY.encode(), body, hashlib.sha256)
        return {header: prefix + (made.hex() if encoding == "hex" else base64.b64encode(made).decode())}, ""
    return (HEADERS[name], "") if name in HEADERS else ({}, f"/{KEY}")


def sample(name: str) -> tuple[Any, dict[str, Any]]:
    """The first sample of a definition: its body, and what it expects of the first update."""
    spec = catalog_spec(name)
    assert spec is not None
    return spec.samples[0].body, spec.samples[0].expect[0]


SAMPLES = {name: sample(name) for name in catalog_names()}


@pytest.mark.parametrize("name", catalog_names())
async def test_a_sample_is_accepted_as_its_sender_sends_it_and_pushed(
    tmp_path: Path, client: aiohttp.ClientSession, name: str
) -> None:
    content, expected = SAMPLES[name]
    body = json.dumps(content).encode()
    headers, end = request(name, body)
    async with open_sink() as sink:
        destination = Destination(name="acme/push", url=sink.url)
        own = account(name, KEY, OTHER, signs=name in SIGNED or name == "ekart")
        async with serving(tmp_path, table(own, destinations=[destination])) as server:
            url = f"http://{server.address}/rms/in/api/{name}/notify"
            async with client.post(url, data=body) as answer:
                assert answer.status == 401
            async with client.post(url + end, data=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                assert (await answer.json())["accepted"] >= 1
            async with client.post(url + end, data=body, headers=headers) as answer:
                assert (await answer.json())["accepted"] == 0
            await until(lambda: bool(sink.arrivals), seconds=20, what="a push")

    pushed = json.loads(sink.arrivals[0].body)
    assert pushed["aggregator"] == name
    assert pushed["shipment"]["awb"] == expected["awb"]
    assert (pushed["status"]["code"], pushed["shipment"]["direction"]) == (
        expected["status"],
        expected["direction"].lower(),
    )


@pytest.mark.parametrize("name", ["bluedart", "delhivery", "ecomexpress"])
async def test_a_body_with_pictures_is_accepted_where_the_servers_limit_is_a_mebibyte(
    tmp_path: Path, client: aiohttp.ClientSession, name: str
) -> None:
    content, _ = SAMPLES[name]
    picture = {"picture": "aW1hZ2U=" * 400_000}
    body = json.dumps(content | picture).encode()
    headers, end = request(name, body)
    given = table(account(name, KEY, OTHER), limits=Limits(max_body_bytes=1024 * 1024))
    async with serving(tmp_path, given) as server:
        url = f"http://{server.address}/rms/in/api/{name}/notify{end}"
        async with client.post(url, data=io.BytesIO(body), headers=headers) as answer:
            assert answer.status == 200, await answer.text()
