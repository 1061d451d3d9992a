"""The admin port tells whether the server lives, is ready, and what it serves; the public port tells none of it."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from support.serving import HeldSource, serving, table
from trackpush_api.routing import Destination
from trackpush_server.admin.health import Health, why_dead, why_unready
from trackpush_server.journal.sqlite.connection import library_version
from trackpush_server.journal.sqlite.lock import FolderLock
from trackpush_server.server import Server

WELL = Health(table_loaded=True, journal_alive=True, journal_unavailable=None, draining=False)


async def get(server: Server, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{server.admin_address}{path}") as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("health", "live", "ready"),
    [
        (WELL, True, True),
        (replace(WELL, table_loaded=False), True, False),
        (replace(WELL, journal_unavailable="disk full"), True, False),
        (replace(WELL, draining=True), True, False),
        (replace(WELL, accepting=False), True, False),
        (replace(WELL, journal_alive=False, journal_unavailable="ended"), False, False),
        (replace(WELL, journal_alive=False, draining=True), True, False),
    ],
)
def test_live_and_ready_differ_where_a_restart_would_not_help(health: Health, live: bool, ready: bool) -> None:  # noqa: FBT001
    assert (not why_dead(health)) is live
    assert (not why_unready(health)) is ready


async def test_a_server_that_stores_and_serves_is_live_and_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert await get(server, "/livez") == (200, '{"ok":true,"reasons":[]}\n')
        assert (await get(server, "/readyz"))[0] == 200


async def test_a_journal_that_can_store_nothing_is_unready_with_its_reason_and_live(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    other_server = FolderLock(tmp_path / "data" / "journal.lock")
    await asyncio.to_thread(other_server.acquire)
    try:
        async with serving(tmp_path) as server:
            status, text = await get(server, "/readyz")
            assert (status, (await get(server, "/livez"))[0]) == (503, 200)
            assert "the journal can't store" in text
            assert "trackpush_journal_unavailable 1.0" in (await get(server, "/metrics"))[1]
    finally:
        other_server.release()


async def test_config_shows_revision_and_counts_but_no_digest(tmp_path: Path) -> None:
    given = table(destinations=[Destination(name="acme/push", url="http://127.0.0.1:1/secret-path")])
    async with serving(tmp_path, source=HeldSource(given)) as server:
        status, text = await get(server, "/config")

    assert status == 200
    assert given.revision in text
    assert '"accounts":3,"push_configs":1' in text
    assert "secret-path" not in text
    assert not any(digest in text for account in given.accounts for digest in account.key_digests)


async def test_the_public_port_serves_nothing_of_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        for path in ("/livez", "/readyz", "/metrics", "/config"):
            async with session.get(f"http://{server.address}{path}") as answer:
                assert answer.status == 404


async def test_metrics_have_conventional_names_and_cover_in_and_out(tmp_path: Path) -> None:
    given = table(destinations=[Destination(name="acme/push", url="http://127.0.0.1:1/")])
    async with serving(tmp_path, source=HeldSource(given)) as server:
        _, text = await get(server, "/metrics")

    assert f'trackpush_routing_table_info{{revision="{given.revision}"}} 1.0' in text
    for name in (
        "trackpush_ingest_requests_total",
        "trackpush_ingest_request_duration_seconds",
        "trackpush_updates_total",
        "trackpush_push_attempts_total",
        "trackpush_push_attempt_duration_seconds",
        "trackpush_push_latency_seconds",
        "trackpush_pushes_ended_total",
        "trackpush_pending_pushes",
        "trackpush_queue_age_seconds",
        "trackpush_ready_queue_age_seconds",
        "trackpush_lanes",
        "trackpush_breaker_state",
        "trackpush_journal_commit_duration_seconds",
        "trackpush_journal_commit_rows",
        "trackpush_journal_unavailable",
        "trackpush_config_problems",
        "trackpush_build_info",
    ):
        assert f"# TYPE {name} " in text, name
    assert f'sqlite_version="{library_version()}"' in text
