"""Rows of docs/reliability.md about a database that is restarted, fails over, fills up, is slow or out of reach."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.disk import small_disk
from faults.network import between
from faults.scene import Scene, scene, slow_to_sync
from faults.shim import Shim
from support.postgres import PASSWORD, ROLE, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def assert_asked_to_come_back(stage: Scene) -> None:
    """Whatever wasn't 200 was 503 with Retry-After, or no answer within the aggregator's patience."""
    assert stage.statuses <= {200, 503, None}, stage.statuses
    assert all(post.retry_after for post in stage.others if post.status == 503)


@pytest.fixture
def database(own_postgres: Server) -> tuple[Server, str]:
    """A server of the test's own, and a database in it."""
    return own_postgres, own_postgres.create_database()


async def test_a_restart_of_the_database(tmp_path: Path, database: tuple[Server, str]) -> None:
    server, name = database
    async with scene(tmp_path, dsn=server.dsn(name)) as stage:
        for _ in range(2):
            await asyncio.to_thread(server.restart)
            await stage.more()
        await asyncio.to_thread(server.kill)
        await stage.refused()
        await asyncio.to_thread(server.start)
        await stage.end()
        assert_asked_to_come_back(stage)
        stage.tell(
            "The database is restarted twice, then killed and started",
            "PostgreSQL",
            aggregator=f"503 with Retry-After while it is away, {stage.gap:.1f} s at most",
            client="its pushes, later by as much",
        )


@pytest.mark.long
async def test_a_failover_to_a_standby(tmp_path: Path, database: tuple[Server, str]) -> None:
    server, name = database
    server.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    standby = await asyncio.to_thread(server.standby)
    try:
        server.sql("SELECT pg_reload_conf()")
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
        dsn = f"postgresql://{ROLE}:{PASSWORD}@{hosts}/{name}?target_session_attrs=read-write"
        async with scene(tmp_path, dsn=dsn) as stage:
            await asyncio.to_thread(server.kill)
            await stage.refused()
            await asyncio.to_thread(standby.sql, "ALTER SYSTEM SET synchronous_standby_names = ''")
            await asyncio.to_thread(standby.promote)
            await asyncio.to_thread(standby.sql, "SELECT pg_reload_conf()")
            await stage.end()
            assert_asked_to_come_back(stage)
            stage.tell(
                "The primary dies, its synchronous standby is promoted",
                "PostgreSQL",
                aggregator=f"503 with Retry-After until then, {stage.gap:.1f} s at most",
                client="its pushes, later by as much",
            )
    finally:
        standby.remove()


@pytest.mark.long
async def test_a_full_disk_of_the_database(tmp_path: Path) -> None:
    folder = Path(f"/tmp/tp-full-{os.getpid()}")  # noqa: S108  sockets need a short path
    with small_disk(folder, size="280m") as disk:
        settings = {"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_recycle": "off"}
        server = Server(settings, parent=folder)
        try:
            await asyncio.to_thread(server.start)
            async with scene(tmp_path, dsn=server.dsn(server.create_database())) as stage:
                await asyncio.to_thread(disk.fill)
                await stage.refused()
                await asyncio.to_thread(disk.empty)
                if not server.is_running:
                    await asyncio.to_thread(server.start)
                await stage.end()
                assert_asked_to_come_back(stage)
                stage.tell(
                    "The database's disk is full",
                    "PostgreSQL",
                    aggregator="503 with Retry-After until there is room",
                    client="its pushes, later by as much",
                )
        finally:
            server.remove()
    folder.rmdir()  # noqa: ASYNC240  empty: it was a mount point


@pytest.fixture
def shim() -> Iterator[Shim]:
    """Where the database's own user can read it."""
    file = Path(f"/tmp/tp-shim-{os.getpid()}")  # noqa: S108  a short life, and nothing secret in it
    made = Shim(file)
    yield made
    made.remove()


@pytest.mark.long
async def test_a_database_that_is_slow_to_sync(tmp_path: Path, shim: Shim, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    try:
        with monkeypatch.context() as patched:
            for variable, value in shim.environment.items():
                patched.setenv(variable, value)
            await asyncio.to_thread(server.start)
            name = server.create_database()
        async with scene(tmp_path, dsn=server.dsn(name)) as stage:
            await slow_to_sync(stage, shim, "PostgreSQL")
    finally:
        server.remove()


@pytest.mark.long
async def test_a_network_that_drops_everything_between_server_and_database(
    tmp_path: Path, database: tuple[Server, str]
) -> None:
    server, name = database
    with between(server.folder / f".s.PGSQL.{server.port}", port=5432) as way:
        dsn = f"postgresql://{ROLE}:{PASSWORD}@{way.address}:{way.port}/{name}"
        async with scene(tmp_path, dsn=dsn) as stage:
            await asyncio.to_thread(way.cut)
            await stage.refused(40)
            await asyncio.to_thread(way.mend)
            await stage.end()
            assert_asked_to_come_back(stage)
            stage.tell(
                "The network drops every packet between server and database",
                "PostgreSQL",
                aggregator="no answer to open requests, then 503 with Retry-After; 200 again"
                f" {stage.gap:.0f} s after the last at most",
                client="nothing meanwhile, because a replica that can't renew its lease sends nothing; then its pushes",
            )


@pytest.mark.long
async def test_dns_fails_for_client_and_database(tmp_path: Path, database: tuple[Server, str]) -> None:
    server, name = database
    hosts, resolver = tmp_path / "hosts", tmp_path / "resolv.conf"
    names = "127.0.0.1 localhost\n127.0.0.1 database.trackpush.test\n127.0.0.1 client.trackpush.test\n"
    hosts.write_text(names)
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")  # nobody listens there
    mounts = f"mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf"
    prefix = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
    dsn = server.dsn(name).replace("127.0.0.1", "database.trackpush.test")
    url = "http://client.trackpush.test:{port}/hooks/shipments"
    async with scene(tmp_path, dsn=dsn, prefix=prefix, url=url) as stage:
        with hosts.open("w") as file:  # in place: the file is mounted, and so is its inode
            file.write("127.0.0.1 localhost\n")
        before = len(stage.sink.arrivals)
        await stage.more()
        assert stage.statuses == {200}, "connections that there are don't need DNS"
        await asyncio.to_thread(server.restart)
        await stage.refused()
        with hosts.open("w") as file:
            file.write(names)
        await stage.end()
        assert len(stage.sink.arrivals) > before
        assert_asked_to_come_back(stage)
        stage.tell(
            "DNS finds neither client nor database, then the database is restarted",
            "PostgreSQL",
            aggregator="200 on existing connections; 503 with Retry-After when new ones are needed, until"
            f" DNS is back ({stage.gap:.1f} s at most)",
            client="nothing on new connections, its pushes wait; then all of them",
        )
