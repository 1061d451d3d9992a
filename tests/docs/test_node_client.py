"""The client on the docs page books every update once and in order, whatever gets lost on the way."""

import asyncio
import base64
import contextlib
import io
import os
import random
import signal
import sqlite3
from collections import defaultdict
from pathlib import Path

import aiohttp
import pytest

from formats.samples import canonical, updates
from support.bodies import awb, body
from support.deadline import until
from support.load import Aggregator as Poster
from support.load import Pace, open_aggregator, stream
from support.manifests import Client, write
from support.node_client import Booking, NodeClient, running_client
from support.rough_way import ANSWER_LOST, DOWN, LOST, PASSED, REFUSED, RoughWay, open_rough_way
from support.server import running
from trackpush_api.vocabulary import Aggregator

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PACE = Pace(rate=400, shipments=32)
"""A shipment's next update comes after 80 ms, so that it often has to wait for a retry of the one before."""
SECONDS = 5.0
ENOUGH = PACE.rate * SECONDS / 2
"""Updates: on a machine that is busy with other things they take longer."""
TROUBLE = 0.15
RETRIES = {"retry": {"schedule": ["50ms", "100ms", "200ms", "500ms"]}}
pytestmark = pytest.mark.usefixtures("downloads")


@pytest.mark.parametrize(
    "killed",
    [
        pytest.param(False, id="stays up", marks=pytest.mark.slow),
        pytest.param(True, id="is killed and started again", marks=pytest.mark.long),
    ],
)
async def test_every_update_is_verified_and_booked_once_and_in_order_although_pushes_and_answers_get_lost(
    tmp_path: Path, *, killed: bool
) -> None:
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201 - shown when it fails, to run it again
    async with (
        running_client(tmp_path / "client", SECRET) as client,
        open_rough_way(client.origin, seed=seed, trouble=TROUBLE) as way,
    ):
        acme = Client(name="acme", url=way.url, signing=(SECRET,), delivery=RETRIES)
        async with (
            running(write(tmp_path / "resources", [acme]), tmp_path / "data") as server,
            open_aggregator(server.url, acme) as poster,
        ):
            await _load(poster, client, killed=killed)
            await until(
                lambda: way.happened[PASSED] == len(poster.accepted) <= len(client.booked()),
                seconds=80,
                what=lambda: f"{len(client.booked())} of {len(poster.accepted)} booked; {dict(way.happened)}",
            )
        assert await client.end(signal.SIGTERM) == 0
    assert (way.happened[DOWN] > 0) is killed
    _holds(poster, way, client.booked())


async def _load(poster: Poster, client: NodeClient, *, killed: bool) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(stream(poster, PACE, stop=stop, resend=lambda _: True))
        await asyncio.sleep(SECONDS / 2)
        if killed:
            await client.end(signal.SIGKILL)
            await client.start()
        await asyncio.sleep(SECONDS / 2)
        await until(lambda: len(poster.accepted) > ENOUGH, seconds=60, what=lambda: f"{len(poster.accepted)} accepted")
        stop.set()


def _holds(poster: Poster, way: RoughWay, bookings: list[Booking]) -> None:
    assert len(poster.accepted) > ENOUGH
    assert sorted(booking.mark or 0 for booking in bookings) == sorted(poster.accepted), "each exactly once"
    assert set(way.answers) == {204}, "every push is verified"
    for kind in (REFUSED, LOST, ANSWER_LOST):
        assert way.happened[kind] > 30, kind
    of_shipment: dict[str, list[int]] = defaultdict(list)
    for booking in bookings:
        assert booking.mark is not None
        assert booking.shipment == awb(booking.mark % PACE.shipments)
        of_shipment[booking.shipment].append(booking.mark)
    assert len(of_shipment) == PACE.shipments
    for shipment, marks in of_shipment.items():
        assert marks == sorted(marks), f"shipment {shipment}: booked in the order in which it was reported"


async def test_what_was_taken_and_not_booked_is_booked_in_order_after_a_restart(tmp_path: Path) -> None:
    (update,) = updates(Aggregator.CLICKPOST, body("clickpost", mark=7, shipment=7, second=7))
    notification = canonical(update).decode()
    taken = [notification.replace("mark-0000000007", f"mark-{mark:010d}") for mark in range(250)]
    async with running_client(tmp_path / "client", SECRET) as client:
        await client.end(signal.SIGKILL)
        with contextlib.closing(sqlite3.connect(client.database)) as connection, connection:
            rows = [(f"psh_{mark}", push) for mark, push in enumerate(taken)]
            connection.executemany("INSERT INTO inbox (id, body) VALUES (?, ?)", rows)

        await client.start()
        await until(lambda: len(client.booked()) >= 250, seconds=10, what=lambda: f"{len(client.booked())} of 250")

        assert [booking.mark for booking in client.booked()] == list(range(250))


async def test_the_client_refuses_what_it_should(tmp_path: Path) -> None:
    async with running_client(tmp_path / "client", SECRET) as client, aiohttp.ClientSession() as session:
        async with session.post(client.origin, data=b"{}", headers={"webhook-id": "psh_x"}) as answer:
            unsigned = answer.status
        async with session.get(client.origin) as answer:
            read = answer.status
        async with session.post(client.origin, data=io.BytesIO(bytes(5 * 1024 * 1024))) as answer:
            large = answer.status

        assert (unsigned, read, large) == (401, 405, 413)
        assert client.booked() == []
