"""The client on the docs page, run as it stands there, books every update once and in order, whatever gets lost."""

import asyncio
import base64
import contextlib
import io
import os
import random
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from formats.samples import canonical, updates
from support.bodies import awb, body, mark_of
from support.deadline import until
from support.load import Aggregator as Poster
from support.load import Pace, open_aggregator, stream
from support.manifests import Client, write
from support.node import NODE, project
from support.page import blocks
from support.rough_way import ANSWER_LOST, LOST, PASSED, REFUSED, RoughWay, open_rough_way
from support.server import running
from trackpush_api.vocabulary import Aggregator

PAGE = Path(__file__).parents[2] / "docs" / "receiving-pushes.md"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PACE = Pace(rate=400, shipments=32)
"""A shipment's next update comes after 80 ms, so that it often has to wait for a retry of the one before."""
SECONDS = 5.0
TROUBLE = 0.15
RETRIES = {"retry": {"schedule": ["50ms", "100ms", "200ms", "500ms"]}}


class Booking(NamedTuple):
    """A row of the client's history."""

    id: str
    shipment: str
    mark: int | None


def booked(database: Path) -> list[Booking]:
    """What the client booked, in the order in which it did."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT id, shipment, remark FROM history ORDER BY number").fetchall()
    return [Booking(id_, shipment, mark_of(remark.encode())) for id_, shipment, remark in rows]


@contextlib.asynccontextmanager
async def node_client(folder: Path) -> AsyncIterator[str]:
    """The page's client on a free port, as its own process; gives its origin."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        "client.mjs",
        cwd=folder,
        env={**os.environ, "PORT": "0", "WEBHOOK_SECRET": SECRET, "DATABASE": "pushes.db"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on "), line
        yield f"http://127.0.0.1:{int(line.split()[-1])}"
        assert process.returncode is None, "the client must still run"
        process.terminate()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the client stands, with the packages that the page names."""
    place = project(tmp_path / "client")
    (place / "client.mjs").write_text(blocks(PAGE, "runnable")["client.mjs"])
    return place


@pytest.mark.slow
async def test_every_update_is_verified_and_booked_once_and_in_order_although_pushes_and_answers_get_lost(
    tmp_path: Path, folder: Path
) -> None:
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201 - shown when it fails, to run it again
    database = folder / "pushes.db"
    async with node_client(folder) as origin, open_rough_way(origin, seed=seed, trouble=TROUBLE) as way:
        acme = Client(name="acme", url=way.url, signing=(SECRET,), delivery=RETRIES)
        async with (
            running(write(tmp_path / "resources", [acme]), tmp_path / "data") as server,
            open_aggregator(server.url, acme) as aggregator,
        ):
            await _load(aggregator)
            await until(
                lambda: way.happened[PASSED] == len(aggregator.accepted) <= len(booked(database)),
                seconds=60,
                what=lambda: f"{len(booked(database))} of {len(aggregator.accepted)} booked; {dict(way.happened)}",
            )
    _holds(aggregator, way, booked(database))


async def _load(aggregator: Poster) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(SECONDS, stop.set)
    await stream(aggregator, PACE, stop=stop, resend=lambda _: True)


def _holds(aggregator: Poster, way: RoughWay, bookings: list[Booking]) -> None:
    assert len(aggregator.accepted) > PACE.rate * SECONDS * 0.7, "hundreds of updates a second must have been sent"
    assert sorted(booking.mark or 0 for booking in bookings) == sorted(aggregator.accepted), "each exactly once"
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


async def test_what_was_taken_and_not_booked_is_booked_in_order_after_a_restart(folder: Path) -> None:
    database = folder / "pushes.db"
    (update,) = updates(Aggregator.CLICKPOST, body("clickpost", mark=7, shipment=7, second=7))
    async with node_client(folder):
        pass
    notification = canonical(update).decode()
    bodies = [notification.replace("mark-0000000007", f"mark-{mark:010d}") for mark in range(250)]
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        rows = [(f"psh_{mark}", taken) for mark, taken in enumerate(bodies)]
        connection.executemany("INSERT INTO inbox (id, body) VALUES (?, ?)", rows)

    async with node_client(folder):
        await until(lambda: len(booked(database)) >= 250, seconds=10, what=lambda: f"{len(booked(database))} of 250")

    assert [booking.mark for booking in booked(database)] == list(range(250))


async def test_the_client_refuses_what_it_should(folder: Path) -> None:
    async with node_client(folder) as origin, aiohttp.ClientSession() as session:
        async with session.post(f"{origin}/", data=b"{}", headers={"webhook-id": "psh_x"}) as answer:
            unsigned = answer.status
        async with session.get(f"{origin}/") as answer:
            read = answer.status
        async with session.post(f"{origin}/", data=io.BytesIO(bytes(5 * 1024 * 1024))) as answer:
            large = answer.status

    assert (unsigned, read, large) == (401, 405, 413)
    assert booked(folder / "pushes.db") == []
