"""An update older than one that was pushed before: marked or dropped as the PushConfig says, over a kill too."""

import contextlib
import json
from pathlib import Path

from support.deadline import until
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import open_sink


async def test_a_late_update_is_marked_or_dropped_and_counted_per_shipment_also_after_a_kill(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        marking, dropping = [await stack.enter_async_context(open_sink()) for _ in range(2)]
        clients = [
            Client(name="marks", url=marking.url),
            Client(name="drops", url=dropping.url, delivery={"lateUpdates": "Drop"}),
        ]
        server = await stack.enter_async_context(running(write(tmp_path / "resources", clients), tmp_path / "data"))
        posting = [await stack.enter_async_context(open_aggregator(server.url, client)) for client in clients]
        for aggregator in posting:
            await aggregator.post(1, shipment=1, second=100)
        await until(lambda: marking.marks == dropping.marks == {1}, seconds=30, what="the newer one")
        await server.kill()
        await server.start()
        for aggregator in posting:
            await aggregator.post(2, shipment=1, second=50)
            await aggregator.post(3, shipment=2, second=50)
            await aggregator.post(4, shipment=1, second=150)
        await until(lambda: marking.marks == {1, 2, 3, 4}, seconds=30, what=lambda: str(marking.marks))
        await until(lambda: dropping.marks == {1, 3, 4}, seconds=30, what=lambda: str(dropping.marks))
        late = {mark: json.loads(found[0].body)["late"] for mark, found in marking.by_mark().items()}
        assert late == {1: False, 2: True, 3: False, 4: False}
        metric = 'trackpush_pushes_ended_total{push_config="drops/push",state="dropped"} 1.0'
        assert metric in (await server.probe("/metrics")).text
        assert await server.terminate() == 0, server.tail()
    assert dropping.marks == {1, 3, 4}
