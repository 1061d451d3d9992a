"""A journal moves to PostgreSQL in the middle of its life, and a server goes on with it."""

import asyncio
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from support.bodies import mark_of
from support.deadline import until
from support.load import Aggregator, Pace, open_aggregator, stream
from support.manifests import Client, write
from support.postgres import Server
from support.server import running
from support.sink import Arrival, Sink, accept, open_sink
from trackpush_server.journal.postgres.copying import PostgresSource
from trackpush_server.journal.sqlite.copying import SqliteSource

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SHIPMENTS = 20
STEPS = 4


async def _half_of_it(arrival: Arrival) -> int:
    """Half of the shipments get nothing from the second step on; some pushes are rejected for good."""
    assert arrival.mark is not None
    step, shipment = divmod(arrival.mark, SHIPMENTS)
    return 503 if shipment % 2 and step else 200


async def test_a_server_continues_with_a_moved_journal_nothing_lost_twice_or_out_of_order(
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
            assert "both have the same content" in told

            sink.behaviour = accept
            write(resources, [client], STORAGE, dsn=postgres_dsn)
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
    assert all(len({arrival.webhook_id for arrival in found}) == 1 for found in sink.by_mark().values()), (
        "another push id"
    )
    order: dict[int, list[int]] = defaultdict(list)
    for mark in dict.fromkeys(_delivered(sink)):
        order[mark % SHIPMENTS].append(mark)
    assert all(marks == sorted(marks) for marks in order.values())


async def test_a_database_that_a_server_uses_is_not_copied_however_rare_its_beats_are(
    tmp_path: Path, postgres_dsn: str
) -> None:
    """With this lease a beat comes every 24 seconds."""
    client = Client(name="acme", url="http://127.0.0.1:1009/")
    resources = write(tmp_path / "resources", [client], STORAGE, dsn=postgres_dsn)
    back = _back(tmp_path, postgres_dsn)
    async with (
        running(resources, tmp_path / "data", arguments=("--lease", "120s")) as server,
        open_aggregator(server.url, client) as aggregator,
    ):
        stop = asyncio.Event()
        posting = asyncio.create_task(stream(aggregator, PACE, stop=stop, resend=lambda _: False))
        code, told = await _copy(*back)
        stop.set()
        await posting
        assert code == 2
        assert f"/{server.pid} (replica" in told
        assert "waiting up to 144 s to see that" in told
        assert "serves this journal; end it (spec.suspend: true), then copy" in told
        assert {post.status for post in aggregator.posts} == {200}
        assert await server.terminate() == 0, server.tail()
    code, told = await _copy(*back)
    assert code == 0, told


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_server_that_was_paused_during_the_copy_answers_503_when_it_continues_and_says_why(
    tmp_path: Path, postgres_server: Server, postgres_dsn: str, kind: str
) -> None:
    name = postgres_server.create_database()
    there = postgres_server.dsn(name)
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        resources = write(tmp_path / "resources", [client], STORAGE, dsn=postgres_dsn)
        async with (
            running(resources, tmp_path / "data", arguments=("--lease", "3s")) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            stop = asyncio.Event()
            posting = asyncio.create_task(stream(aggregator, PACE, stop=stop, resend=lambda _: False))
            await until(lambda: len(aggregator.accepted) > 50, seconds=60, what=server.tail)
            os.kill(server.pid, signal.SIGSTOP)
            code, told = await _copy(*_from(tmp_path, postgres_dsn), *_to(tmp_path, kind, there))
            assert code == 0, told
            os.kill(server.pid, signal.SIGCONT)
            probe = await server.until_ready(ready=False)
            refused = len(aggregator.posts)
            await until(lambda: len(aggregator.posts) > refused + 50, seconds=60, what=server.tail)
            stop.set()
            await posting
            assert "its journal was moved to" in probe.text
            place = there.rpartition("@")[2] if kind == "postgres" else str(tmp_path / "new")
            assert place in probe.text
            line = server.logged("journal_unavailable")
            assert line is not None
            assert place in line["reason"]
            assert {post.status for post in aggregator.posts[-50:]} == {503}
            await server.kill()
            moved = await _marks(SqliteSource(tmp_path / "new") if kind == "sqlite" else PostgresSource(there))
            assert aggregator.accepted <= moved, "answered with 200 and not in the copy"
    await asyncio.to_thread(postgres_server.drop_database, name)


STORAGE = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
PACE = Pace(rate=40, shipments=32, workers=32)


def _from(folder: Path, dsn: str) -> tuple[str, str]:
    (folder / "dsn").write_text(dsn)
    return ("--from-dsn-file", str(folder / "dsn"))


def _to(folder: Path, kind: str, dsn: str) -> tuple[str, str]:
    if kind == "sqlite":
        return ("--to", str(folder / "new"))
    (folder / "there").write_text(dsn)
    return ("--to-dsn-file", str(folder / "there"))


def _back(folder: Path, dsn: str) -> tuple[str, ...]:
    return (*_from(folder, dsn), *_to(folder, "sqlite", ""))


async def _marks(source: SqliteSource | PostgresSource) -> set[int]:
    """The marks of all updates in it."""
    try:
        part = await (await source.open()).part(0, 1_000_000)
        return {mark for record in part.records if (mark := mark_of(record.body)) is not None}
    finally:
        await source.close()


def _delivered(sink: Sink) -> list[int]:
    """Marks by their last arrival: that one was answered with 200."""
    last = {arrival.mark: number for number, arrival in enumerate(sink.arrivals) if arrival.mark is not None}
    return [mark for mark, _ in sorted(last.items(), key=lambda pair: pair[1])]


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
