"""The clients in Python, Go and Java take every update once and in order, whatever gets lost, they themselves too."""

import asyncio
import base64
import contextlib
import io
import os
import random
import signal
from pathlib import Path

import aiohttp
import pytest

from support.deadline import until
from support.language_client import LANGUAGES, LanguageClient, running_language
from support.load import Aggregator as Poster
from support.load import Pace, open_aggregator, stream
from support.manifests import Client, write
from support.rough_way import DOWN, PASSED, open_rough_way
from support.server import running

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PACE = Pace(rate=80, shipments=32)
SECONDS = 2.0
TROUBLE = 0.15
pytestmark = pytest.mark.timeout(300)
"""The first of all Go programs has to wait until Go has compiled its standard library."""
RETRIES = {"retry": {"schedule": ["50ms", "100ms", "200ms", "500ms"]}}


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_update_is_taken_once_and_in_order_although_all_of_it_gets_lost_now_and_then(
    tmp_path: Path, language: str
) -> None:
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201 - shown when it fails, to run it again
    async with (
        running_language(tmp_path / "client", SECRET, language) as client,
        open_rough_way(client.origin, seed=seed, trouble=TROUBLE) as way,
    ):
        acme = Client(name="acme", url=way.url, signing=(SECRET,), delivery=RETRIES)
        async with (
            running(write(tmp_path / "resources", [acme]), tmp_path / "data") as server,
            open_aggregator(server.url, acme) as poster,
        ):
            await _load_and_kill(poster, client)
            await until(
                lambda: way.happened[PASSED] == len(poster.accepted) <= len(client.booked()),
                seconds=100,
                what=lambda: f"{len(client.booked())} of {len(poster.accepted)} booked; {dict(way.happened)}",
            )
    assert way.happened[DOWN] > 0
    assert set(way.answers) == {204}, "every push is verified"
    marks = [booking.mark or 0 for booking in client.booked()]
    assert sorted(marks) == sorted(poster.accepted), "each exactly once"
    for shipment in range(PACE.shipments):
        own = [mark for mark in marks if mark % PACE.shipments == shipment]
        assert own == sorted(own), "in the order in which it was reported"


async def _load_and_kill(poster: Poster, client: LanguageClient) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(stream(poster, PACE, stop=stop, resend=lambda _: True))
        await asyncio.sleep(SECONDS / 2)
        await client.end(signal.SIGKILL)
        await asyncio.sleep(0.2)  # so that pushes meet nobody
        await client.start()
        await asyncio.sleep(SECONDS / 2)
        stop.set()


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_is_not_ours_is_refused_and_a_torn_line_is_removed(tmp_path: Path, language: str) -> None:
    async with running_language(tmp_path / "client", SECRET, language) as client:
        await client.end(signal.SIGKILL)
        whole = b'{"id": "psh_1", "push": {"shipment": {"awb": "1"}, "status": {"remark": "mark-0000000001"}}}\n'
        client.inbox.write_bytes(whole + b'{"id": "psh_2", "pu')
        await client.start()
        async with aiohttp.ClientSession() as session:
            async with session.post(client.origin, data=b"{}", headers={"webhook-id": "psh_x"}) as answer:
                unsigned = answer.status
            stale = {"webhook-id": "psh_x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
            async with session.post(client.origin, data=b"{}", headers=stale) as answer:
                old = answer.status
            large = 413  # the connection may break before the answer is read
            with contextlib.suppress(aiohttp.ClientOSError):
                async with session.post(client.origin, data=io.BytesIO(bytes(4 * 1024 * 1024 + 2))) as answer:
                    large = answer.status

        assert (unsigned, old, large) == (401, 401, 413)
        assert client.inbox.read_bytes() == whole
