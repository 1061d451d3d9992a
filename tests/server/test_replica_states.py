"""With two replicas on PostgreSQL, a PushConfig of the other one is elsewhere, and never missing."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from support.deadline import until, until_found
from support.serving import account, serving, table
from support.sink import Arrival, open_sink
from trackpush_api.routing import Destination, Postgres
from trackpush_server.server import Server

NAMES = [f"acme/{number}-push" for number in range(20)]


async def fail(arrival: Arrival) -> int:
    del arrival
    return 503


async def ask(server: Server, session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(f"http://{server.admin_address}/api/v1{path}") as answer:
        assert answer.status == 200, await answer.text()
        return json.loads(await answer.text())


async def test_a_push_config_of_another_replica_is_elsewhere_and_is_not_reported_as_missing(
    tmp_path: Path, client: aiohttp.ClientSession, postgres_dsn: str
) -> None:
    async with open_sink(fail) as endpoint:
        served = table(
            account("Clickpost", "k", destinations=NAMES),
            destinations=[Destination(name=name, url=endpoint.url) for name in NAMES],
            storage=Postgres(dsn=postgres_dsn),
        )
        async with serving(tmp_path / "one", served) as one, serving(tmp_path / "two", served) as two:
            held = lambda server: {name for name in NAMES if server._ownership.holds(name)}  # noqa: E731
            await until(lambda: all(0 < len(held(server)) < 20 for server in (one, two)), seconds=60, what="both send")
            url = f"http://{one.address}/rms/in/api/clickpost/notify"
            content = b'{"waybill": "1", "clickpost_status_code": 8, "timestamp": "2026-06-02T13:23:02Z"}'
            async with client.post(url, data=content, headers={"x-api-key": "k"}) as answer:
                assert answer.status == 200
            for server in (one, two):
                waiting = await until_found(
                    lambda server=server: ask(server, client, "/findings"),
                    lambda found: sum(queue["pending"] for queue in found["queues"]) == 20,
                    seconds=60,
                )
                assert [found for found in waiting["findings"] if found["reason"] == "Missing"] == []
                listed = (await ask(server, client, "/push-configs"))["pushConfigs"]
                elsewhere = {row["name"] for row in listed if row["state"] == "elsewhere"}
                assert {row["name"] for row in listed} == set(NAMES)
                assert elsewhere == set(NAMES) - held(server)
