"""Bodies from the field, posted to a running server: what is answered, and what the client gets."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from field.posts import ROWS, Row
from support.deadline import until
from support.serving import serving, table
from support.sink import Sink, open_sink
from trackpush_api.routing import Destination

_SLUGS = {"st": "shiprocket"}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_what_comes_from_the_field_is_stored_and_pushed_with_the_right_values(row: Row, tmp_path: Path) -> None:
    async with (
        open_sink() as sink,
        serving(tmp_path, table(destinations=[Destination(name="acme/push", url=sink.url)])) as server,
        aiohttp.ClientSession() as client,
    ):
        for post in row.posts:
            url = f"http://{server.address}/rms/in/api/{post.to}/notify"
            key = {"x-api-key": f"right-key-of-{_SLUGS.get(post.to, post.to)}"}
            async with client.post(url, data=post.body, headers=key | dict(post.headers)) as answer:
                assert (answer.status, await answer.json()) == (
                    200,
                    {"accepted": post.accepted, "duplicates": 1 - post.accepted},
                )
        await until(lambda: len(sink.arrivals) >= len(row.pushes), seconds=20, what=lambda: str(_pushed(sink)))
        pushed = sorted(_pushed(sink), key=lambda push: push["receivedAt"])
    found = [{name: _member(push, name) for name in wanted} for push, wanted in zip(pushed, row.pushes, strict=True)]
    assert found == [dict(wanted) for wanted in row.pushes]


def _pushed(sink: Sink) -> list[dict[str, Any]]:
    return [json.loads(arrival.body) for arrival in sink.arrivals]


def _member(push: Mapping[str, Any], name: str) -> Any:
    value: Any = push
    for part in name.split("."):
        value = value[part]
    return value
