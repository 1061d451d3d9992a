"""Two servers on one database, of which one still has the routing table of a namespace that was deleted since."""

import contextlib
from pathlib import Path

import aiohttp
import pytest

from server.test_tenancy import FIRST, SECOND, both_sinks, of, post, served, waiting
from support.deadline import until, until_found
from support.serving import HeldSource, serving
from support.sink import Arrival
from trackpush_api.routing import Postgres
from trackpush_server.config.source import Loaded

FORMER = f"acme@{FIRST.uid}/push"


async def refuse(_: Arrival) -> int:
    return 503


@pytest.mark.parametrize("behind", ["has stored updates", "has stored nothing", "starts later"])
async def test_a_replica_with_an_older_table_mixes_pushes_of_neither_client(
    tmp_path: Path, client: aiohttp.ClientSession, postgres_dsn: str, behind: str
) -> None:
    storage = Postgres(dsn=postgres_dsn)
    async with both_sinks() as (first, second), contextlib.AsyncExitStack() as servers:
        first.behaviour = refuse
        old = of(FIRST, "first", first, storage)
        new = Loaded(table=of(SECOND, "second", second, storage))
        stale, current = HeldSource(old), HeldSource(old)
        ahead = await servers.enter_async_context(serving(tmp_path / "ahead", source=current, lease=5.0))
        late = serving(tmp_path / "late", source=stale, lease=5.0)
        if behind != "starts later":
            replica = await servers.enter_async_context(late)
        mine = {1}
        await served(client, replica if behind == "has stored updates" else ahead, "first", 1)
        current.loaded = new
        await served(client, ahead, "second", 2)
        if behind == "starts later":
            replica = await servers.enter_async_context(late)
        await served(client, replica, "first", 3)
        mine.add(3)
        assert await post(client, replica, "second", 4) == 401
        await served(client, ahead, "second", 5)
        assert await post(client, ahead, "first", 6) == 401
        stale.loaded = new
        await served(client, replica, "second", 7)
        await until(lambda: second.marks == {2, 5, 7}, seconds=60, what=lambda: str(second.marks))
        await until_found(lambda: waiting(ahead), lambda found: found == {FORMER: len(mine)}, seconds=60)
        assert first.marks <= mine
