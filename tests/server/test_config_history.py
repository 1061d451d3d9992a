"""The history of the configuration on a real server: API, console and command line, restarts, and replicas."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from support.command import invoked
from support.deadline import until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import HeldSource, account, serving, table
from trackpush_api.routing import Destination, RoutingTable, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded

OMS = Destination(name="acme/oms", url="https://oms.acme.example/private-path", headers=(("X-Key", "secret-value"),))


def configured(storage: Storage, **changes: Any) -> RoutingTable:
    return table(
        account(Aggregator.CLICKPOST, "k", destinations=["acme/oms"]),
        destinations=[msgspec.structs.replace(OMS, **changes)],
        storage=storage,
    )


async def changes(client: aiohttp.ClientSession, admin: str, number: int, query: str = "") -> list[dict[str, Any]]:
    """The history, when it has so many entries."""

    async def read() -> list[dict[str, Any]]:
        async with client.get(f"http://{admin}/api/v1/config/history{query}") as answer:
            assert answer.status == 200
            return list((await answer.json())["changes"])

    return await until_found(read, lambda found: len(found) >= number)


@EITHER_STORAGE
async def test_changes_are_kept_through_a_restart_and_secrets_are_never_shown(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    source = HeldSource(configured(storage))
    async with serving(tmp_path, source=source) as server:
        await changes(client, server.admin_address, 1)
        source.loaded = Loaded(table=configured(storage, timeout=20.0, headers=(("X-Key", "other-value"),)))
        before = await changes(client, server.admin_address, 2)
    source.loaded = Loaded(table=configured(storage, timeout=30.0))
    async with serving(tmp_path, source=source) as server:
        found = await changes(client, server.admin_address, 3)
        other = await changes(client, server.admin_address, 0, "?client=zen")
        page = await (await client.get(f"http://{server.admin_address}/console/config/history")).text()
        told = await invoked("config", "history", "--admin", f"http://{server.admin_address}", "--client", "acme")

    assert found[1:] == before
    assert [change["first"] for change in found] == [False, False, True]
    assert found[1]["resources"] == [
        {
            "name": "PushConfig acme/oms",
            "action": "changed",
            "fields": [
                {"path": "delivery.timeout", "old": "10s", "new": "20s", "hidden": False},
                {"path": "headers", "old": None, "new": None, "hidden": True},
            ],
            "moreFields": 0,
        }
    ]
    assert other == []
    assert "delivery.timeout</code>: 20s → 30s" in page
    assert "  ~ PushConfig acme/oms\n      delivery.timeout: 10s -> 20s\n      headers: changed\n" in told.stdout
    assert not [word for word in ("secret", "other-value", "private-path") if word in json.dumps(found) + told.stdout]


@pytest.mark.parametrize("storage", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_of_two_replicas_each_change_is_stored_once(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    sources = [HeldSource(configured(storage)) for _ in range(2)]
    async with (
        serving(tmp_path / "one", source=sources[0]) as server,
        serving(tmp_path / "two", source=sources[1]) as other,
    ):
        await changes(client, server.admin_address, 1)  # a change before the first entry would be part of it
        for number, timeout in enumerate((20.0, 30.0, 20.0), start=2):
            for source in sources:
                source.loaded = Loaded(table=configured(storage, timeout=timeout))
            await changes(client, server.admin_address, number)
        found = await changes(client, other.admin_address, 4)
    assert [change["resources"][0]["fields"][0]["new"] for change in found[:-1]] == ["20s", "30s", "20s"]
    assert len(found) == 4
