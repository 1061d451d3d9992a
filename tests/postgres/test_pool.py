"""The pool of connections for reads: what happens to a connection when whoever uses it goes away."""

import asyncio
import os
import signal

import pytest

from support.deadline import until
from support.postgres import Server
from trackpush_server.journal.postgres import pool as pools
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.session import Connector


async def test_a_connection_that_is_asked_whether_it_still_works_is_not_left_open_when_nobody_waits_any_more(
    postgres_server: Server, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_SURE_SECONDS", -1.0)
    pool = Pool(Connector(postgres_server.dsn(postgres_database)))
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
