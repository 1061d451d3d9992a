"""The boxes work together: what is posted arrives at the client, and the metrics and the state show it."""

from pathlib import Path

import aiohttp

from support.bodies import body
from support.deadline import until
from support.serving import HeldSource, serving, table
from support.sink import open_sink
from trackpush_api.routing import Destination
from trackpush_server.config.source import Loaded

KEY = {"x-api-key": "right-key-of-clickpost"}


async def test_a_post_becomes_a_push_and_a_push_config_that_comes_later_gets_what_waited(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    source = HeldSource(table())
    async with open_sink() as sink, serving(tmp_path, source=source) as server:
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        async with client.post(url, data=body("clickpost", mark=1, shipment=1, second=1), headers=KEY) as answer:
            assert answer.status == 200
        source.loaded = Loaded(table=table(destinations=[Destination(name="acme/push", url=sink.url)]))
        await until(lambda: sink.marks == {1}, seconds=3, what="the push that waited for its PushConfig")
        async with client.post(url, data=body("clickpost", mark=2, shipment=1, second=2), headers=KEY) as answer:
            assert answer.status == 200
        await until(lambda: sink.marks == {1, 2}, seconds=3, what="the push of a running server")
        async with client.get(f"http://{server.admin_address}/metrics") as answer:
            metrics = await answer.text()

    assert 'trackpush_pushes_ended_total{push_config="acme/push",state="delivered"} 2.0' in metrics
    assert 'trackpush_push_attempts_total{push_config="acme/push",result="2xx"} 2.0' in metrics
    assert 'trackpush_breaker_state{push_config="acme/push",state="closed"} 1.0' in metrics
    assert 'trackpush_updates_total{aggregator="clickpost",result="accepted"} 2.0' in metrics
