"""SIGTERM under load: what was accepted is finished or stays for the next start, and the exit code is 0."""

import asyncio
from pathlib import Path

from support.deadline import until
from support.load import Pace, open_aggregator, stream
from support.manifests import Client, write
from support.server import running
from support.sink import Arrival, open_sink


async def _slowly(arrival: Arrival) -> int:
    """Pushes are under way at any moment."""
    del arrival
    await asyncio.sleep(0.05)
    return 200


async def test_sigterm_under_load_ends_with_0_and_every_accepted_update_arrives_exactly_once(tmp_path: Path) -> None:
    async with open_sink(_slowly) as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), tmp_path / "data") as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            stop = asyncio.Event()
            pace = Pace(rate=200, shipments=64, workers=32)
            posting = asyncio.create_task(stream(aggregator, pace, stop=stop, resend=lambda _: False))
            await until(lambda: len(sink.marks) >= 100, seconds=10, what="a load under way")
            assert await server.terminate() == 0, server.tail()
            stop.set()
            await posting
            await server.start()
            await until(
                lambda: aggregator.accepted <= sink.marks,
                seconds=10,
                what=lambda: f"lost: {sorted(aggregator.accepted - sink.marks)}",
            )
    repeated = {mark: len(arrivals) for mark, arrivals in sink.by_mark().items() if len(arrivals) > 1}
    assert not repeated
