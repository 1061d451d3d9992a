"""The traces; see test_rows.py."""

from pathlib import Path

import pytest

from support.collector import BUILD_SECONDS, collecting, environment
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import open_sink


@pytest.mark.timeout(BUILD_SECONDS)
@pytest.mark.usefixtures("go_program")
async def test_metrics_traces(tmp_path: Path) -> None:
    async with collecting(tmp_path / "collector") as collector, open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        with environment(collector.environment):
            async with (
                running(write(tmp_path / "resources", [client]), tmp_path / "data") as server,
                open_aggregator(server.url, client) as aggregator,
            ):
                assert (await aggregator.post(1)).status == 200
                (receipt,) = await collector.has("receive", 1)
                (pushed,) = await collector.has("push", 1)
    assert (pushed.trace_id, pushed.parent_id) == (receipt.trace_id, receipt.span_id)
    assert sink.arrivals[0].headers["traceparent"].split("-")[1] == receipt.trace_id
