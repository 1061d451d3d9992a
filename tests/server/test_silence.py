"""A whole server reports accounts whose aggregator has stopped: admin API, metrics, status, console."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from journal.stores import update
from support.command import invoked
from support.deadline import until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import account, serving, table
from trackpush_api.routing import Account, Postgres, RoutingTable, Storage
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.server import Server

HOUR = 3600.0
UPDATE = b'{"waybill": "8001", "clickpost_status_code": 8, "timestamp": "2026-06-02T13:23:02Z"}'


def watched(aggregator: str, expect_every: float | None = 6 * HOUR) -> Account:
    made = account(aggregator, f"right-key-of-{aggregator.lower()}")
    return msgspec.structs.replace(made, expect_every=expect_every)


ACCOUNTS = watched("Clickpost"), watched("Shipway"), watched("Shiprocket", None)


async def remember(journal: SqliteJournal | PostgresJournal, **hours_ago: float) -> None:
    """Let the journal have updates of accounts as if a server had run all the time."""
    now = int(time.time() * 1000)
    await journal.start()
    for slug, hours in hours_ago.items():
        at = now - int(hours * HOUR * 1000)
        await journal.updates.append([update(account=f"acme/{slug}", received_at=at, to=())])
    await journal.last_updates.listen(now=now - 60_000)
    await journal.close()


class Rig:
    """A server, and a client that asks and posts."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def ask(self, path: str) -> str:
        async with self.session.get(f"http://{self.server.admin_address}{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def accounts(self) -> dict[str, Any]:
        found = msgspec.json.decode(await self.ask("/api/v1/accounts"))["accounts"]
        return {each["name"]: each for each in found}

    async def until_known(self) -> None:
        """Wait until the server has read the times from its journal, which it does beside its start."""
        await until_found(self.accounts, lambda found: all(each["state"] != "unknown" for each in found.values()))

    async def post(self, body: bytes = UPDATE, aggregator: str = "clickpost") -> dict[str, Any]:
        url = f"http://{self.server.address}/rms/in/api/{aggregator}/notify"
        async with self.session.post(url, data=body, headers={"x-api-key": f"right-key-of-{aggregator}"}) as answer:
            assert answer.status == 200
            found: dict[str, Any] = await answer.json()
            return found


@pytest.fixture
async def journal(tmp_path: Path, storage: Storage) -> SqliteJournal | PostgresJournal:
    return PostgresJournal(storage.dsn) if isinstance(storage, Postgres) else SqliteJournal(tmp_path / "data")


@pytest.fixture
def given(storage: Storage) -> RoutingTable:
    return table(*ACCOUNTS, storage=storage)


@pytest.fixture
async def rig(tmp_path: Path, journal: SqliteJournal, given: RoutingTable) -> AsyncIterator[Rig]:
    await remember(journal, clickpost=7, shipway=1, shiprocket=1000)
    async with serving(tmp_path, given) as server, aiohttp.ClientSession() as session:
        made = Rig(server, session)
        await made.until_known()
        yield made


@EITHER_STORAGE
async def test_a_silent_account_is_reported_everywhere_until_its_next_update(rig: Rig) -> None:
    found = await rig.accounts()
    assert {name: each["state"] for name, each in found.items()} == {
        "acme/clickpost": "silent",
        "acme/shiprocket": "unwatched",
        "acme/shipway": "receiving",
    }
    assert found["acme/clickpost"]["silentSince"] == found["acme/clickpost"]["lastUpdateAt"]
    assert found["acme/shiprocket"]["lastUpdateAt"] is not None

    metrics = await rig.ask("/metrics")
    assert "trackpush_accounts_silent 1.0" in metrics
    silent = re.findall(r'^trackpush_account_silent_timestamp_seconds\{account="(.*)"\} (.*)$', metrics, re.MULTILINE)
    assert [name for name, _ in silent] == ["acme/clickpost"]
    assert abs(time.time() - 7 * HOUR - float(silent[0][1])) < 120
    assert metrics.count("trackpush_account_last_update_timestamp_seconds{") == 3

    status = await invoked("status", "--admin", rig.server.admin_address)
    assert status.exit_code == 1
    assert re.search(r"acme/clickpost +Receiving +Silent +7h0\dm ago", status.stdout)
    assert re.search(r"acme/shipway +1h0\dm\d*s? ago|acme/shipway +1h0\dm ago", status.stdout)

    reported = msgspec.json.decode(await rig.ask("/last-updates"))["accounts"]
    assert [each["state"] for each in reported] == ["silent", "unwatched", "receiving"]

    assert await rig.post() == {"accepted": 1, "duplicates": 0}
    assert (await rig.accounts())["acme/clickpost"]["state"] == "receiving"
    assert "trackpush_accounts_silent 0.0" in await rig.ask("/metrics")
    status = await invoked("status", "--admin", rig.server.admin_address)
    assert (status.exit_code, "Silent" in status.stdout) == (0, False)


async def test_a_duplicate_ends_silence_and_a_body_without_a_shipment_does_not(rig: Rig) -> None:
    await rig.post()
    before = (await rig.accounts())["acme/clickpost"]["lastUpdateAt"]
    assert (await rig.post(b'{"event": "x", "payload": [1]}')).get("unrecognised") == 1
    assert (await rig.accounts())["acme/clickpost"]["lastUpdateAt"] == before
    assert await rig.post() == {"accepted": 0, "duplicates": 1}
    assert (await rig.accounts())["acme/clickpost"]["lastUpdateAt"] > before


async def test_a_page_of_accounts_has_a_cursor_and_filters(rig: Rig) -> None:
    first = msgspec.json.decode(await rig.ask("/api/v1/accounts?limit=2"))
    assert ([each["name"] for each in first["accounts"]], first["after"]) == (
        ["acme/clickpost", "acme/shiprocket"],
        "acme/shiprocket",
    )
    rest = msgspec.json.decode(await rig.ask(f"/api/v1/accounts?limit=2&after={first['after']}"))
    assert ([each["name"] for each in rest["accounts"]], rest["after"]) == (["acme/shipway"], None)
    silent = msgspec.json.decode(await rig.ask("/api/v1/accounts?state=silent"))
    assert [each["name"] for each in silent["accounts"]] == ["acme/clickpost"]
    assert msgspec.json.decode(await rig.ask("/api/v1/accounts?client=zen"))["accounts"] == []


async def test_the_console_shows_the_last_update_of_each_account(rig: Rig) -> None:
    for path in ("/console/clients/acme", "/console/config"):
        page = await rig.ask(path)
        assert "Last update (UTC)" in page
        assert page.count("<time datetime=") >= 3
    assert '<span class="state silent">silent</span>' in await rig.ask("/console/clients/acme")


@pytest.mark.process
async def test_updates_of_receiving_processes_count(
    tmp_path: Path, journal: SqliteJournal, given: RoutingTable
) -> None:
    await remember(journal, clickpost=7)
    async with (
        serving(tmp_path, given, receivers=2) as server,
        aiohttp.ClientSession() as session,
    ):
        rig = Rig(server, session)
        await rig.until_known()
        assert (await rig.accounts())["acme/clickpost"]["state"] == "silent"
        await rig.post()
        first = (await rig.accounts())["acme/clickpost"]
        assert first["state"] == "receiving"
        await rig.post()
        assert (await rig.accounts())["acme/clickpost"]["lastUpdateAt"] > first["lastUpdateAt"]
