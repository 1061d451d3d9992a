"""A schema change behind a long reader: the servers on the older schema serve on, and the change comes afterwards."""

import asyncio
import itertools
import textwrap
from pathlib import Path

import asyncpg
import pytest

from support.deadline import until
from support.load import Aggregator, open_aggregator
from support.manifests import Client, write
from support.postgres import Server
from support.server import ServerProcess, running
from support.sink import open_sink
from trackpush_server.journal.postgres import schema

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
_STORAGE = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
NEXT = schema.CHANGES[-1].number + 1
ALTERS = f"-- needs: 1\nALTER TABLE trackpush.updates ADD COLUMN weight_{NEXT} integer NOT NULL DEFAULT 7;"
NEWER = """
    import trackpush_server.journal.postgres.schema as schema

    change = schema.parse({number}, "alters", {script!r})
    schema.migrate.__defaults__ = ((*schema.CHANGES, change),)
"""
"""Runs in the newer server before anything else (`sitecustomize`)."""


async def test_while_a_change_waits_for_a_long_reader_every_post_gets_200_and_is_pushed(
    tmp_path: Path, postgres_server: Server, postgres_dsn: str, postgres_database: str
) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "sitecustomize.py").write_text(textwrap.dedent(NEWER).format(number=NEXT, script=ALTERS))
    applied = f"SELECT count(*) FROM trackpush.schema_changes WHERE number = {NEXT}"  # noqa: S608  a number
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url, delivery={"maxConcurrency": 64})
        resources = write(tmp_path / "resources", [client], _STORAGE, dsn=postgres_dsn)
        new = ServerProcess(resources, tmp_path / "b", environment={"PYTHONPATH": str(newer)})
        async with running(resources, tmp_path / "a") as old, open_aggregator(old.url, client) as aggregator:
            reader = await asyncpg.connect(postgres_dsn)
            stop = asyncio.Event()
            posting = asyncio.create_task(_post(aggregator, stop))
            try:
                await reader.execute("BEGIN; SELECT count(*) FROM trackpush.updates")
                await new.start(ready=False)
                told = new.logged("journal_unavailable")
                assert told is not None
                assert "a long transaction holds a table that is to be changed" in told["reason"]
                before = len(sink.arrivals)
                await until(lambda: len(sink.arrivals) > before + 50, seconds=60, what=old.tail)
                assert await _sql(postgres_server, applied, postgres_database) == "0"
                assert await _sql(postgres_server, "SELECT count(*) FROM trackpush.replicas", postgres_database) == "1"
                await reader.execute("ROLLBACK")
                await new.until_ready()
                assert await _sql(postgres_server, applied, postgres_database) == "1"
            finally:
                stop.set()
                await posting
                await reader.close()
                await new.close()
            assert {post.status for post in aggregator.posts} == {200}
            await until(lambda: aggregator.accepted <= sink.marks, seconds=60, what=old.tail)


async def _post(aggregator: Aggregator, stop: asyncio.Event) -> None:
    marks = itertools.count()

    async def work() -> None:
        while not stop.is_set():
            await aggregator.post(next(marks))
            await asyncio.sleep(0.02)

    await asyncio.gather(*(work() for _ in range(8)))


async def _sql(server: Server, statement: str, database: str) -> str:
    return await asyncio.to_thread(server.sql, statement, database=database)
