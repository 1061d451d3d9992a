"""Every sample payload of all aggregators, and what a client gets for it: computed, or pushed by a real server."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import aiohttp
import msgspec

from aggregators.bodies import SAMPLES
from support.deadline import until
from support.serving import account, serving, table
from support.sink import Arrival, open_sink
from trackpush_aggregators import decode, parse
from trackpush_aggregators.updates import TrackingUpdate, notification, update_key
from trackpush_api.aggregators import profile
from trackpush_api.routing import Destination
from trackpush_api.vocabulary import Aggregator, slug_of
from trackpush_server.ids import push_id
from trackpush_server.pusher import render

CASES: list[dict[str, Any]] = json.loads((SAMPLES / "cases.json").read_text())
BY_SLUG = {each.slug: each for each in Aggregator}
Format = Literal["Canonical", "Raw", "CloudEvents"]
FORMATS: tuple[Format, ...] = get_args(Format)
RECEIVED_AT = 1_750_000_000_250
"""Milliseconds since the epoch."""


def updates(aggregator: Aggregator, body: bytes) -> tuple[TrackingUpdate, ...]:
    """The updates of one request's body."""
    return parse(aggregator, decode(body), body, key=None, received_at=1_790_000_000_000).updates


def canonical(update: TrackingUpdate, *, late: bool = False) -> bytes:
    """The Canonical body of an update's push."""
    account_name = f"acme/{slug_of(update.aggregator)}"
    encoded = msgspec.json.encode(notification(update, RECEIVED_AT))
    return render.canonical(push_id(update_key(account_name, update), "acme/oms"), encoded, update.body, late=late)


def cloud_event(update: TrackingUpdate) -> bytes:
    """The CloudEvents body of an update's push."""
    account_name = f"acme/{slug_of(update.aggregator)}"
    encoded = msgspec.json.encode(notification(update, RECEIVED_AT))
    identity = push_id(update_key(account_name, update), "acme/oms")
    return render.cloud_event(identity, account_name, encoded, update.body, late=False)


Post = tuple[Aggregator, bytes]
SAMPLE_POSTS: list[Post] = [(BY_SLUG[case["aggregator"]], (SAMPLES / case["file"]).read_bytes()) for case in CASES]


def key(aggregator: Aggregator) -> str:
    """What the client's account at the aggregator is known by."""
    return f"key-of-acme-at-{aggregator.slug}"


async def push(folder: Path, posts: Sequence[Post] = SAMPLE_POSTS) -> dict[str, list[Arrival]]:
    """Post to a real server with a client of each format; returns what each client got."""
    names = {format_: f"acme/{format_.lower()}" for format_ in FORMATS}
    async with contextlib.AsyncExitStack() as stack:
        sinks = {format_: await stack.enter_async_context(open_sink()) for format_ in FORMATS}
        destinations = [
            Destination(name=names[format_], url=sinks[format_].url, payload_format=format_) for format_ in FORMATS
        ]
        destinations.sort(key=lambda each: each.name)
        accounts = [account(each, key(each), destinations=sorted(names.values())) for each in Aggregator]
        server = await stack.enter_async_context(serving(folder, table(*accounts, destinations=destinations)))
        expected = await _post(server.address, posts)
        await until(
            lambda: all(len(sink.arrivals) == expected for sink in sinks.values()),
            seconds=10,
            what=lambda: (
                f"{expected} pushes each, got { ({name: len(sink.arrivals) for name, sink in sinks.items()}) }"
            ),
        )
        return {format_: list(sink.arrivals) for format_, sink in sinks.items()}


async def _post(address: str, posts: Sequence[Post]) -> int:
    """Post them one after the other; returns how many updates were accepted."""
    accepted = 0
    async with aiohttp.ClientSession() as session:
        for aggregator, body in posts:
            url = f"http://{address}/rms/in/api/{profile(aggregator).path_segment}/notify"
            async with session.post(url, data=body, headers={"x-api-key": key(aggregator)}) as answer:
                assert answer.status == 200, body
                accepted += (await answer.json()).get("accepted", 0)
    return accepted
