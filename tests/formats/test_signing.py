"""What the server signs, the reference library of Standard Webhooks in JavaScript verifies; also during a rotation."""

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from support.deadline import until
from support.load import Aggregator, open_aggregator
from support.manifests import Client, write
from support.node import CLIENT, NODE, project
from support.server import running
from support.sink import Arrival, Sink, open_sink
from trackpush_server.pusher import render

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
NO_MATCH = "WebhookVerificationError: No matching signature found"
TOLERANCE = 300
"""Seconds that a timestamp may differ, as the reference library has it."""


class Push(NamedTuple):
    """What a client verifies."""

    headers: dict[str, str]
    body: bytes


@pytest.fixture
def verifier(downloads: None, tmp_path: Path) -> Path:  # noqa: ARG001  marks the test
    """The program that verifies, with the reference library beside it."""
    return project(tmp_path / "verifier", CLIENT / "verify.mjs") / "verify.mjs"


async def refusals(verifier: Path, attempts: Sequence[tuple[str, Push]]) -> list[str]:
    """What the reference library says to each pair of secret and push: "" when it verifies."""
    lines = [
        json.dumps({"secret": secret, "headers": push.headers, "body": base64.b64encode(push.body).decode()})
        for secret, push in attempts
    ]
    process = await asyncio.create_subprocess_exec(
        NODE, verifier, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate("".join(f"{line}\n" for line in lines).encode())
    assert process.returncode == 0
    return output.decode().split("\n")[:-1]


def as_push(arrival: Arrival) -> Push:
    return Push(arrival.headers, arrival.body)


def signatures(arrival: Arrival) -> int:
    return len(arrival.headers["webhook-signature"].split(" "))


class Rotation:
    """A running server whose secrets change, and a client's endpoint that keeps what arrives."""

    def __init__(self, folder: Path, sink: Sink, aggregator: Aggregator) -> None:
        self._folder = folder
        self._sink = sink
        self._aggregator = aggregator
        self._mark = 0

    async def to(self, *secrets: str) -> list[Arrival]:
        """Change the Secret and post until a push is signed with these; returns all that arrived meanwhile."""
        write(self._folder, [client(self._sink, *secrets)])
        before = len(self._sink.arrivals)
        started = time.monotonic()
        while True:
            self._mark += 1
            await self._aggregator.post(self._mark)
            await until(lambda: self._mark in self._sink.marks, seconds=5, what="the push")
            if signatures(self._sink.arrivals[-1]) == len(secrets):
                return self._sink.arrivals[before:]
            assert time.monotonic() - started < 10, "the server must take the changed Secret up"


def client(sink: Sink, *secrets: str) -> Client:
    return Client(name="acme", url=sink.url, signing=secrets)


async def test_secrets_rotate_with_overlap_and_the_reference_library_verifies_every_push(
    tmp_path: Path, verifier: Path
) -> None:
    async with open_sink() as sink:
        folder = write(tmp_path / "resources", [client(sink, OLD)])
        async with (
            running(folder, tmp_path / "data") as server,
            open_aggregator(server.url, client(sink)) as aggregator,
        ):
            rotation = Rotation(folder, sink, aggregator)
            before = await rotation.to(OLD)
            overlap = await rotation.to(NEW, OLD)
            after = await rotation.to(NEW)

    said = await refusals(verifier, [(OLD, as_push(arrival)) for arrival in before + overlap])
    assert set(said) == {""}, "who holds the old secret verifies all until the overlap ends"
    both, last = as_push(overlap[-1]), as_push(after[-1])
    assert await refusals(verifier, [(NEW, both), (OLD, both), (OTHER, both)]) == ["", "", NO_MATCH]
    assert await refusals(verifier, [(NEW, last), (OLD, last)]) == ["", NO_MATCH]
    said = await refusals(verifier, [(NEW, as_push(arrival)) for arrival in after])
    assert set(said) == {""}, "who holds the new secret verifies all since the overlap began"


@pytest.mark.parametrize("format_", ["Canonical", "Raw", "CloudEvents"])
async def test_each_format_is_verified_and_a_changed_push_is_not(tmp_path: Path, verifier: Path, format_: str) -> None:
    async with open_sink() as sink:
        acme = Client(name="acme", url=sink.url, signing=(OLD,), payload_format=format_)
        folder = write(tmp_path / "resources", [acme])
        async with running(folder, tmp_path / "data") as server, open_aggregator(server.url, acme) as aggregator:
            await aggregator.post(1)
            await until(lambda: sink.marks == {1}, seconds=5, what="the push")
    push = as_push(sink.arrivals[0])
    tampered = push._replace(body=push.body.replace(b"Mumbai", b"Madras"))
    another_id = push._replace(headers=push.headers | {"webhook-id": "psh_another"})
    later = push._replace(headers=push.headers | {"webhook-timestamp": str(int(push.headers["webhook-timestamp"]) + 1)})

    said = await refusals(verifier, [(OLD, push), (OLD, tampered), (OLD, another_id), (OLD, later)])

    assert tampered != push
    assert said == ["", NO_MATCH, NO_MATCH, NO_MATCH]


@pytest.mark.parametrize(("age", "word"), [(TOLERANCE + 60, "old"), (-TOLERANCE - 60, "new")])
async def test_a_push_of_another_time_is_refused_although_it_is_signed(verifier: Path, age: int, word: str) -> None:
    def signed(timestamp: int) -> Push:
        lines = render.headers("psh_x", timestamp, b"{}", render.signing_keys((OLD,))).decode().splitlines()
        return Push(dict(line.split(": ", 1) for line in lines), b"{}")

    now = int(time.time())

    said = await refusals(verifier, [(OLD, signed(now)), (OLD, signed(now - age))])

    assert said == ["", f"WebhookVerificationError: Message timestamp too {word}"]
