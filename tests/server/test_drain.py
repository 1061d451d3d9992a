"""What Kubernetes sees of the end of a pod: unready at once, no new connections, the admin port until the end."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from support.bodies import body
from support.deadline import until
from support.server import running
from support.serving import account, table
from support.sink import Arrival, open_sink
from support.volume import Volume, written
from trackpush_api.routing import Destination
from trackpush_api.vocabulary import Aggregator

KEY = {"x-api-key": "k"}


async def test_sigterm_makes_it_unready_at_once_and_what_is_under_way_ends_in_order(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def when_told(_: Arrival) -> int:
        await go_on.wait()
        return 200

    volume = Volume(tmp_path / "routing")
    async with open_sink(when_told) as sink:
        push = Destination(name="acme/push", url=sink.url)
        volume.swap(written(table(account(Aggregator.CLICKPOST, "k"), destinations=[push])))
        async with running(volume.root, tmp_path / "data", shards=True) as server, aiohttp.ClientSession() as session:
            url = f"{server.url}/rms/in/api/clickpost/notify"
            async with session.post(url, data=body("clickpost", mark=1, shipment=1, second=1), headers=KEY) as answer:
                assert answer.status == 200
            await until(lambda: bool(sink.arrivals), seconds=5, what="a push under way")
            ending = asyncio.create_task(server.terminate())
            unready = await server.until_ready(ready=False, seconds=1)
            assert "the server is stopping" in unready.text
            async with aiohttp.ClientSession() as fresh:
                with pytest.raises(aiohttp.ClientConnectionError):
                    await fresh.post(url, data=b"{}")
            assert (await server.probe("/livez")).status == 200
            assert not server.exited
            go_on.set()
            assert await ending == 0, server.tail()
    assert sink.marks == {1}
