"""The log says which post failed, whose it was, and why, without any key."""

import gzip
import json
from collections.abc import Mapping
from io import BytesIO, StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import aiohttp
import pytest

from support.definitions import KEY_PLACES, NAME, SIGNATURE, body, definition, signed
from support.serving import account, serving, table
from trackpush_api.routing import Definition, KeyPlaces
from trackpush_api.vocabulary import Aggregator

BODY = body()
SIGNED = definition(signature=SIGNATURE, key_places=KEY_PLACES)
KEYED = definition(key_places=KEY_PLACES)
PAIR = definition(all_of=(KeyPlaces(headers=("X-User",)), KeyPlaces(headers=("X-Password",))))
HEADER = SIGNATURE.header


class Post(NamedTuple):
    """A request."""

    content: bytes = BODY
    headers: Mapping[str, str] = MappingProxyType({})
    suffix: str = ""


async def answered(tmp_path: Path, log: StringIO, defined: Definition, post: Post) -> tuple[int, dict[str, Any]]:
    """The answer's code, and the only warning of a server with this definition."""
    own = account(NAME, "right-key", "newer-key", signs=defined.signature is not None)
    clickpost = account(Aggregator.CLICKPOST, "key-of-clickpost")
    async with (
        serving(tmp_path, table(own, clickpost, definitions=[defined])) as server,
        aiohttp.ClientSession() as client,
        client.post(
            f"http://{server.address}/rms/in/api/{NAME}/notify{post.suffix}",
            data=BytesIO(post.content),
            headers=post.headers,
        ) as answer,
    ):
        code = answer.status
    assert "right-key" not in log.getvalue()
    assert "key-of-clickpost" not in log.getvalue()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (warning,) = [line for line in lines if line["level"] == "warning"]
    return code, warning


@pytest.mark.parametrize(
    ("defined", "post", "reason"),
    [
        (SIGNED, Post(), f"it has no signature: the header {HEADER} is missing"),
        (SIGNED, Post(headers={HEADER: "abc"}), f"the header {HEADER} contains no HMAC-SHA256 in Hex after 'sha256='"),
        (
            SIGNED,
            Post(headers=signed(BODY, "wrong")),
            f"not made of this body with a key of any AggregatorWebhook of {NAME}",
        ),
        (SIGNED, Post(headers=signed(BODY, "wrong"), suffix="/right-key"), "a key of AggregatorWebhook acme/parcelkit"),
        (KEYED, Post(), "it has no key"),
        (KEYED, Post(headers={"X-Parcel-Key": "wrong"}), f"no AggregatorWebhook of {NAME} has its key"),
        (
            KEYED,
            Post(headers={"X-Parcel-Key": "key-of-clickpost"}),
            "its key is that of AggregatorWebhook acme/clickpost, whose aggregator is Clickpost",
        ),
        (PAIR, Post(headers={"X-User": "right-key"}), "it has no key in the header X-Password"),
        (
            PAIR,
            Post(headers={"X-User": "right-key", "X-Password": "right-key"}),
            "the keys in the header X-User and the header X-Password are not different keys of one AggregatorWebhook",
        ),
    ],
)
async def test_the_reason_of_a_401_is_logged(
    tmp_path: Path, log: StringIO, defined: Definition, post: Post, reason: str
) -> None:
    code, line = await answered(tmp_path, log, defined, post)
    assert code == 401
    assert (line["event"], line["aggregator"]) == ("request_unauthorized", NAME)
    assert reason in line["reason"]


KEY = {"X-Parcel-Key": "right-key"}


@pytest.mark.parametrize(
    ("post", "expected", "reason"),
    [
        (Post(b"awb=1", KEY), (400, "body_malformed"), "not JSON"),
        (Post(b"no gzip", KEY | {"Content-Encoding": "gzip"}), (400, "body_malformed"), "not valid gzip"),
        (Post(BODY, KEY | {"Content-Encoding": "br"}), (400, "body_malformed"), "not supported"),
        (Post(b" " * 1_100_000 + BODY, KEY), (413, "body_refused"), "larger than 1048576 bytes"),
        (Post(gzip.compress(b" " * 1_100_000), KEY | {"Content-Encoding": "gzip"}), (413, "body_refused"), "larger"),
        (Post(b"awb=1"), (400, "body_refused"), "not JSON"),
    ],
)
async def test_a_body_that_is_refused_for_its_content_is_logged_with_its_account(
    tmp_path: Path, log: StringIO, post: Post, expected: tuple[int, str], reason: str
) -> None:
    code, line = await answered(tmp_path, log, KEYED, post)
    assert (code, line["event"]) == expected
    assert line["aggregator"] == NAME
    assert line["account"] == (f"acme/{NAME}" if post.headers else None)
    assert reason in line["reason"]
