"""`pushes`, `shipment` and `status` ask a running server, and tell what its journal's file tells."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import structlog
from aiohttp import web

from support.bodies import awb, body
from support.command import Result, invoked
from support.deadline import until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.rows import every_row
from support.serving import account, serving, table
from support.sink import Arrival, open_sink
from trackpush_api.routing import Destination, Filter, Retry, Storage
from trackpush_api.vocabulary import Aggregator, Direction
from trackpush_cli.completion import candidates
from trackpush_server import logs
from trackpush_server.server import Server

REVERSE_ONLY = Filter(directions=frozenset({Direction.REVERSE}))


class Rig(NamedTuple):
    """A server with three clients, which accept, answer 500 and filter out everything; two shipments have arrived."""

    server: Server
    session: aiohttp.ClientSession
    data: Path
    token: Path

    async def run(self, *arguments: str) -> Result:
        """A command that asks the server."""
        return await invoked(*arguments, "--admin", self.server.admin_address, "--token-file", str(self.token))

    async def post(self, mark: int, key: str = "k") -> None:
        """What Clickpost posts, of shipment 1 or 2."""
        url = f"http://{self.server.address}/rms/in/api/clickpost/notify?key={key}"
        content = body("clickpost", mark=mark, shipment=mark % 2 + 1, second=mark)
        async with self.session.post(url, data=content) as answer:
            assert answer.status == 200

    async def until(self, *arguments: str, count: int) -> list[dict[str, Any]]:
        """List pushes until there are so many."""
        async with asyncio.timeout(60):
            while True:
                found = (await self.run("pushes", "list", "-o", "json", *arguments)).json["pushes"]
                if len(found) >= count:
                    return list(found)


@pytest.fixture
async def rig(tmp_path: Path, storage: Storage) -> AsyncIterator[Rig]:
    async def refuse(_: Arrival) -> web.Response:
        return web.Response(status=500, text="out of order")

    token = tmp_path / "token"
    token.write_text("a-token-of-the-test")
    logs.configure("json", io.StringIO())
    async with open_sink() as good, open_sink(refuse) as bad, aiohttp.ClientSession() as session:
        given = table(
            account(Aggregator.CLICKPOST, "k", destinations=["acme/oms", "acme/wms"]),
            account(Aggregator.CLICKPOST, "other", name="zen/clickpost", destinations=["zen/returns"]),
            destinations=[
                Destination(name="acme/oms", url=good.url),
                Destination(name="acme/wms", url=bad.url, retry=Retry(schedule=(0.01, 0.01, 60.0))),
                Destination(name="zen/returns", url=good.url, filter=REVERSE_ONLY),
            ],
            storage=storage,
        )
        async with serving(tmp_path, given, admin_token_file=token) as server:
            made = Rig(server, session, tmp_path / "data", token)
            for mark in range(4):
                await made.post(mark)
            await made.until("--state", "delivered", count=4)
            yield made
    structlog.reset_defaults()


async def test_a_running_server_lists_and_shows_what_its_file_does(rig: Rig) -> None:
    offline = await invoked("pushes", "list", "--data", str(rig.data), "--push-config", "acme/oms", "-o", "json")
    online = await rig.run("pushes", "list", "--push-config", "acme/oms", "-o", "json")
    push = online.json["pushes"][0]["id"]
    shown = [
        await invoked("pushes", "show", push, "--body", "--data", str(rig.data), "-o", "json"),
        await rig.run("pushes", "show", push, "--body", "-o", "json"),
    ]
    missing = await rig.run("pushes", "show", "psh_" + "0" * 32 + "-" + "0" * 8)

    assert online.json == offline.json
    from_file, from_server = (answer.json for answer in shown)
    assert from_file["request"] is None
    assert from_server.pop("request")["url"].startswith("http://127.0.0.1:")
    assert [attempt.pop("answer")["headers"] != [] for attempt in from_server["attempts"]] == [True]
    assert [attempt.pop("answer") for attempt in from_file["attempts"]] == [None]
    assert (from_server | {"request": None}) == from_file
    assert (missing.exit_code, "not in the journal of http://127.0.0.1" in missing.stderr) == (1, True)


@EITHER_STORAGE
async def test_filters_and_pages_work_over_the_api(rig: Rig) -> None:
    mine = await rig.run("pushes", "list", "--awb", awb(1), "--state", "delivered", "--since", "1h", "-o", "json")
    first = await rig.run("pushes", "list", "--push-config", "acme/oms", "--limit", "3", "-o", "json")
    rest = await rig.run("pushes", "list", "--push-config", "acme/oms", "--cursor", first.json["cursor"], "-o", "json")
    wrong = await rig.run("pushes", "list", "--cursor", "nonsense")

    assert [push["awb"] for push in mine.json["pushes"]] == [awb(1), awb(1)]
    assert len(first.json["pushes"] + rest.json["pushes"]) == 4
    assert (wrong.exit_code, "not a cursor" in wrong.stderr) == (1, True)


@EITHER_STORAGE
async def test_the_story_of_a_shipment_shows_what_came_and_what_was_answered(rig: Rig) -> None:
    await rig.until("--push-config", "acme/wms", count=4)
    shown = (await rig.run("shipment", awb(1))).stdout
    data = (await rig.run("shipment", awb(1), "-o", "json")).json
    await rig.post(10, key="other")
    unwanted = (await rig.run("shipment", awb(1), "--client", "zen")).stdout
    never = await rig.run("shipment", "no-such-awb")

    assert len(data["updates"]) == 2
    assert "delivered" in shown
    assert "EndpointFailing: The endpoint fails: HTTP 500: out of order" in shown
    assert "Filtered: No PushConfig accepted this update" in unwanted
    assert never.exit_code == 1
    assert "trackpush doctor" in never.stderr


async def test_status_shows_what_waits_and_which_endpoint_fails(rig: Rig) -> None:
    for mark in range(4, 12):
        await rig.post(mark)
    result = await until_found(
        lambda: rig.run("status", "-o", "json"),
        lambda result: result.exit_code == 1 and len(result.json["servers"][0]["queues"]) == 1,
        seconds=60,
    )
    shown = (await rig.run("status")).stdout

    (queue,) = result.json["servers"][0]["queues"]
    assert queue["pushConfig"] == "acme/wms"
    assert queue["pending"] >= 4
    assert queue["oldestSeconds"] > 0
    assert [finding["reason"] for finding in result.json["findings"]] == ["EndpointFailing"]
    assert "PUSHCONFIG" in shown


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
async def test_tail_shows_updates_and_attempts_as_they_happen(rig: Rig, form: str) -> None:
    tail = asyncio.create_task(rig.run("pushes", "tail", "--push-config", "acme/oms", "--count", "4", "-o", form))
    posted = 20
    async with asyncio.timeout(60):
        while not tail.done():  # the tail begins some time after its start: updates come until it has seen enough
            await rig.post(posted)
            posted += 1
            await asyncio.sleep(0.05)
    result = await tail

    assert result.exit_code == 0
    if form == "table":
        attempts = [line for line in result.stdout.splitlines() if "  attempt  " in line]
        assert attempts
        assert all(": HTTP 200 in " in line for line in attempts), attempts
    if form == "json":
        kinds = {json.loads(line)["kind"] for line in result.stdout.splitlines()}
        assert kinds == {"update", "attempt"}
    else:
        assert "acme/oms" in result.stdout


OTHER_FORMS = (
    *({}, {"pushes": 5}, {"pushes": [{}]}, {"pushes": [5]}, {"pushes": None}, {"bodies": [None]}, {"updates": [{}]}),
    *({"push": {}}, {"unrecognised": {"id": "x"}, "unreadable": None, "masked": False, "bodyBase64": "?"}),
)


@every_row("answer", OTHER_FORMS)
@every_row(
    "command",
    [
        ("pushes", "list"),
        ("pushes", "show", "psh_00000000000000000000000000000001-00000001"),
        ("shipment", "1900"),
        ("inbox", "list"),
        ("replay", "--awb", "1900", "--state", "dead", "--yes"),
    ],
)
async def test_an_answer_of_another_form_is_one_sentence(command: tuple[str, ...], answer: object) -> None:
    async def answered(_: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answered)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        found = await invoked(*command, "--admin", f"{host}:{port}")
    finally:
        await runner.cleanup()

    assert "Traceback" not in found.stderr
    assert found.exit_code in {0, 1, 2}
    assert found.exit_code == 0 or len(found.stderr.strip().splitlines()) == 1, found.stderr


async def test_names_are_completed_from_the_running_server_and_nothing_without_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKPUSH_ADMIN", f"http://{rig.server.admin_address}")
    monkeypatch.setenv("TRACKPUSH_ADMIN_TOKEN_FILE", str(rig.token))

    async def names(*words: str) -> list[str]:
        found, _ = await asyncio.to_thread(candidates, ["pushes", "list", *words])
        return [name for name, _ in found]

    assert await names("--client", "") == ["acme", "zen"]
    assert await names("--push-config", "acme/o") == ["acme/oms"]
    assert await names("--account", "zen/") == ["zen/clickpost"]
    monkeypatch.setenv("TRACKPUSH_ADMIN", "http://127.0.0.1:1")
    assert await names("--client", "") == []
