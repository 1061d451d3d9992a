"""Which storage a running server has, what of it may change, and what it waits for."""

import asyncio
from pathlib import Path

from support.deadline import until
from support.load import open_aggregator
from support.manifests import Client, write
from support.postgres import PASSWORD, ROLE, Server
from support.server import ServerProcess, running
from support.serving import account, table
from support.sink import open_sink
from support.volume import Volume, written
from trackpush_api.routing import Postgres, RoutingTable
from trackpush_api.vocabulary import Aggregator

_STORAGE = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}


async def test_a_changed_password_is_used_for_new_connections_without_a_restart(
    tmp_path: Path, own_postgres: Server
) -> None:
    dsn = own_postgres.dsn(own_postgres.create_database())
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        resources = write(tmp_path / "resources", [client], _STORAGE, dsn=dsn)
        async with running(resources, tmp_path / "data") as server, open_aggregator(server.url, client) as aggregator:
            assert (await aggregator.post(1)).status == 200
            before = len(server.log)
            own_postgres.sql(f"ALTER ROLE {ROLE} PASSWORD 'another-one'")
            write(resources, [client], _STORAGE, dsn=dsn.replace(PASSWORD, "another-one"))
            await until(
                lambda: server.logged("routing_table_loaded", since=before) is not None, seconds=30, what=server.tail
            )
            own_postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'postgres'")
            answers = [await aggregator.post(mark) for mark in range(2, 6)]
            await until(lambda: aggregator.accepted <= sink.marks, seconds=30, what=server.tail)
            await server.until_ready()
            assert (await aggregator.post(9)).status == 200, answers
            assert await server.terminate() == 0
    told = "".join(map(str, server.log))
    assert "another-one" not in told
    assert PASSWORD not in told


async def test_another_database_or_kind_of_storage_is_refused_and_told_and_every_other_change_is_taken(
    tmp_path: Path, own_postgres: Server
) -> None:
    dsn = own_postgres.dsn(own_postgres.create_database())
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        resources = write(tmp_path / "resources", [client], _STORAGE, dsn=dsn)
        async with running(resources, tmp_path / "data") as server, open_aggregator(server.url, client) as aggregator:
            for number, (settings, other, told) in enumerate(
                (
                    (_STORAGE, f"{dsn}_other", "this is another host or database; restart the server to use it"),
                    ({}, None, "this server's journal is in PostgreSQL; restart it to use SQLite"),
                )
            ):
                new = Client(name=f"new-{number}", url=sink.url)
                write(resources, [client, new], settings, dsn=other)
                await until(lambda told=told: told in server.tail(), seconds=30, what=server.tail)  # type: ignore[misc]
                assert told in (await server.probe("/config")).text
                async with open_aggregator(server.url, new) as of_new:
                    assert (await of_new.post(10 + number)).status == 200
                await until(lambda number=number: 10 + number in sink.marks, seconds=30, what=server.tail)  # type: ignore[misc]
            assert (await aggregator.post(1)).status == 200
            assert "dsn" not in (await server.probe("/config")).text
            write(resources, [client], _STORAGE, dsn=dsn)
            before = len(server.log)
            await until(
                lambda: server.logged("routing_table_loaded", since=before) is not None, seconds=30, what=server.tail
            )
            assert "restart" not in (await server.probe("/config")).text
    assert PASSWORD not in "".join(map(str, server.log))


async def test_with_shards_it_opens_no_journal_before_the_settings_say_where_it_is(
    tmp_path: Path, postgres_dsn: str
) -> None:
    volume = Volume(tmp_path / "shards")
    server = ServerProcess(volume.root, tmp_path / "data", arguments=["--await-settings"], shards=True)
    starting = asyncio.create_task(server.start())
    try:
        await until(lambda: server.logged("waiting_for_settings") is not None, seconds=30, what=server.tail)
        given: RoutingTable = table(account(Aggregator.CLICKPOST, "key-1"))
        settings = given.server.__class__(name=given.server.name, storage=Postgres(dsn=postgres_dsn))
        volume.swap(written(RoutingTable(server=settings, accounts=given.accounts)))
        await starting
        assert not (tmp_path / "data" / "journal.db").exists()
        assert await server.terminate() == 0, server.tail()
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await server.close()
