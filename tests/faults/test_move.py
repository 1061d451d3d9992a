"""A journal moves to PostgreSQL in the middle of its life, and a server goes on with it."""

import asyncio
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from support.deadline import until
from support.load import Aggregator, open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import Arrival, Sink, accept, open_sink

pytestmark = pytest.mark.slow
SHIPMENTS = 20
STEPS = 4


async def _half_of_it(arrival: Arrival) -> int:
    """Half of the shipments get nothing from the second step on; some pushes are rejected for good."""
    assert arrival.mark is not None
    step, shipment = divmod(arrival.mark, SHIPMENTS)
    return 503 if shipment % 2 and step else 200


async def test_a_server_goes_on_with_a_moved_journal_nothing_lost_twice_or_out_of_order(
    tmp_path: Path, postgres_dsn: str
) -> None:
    async with open_sink(_half_of_it) as sink:
        delivery = {"retry": {"schedule": ["200ms"], "maxAge": "1h"}, "maxConcurrency": 64}
        client = Client(name="acme", url=sink.url, delivery=delivery)
        resources = write(tmp_path / "resources", [client])
        async with running(resources, tmp_path / "data") as server, open_aggregator(server.url, client) as aggregator:
            await _post(aggregator, range(STEPS - 1))
            healthy = {mark for mark in aggregator.accepted if mark % SHIPMENTS % 2 == 0}
            await until(lambda: healthy <= sink.marks, seconds=30, what="the healthy half")
            (tmp_path / "dsn").write_text(postgres_dsn)
            there = ("--from", str(server.data), "--to-dsn-file", str(tmp_path / "dsn"))
            code, told = await _copy(*there)
            assert code == 2
            assert f"process {server.pid} serves this folder" in told
            await server.kill()
            before = {mark: list(found) for mark, found in sink.by_mark().items()}
            code, told = await _copy(*there)
            assert code == 0, told
            assert "both hold the same" in told

            sink.behaviour = accept
            settings = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
            write(resources, [client], settings, dsn=postgres_dsn)
            await server.start()
            repeats = await aggregator.post(0, shipment=0, second=0)
            assert repeats.status == 200
            await _post(aggregator, range(STEPS - 1, STEPS))
            await until(lambda: aggregator.accepted <= sink.marks, seconds=60, what=server.tail)
            await until(lambda: len(_delivered(sink)) == SHIPMENTS * STEPS, seconds=60, what=server.tail)
            assert await server.terminate() == 0, server.tail()
    after = {mark: found[len(before.get(mark, [])) :] for mark, found in sink.by_mark().items()}
    again = [mark for mark in healthy if after[mark]]
    assert len(again) <= 64, "more than what was under way when it was killed was sent again"
    assert all(len(found) <= 1 for found in after.values()), "sent twice from the new journal"
    assert all(len({one.webhook_id for one in found}) == 1 for found in sink.by_mark().values()), "another push id"
    order: dict[int, list[int]] = defaultdict(list)
    for mark in dict.fromkeys(_delivered(sink)):
        order[mark % SHIPMENTS].append(mark)
    assert all(marks == sorted(marks) for marks in order.values())


@pytest.mark.long
async def test_a_database_that_a_server_uses_is_not_copied(tmp_path: Path, postgres_dsn: str) -> None:
    settings = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
    client = Client(name="acme", url="http://127.0.0.1:1009/")
    resources = write(tmp_path / "resources", [client], settings, dsn=postgres_dsn)
    (tmp_path / "dsn").write_text(postgres_dsn)
    back = ("--from-dsn-file", str(tmp_path / "dsn"), "--to", str(tmp_path / "new"))
    async with running(resources, tmp_path / "data") as server:
        code, told = await _copy(*back)
        assert code == 2
        assert f"/{server.pid} (replica" in told
        assert "serves this journal; end it (spec.suspend: true), then copy" in told
        assert await server.terminate() == 0, server.tail()
    code, told = await _copy(*back)
    assert code == 0, told


def _delivered(sink: Sink) -> list[int]:
    """Marks by their last arrival: that one was answered with 200."""
    last = {arrival.mark: number for number, arrival in enumerate(sink.arrivals) if arrival.mark is not None}
    return [mark for mark, _ in sorted(last.items(), key=lambda one: one[1])]


async def _post(aggregator: Aggregator, steps: range) -> None:
    for step in steps:
        marks = (step * SHIPMENTS + shipment for shipment in range(SHIPMENTS))
        await asyncio.gather(*(aggregator.post(mark, shipment=mark % SHIPMENTS, second=step) for mark in marks))


async def _copy(*arguments: str) -> tuple[int | None, str]:
    """The command's exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trackpush_cli", "journal", "copy", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode()
