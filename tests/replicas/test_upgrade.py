"""Two versions of the server on one database: the newer one brings a schema change that only adds, under load."""

import asyncio
import itertools
import textwrap
from pathlib import Path

import pytest

from support.deadline import until
from support.load import Aggregator, open_aggregator
from support.manifests import Client, write
from support.postgres import Server
from support.server import running
from support.sink import open_sink
from trackpush_server.journal.postgres import schema

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
_STORAGE = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
NEXT = schema.CHANGES[-1].number + 1
EXPANDS = f"""-- needs: 1
ALTER TABLE trackpush.updates ADD COLUMN weight_{NEXT} integer NOT NULL DEFAULT 7;
ALTER TABLE trackpush.push_configs ADD COLUMN note_{NEXT} text;
CREATE TABLE trackpush.added_{NEXT} (id bigint PRIMARY KEY);
CREATE INDEX pushes_added_{NEXT} ON trackpush.pushes (ended_at);
CREATE FUNCTION trackpush.added_{NEXT}() RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""
NEWER = """
    import trackpush_server.journal.postgres.schema as schema

    change = schema.parse({number}, "added", {script!r})
    schema.migrate.__defaults__ = ((*schema.CHANGES, change),)
"""
"""Runs in the newer server before anything else (`sitecustomize`): a version that knows one change more."""


async def test_an_older_and_a_newer_server_share_a_database_while_an_upgrade_rolls(
    tmp_path: Path, postgres_server: Server, postgres_dsn: str, postgres_database: str
) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "sitecustomize.py").write_text(textwrap.dedent(NEWER).format(number=NEXT, script=EXPANDS))
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url, delivery={"maxConcurrency": 64})
        resources = write(tmp_path / "resources", [client], _STORAGE, dsn=postgres_dsn)
        async with running(resources, tmp_path / "a") as old, open_aggregator(old.url, client) as to_old:
            doors = [to_old]
            load = _Load(doors)
            posting = [asyncio.create_task(load.post()) for _ in range(16)]
            try:
                await load.more()
                environment = {"PYTHONPATH": str(newer)}
                async with (
                    running(resources, tmp_path / "b", environment=environment) as new,
                    open_aggregator(new.url, client) as to_new,
                ):
                    known = f"SELECT max(number) FROM trackpush.schema_changes WHERE number < {schema.HELD}"  # noqa: S608  a constant
                    found = await asyncio.to_thread(postgres_server.sql, known, database=postgres_database)
                    assert found == str(NEXT), "the newer one didn't bring its change"
                    doors.insert(0, to_new)
                    await load.more(300)
                    doors[:] = [to_old, to_new]
                    await load.more(300)
                    assert await old.terminate() == 0, old.tail()
                    await load.more(300)
                    load.stop = True
                    await asyncio.gather(*posting)
                    await until(lambda: load.accepted <= sink.marks, seconds=60, what=new.tail)
                    assert await new.terminate() == 0, new.tail()
            finally:
                load.stop = True
                await asyncio.gather(*posting, return_exceptions=True)
            await old.start()  # a step back: the older version starts on the newer schema
            assert (await to_old.post(10_000_000)).status == 200
            await until(lambda: 10_000_000 in sink.marks, seconds=60, what=old.tail)
    assert not load.refused, "an aggregator that tries the next pod was refused"
    twice = {mark: len(found) for mark, found in sink.by_mark().items() if len(found) > 1}
    assert not twice, "a clean end sends nothing twice"


class _Load:
    """Posts without a pause, each update at the first door that takes it."""

    def __init__(self, doors: list[Aggregator]) -> None:
        self.accepted: set[int] = set()
        self.refused: list[int] = []
        self.stop = False
        self._doors = doors
        self._marks = itertools.count()

    async def post(self) -> None:
        """One worker."""
        while not self.stop:
            mark = next(self._marks)
            for door in list(self._doors):
                if (await door.post(mark)).status == 200:
                    self.accepted.add(mark)
                    break
            else:
                self.refused.append(mark)
            await asyncio.sleep(0.02)

    async def more(self, count: int = 100) -> None:
        """Wait until so many more were accepted."""
        wanted = len(self.accepted) + count
        await until(lambda: len(self.accepted) >= wanted, seconds=60, what=lambda: f"{len(self.accepted)} accepted")
