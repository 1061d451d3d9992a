"""The pool of connections for reads: what happens to a connection when whoever uses it goes away."""

import asyncio
import os
import signal

import pytest

from journal.stores import postgres_store, update
from support.deadline import until
from support.postgres import Server
from trackpush_runtime.background import end
from trackpush_server.journal.model import PageRequest
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.postgres import pool as pools
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.session import Connector


async def test_a_connection_that_is_asked_whether_it_still_works_is_not_left_open_when_nobody_waits_any_more(
    postgres_server: Server, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_SURE_SECONDS", -1.0)
    pool = Pool(Connector(postgres_server.dsn(postgres_database)), most=2)
    backend = int((await pool.fetch("SELECT pg_backend_pid()"))[0][0])
    count = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {backend}"  # noqa: S608  a number
    assert postgres_server.sql(count) == "1"
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await pool.fetch("SELECT 1")
    finally:
        os.kill(backend, signal.SIGCONT)
    await until(lambda: postgres_server.sql(count) == "0", seconds=20, what="the connection's end")
    await pool.close()


async def test_what_people_ask_for_may_take_long_and_no_page_of_pushes_waits_for_it(
    postgres_server: Server, postgres_database: str
) -> None:
    sleeping = "SELECT count(*) > 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'"
    async with postgres_store(postgres_server.dsn(postgres_database)).open() as opened:
        await opened.put(update(to=["acme/oms"]))
        journal = opened.journal
        assert isinstance(journal, PostgresJournal)
        slow = [asyncio.create_task(journal._access.pool.fetch("SELECT pg_sleep(600)")) for _ in range(8)]
        try:
            await until(lambda: postgres_server.sql(sleeping) == "t", seconds=20, what="that all connections are used")
            async with asyncio.timeout(10):
                (page,) = await journal.pushes.pending([PageRequest(push_config="acme/oms", after=0, limit=10)])
                assert (await journal.pushes.pending_configs()).push_configs == {"acme/oms"}
                (push,) = page.pushes
                assert list(await journal.pushes.fetch("acme/oms", [push.update_id])) == [push.update_id]
            assert not any(task.done() for task in slow)
        finally:
            for task in slow:
                await end(task)
