"""The admin API on a real server: what it finds, tells of clients, shows to each role, and writes down."""

import asyncio
import contextlib
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from support.bodies import body
from support.deadline import until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import account, serving, table
from support.sink import Arrival, open_sink
from trackpush_api.routing import Destination, Retry, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.server import Server

OPERATE, VIEW = "token-that-may-operate", "token-that-may-view"
PERSON = "Rahul Verma, 9876543210"


class Client:
    """Asks as one of the two tokens, and knows the place."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.awb = ""

    async def ask(
        self, path: str, token: str = OPERATE, method: str = "GET", request: object = None
    ) -> tuple[int, Any]:
        url = f"http://{self.server.admin_address}/api/v1{path}"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, url, headers=headers, json=request) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str, token: str = OPERATE) -> Any:
        status, answer = await self.ask(path, token)
        assert status == 200, answer
        return answer

    async def text(self, path: str, token: str = OPERATE) -> str:
        url = f"http://{self.server.admin_address}/api/v1{path}"
        async with self.session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 200
            return await answer.text()

    async def post(self, mark: int, key: str = "k") -> None:
        content = body("clickpost", mark=mark, shipment=1, second=mark).replace(b"Shipment received", PERSON.encode())
        url = f"http://{self.server.address}/rms/in/api/clickpost/notify"
        async with self.session.post(url, data=content, headers={"x-api-key": key}) as answer:
            assert answer.status == 200

    async def pushes(self, count: int, **query: str) -> list[dict[str, Any]]:
        """Wait for so many."""
        path = "/pushes?" + "&".join(f"{name}={value}" for name, value in query.items())
        found = await until_found(lambda: self.get(path), lambda found: len(found["pushes"]) >= count)
        return list(found["pushes"])


async def rejecting(arrival: Arrival) -> web.Response:
    """Answers with a person in its own words."""
    del arrival
    return web.Response(status=500, text="no customer Anita Rao")


@pytest.fixture
async def client(tmp_path: Path, storage: Storage) -> AsyncIterator[Client]:
    """acme/push delivers, acme/broken answers 500."""
    for name, token in (("operate", OPERATE), ("view", VIEW)):
        (tmp_path / name).write_text(token)
    async with contextlib.AsyncExitStack() as stack:
        good, bad = await stack.enter_async_context(open_sink()), await stack.enter_async_context(open_sink(rejecting))
        given = table(
            account(Aggregator.CLICKPOST, "k", destinations=["acme/push", "acme/broken"]),
            destinations=[
                Destination(name="acme/broken", url=f"{bad.url}?secret=path", retry=Retry(schedule=(0.01,))),
                Destination(name="acme/push", url=good.url, headers=(("X-Key", "secret-value"),)),
            ],
            storage=storage,
        )
        server = await stack.enter_async_context(
            serving(tmp_path, given, admin_token_file=tmp_path / "operate", admin_view_token_file=tmp_path / "view")
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Client(server, session)


@EITHER_STORAGE
async def test_pushes_are_found_by_awb_order_client_status_state_and_time_and_paged(client: Client) -> None:
    for mark in range(3):
        await client.post(mark)
    delivered = await client.pushes(3, state="delivered")
    awb, order = delivered[0]["awb"], delivered[0]["orderId"]
    for query in (f"awb={awb}", f"orderId={order}", "client=acme", "status=IN_TRANSIT", "account=acme/clickpost"):
        assert len((await client.get(f"/pushes?{query}"))["pushes"]) == 6, query
    assert (await client.get("/pushes?until=2020-01-01T00:00:00Z"))["pushes"] == []
    first = await client.get("/pushes?state=delivered&limit=2")
    second = await client.get(f"/pushes?state=delivered&limit=2&cursor={first['older']}")
    assert [push["id"] for push in first["pushes"] + second["pushes"]] == [push["id"] for push in delivered]
    back = await client.get(f"/pushes?state=delivered&limit=2&newer=true&cursor={second['newer']}")
    assert back["pushes"] == first["pushes"]


@EITHER_STORAGE
async def test_a_shipment_shows_each_update_push_and_attempt(client: Client) -> None:
    await client.post(1)
    (push,) = await client.pushes(1, state="delivered")
    story = await client.get(f"/shipments/{push['awb']}")
    (update,) = story["updates"]
    assert (update["account"], update["status"]) == ("acme/clickpost", "IN_TRANSIT")
    broken, delivered = update["pushes"]
    assert (broken["push"]["pushConfig"], delivered["push"]["pushConfig"]) == ("acme/broken", "acme/push")
    assert [attempt["httpStatus"] for attempt in delivered["attempts"]] == [200]
    assert PERSON in json.dumps(update["notification"])


@EITHER_STORAGE
async def test_the_role_view_sees_codes_and_no_person(client: Client) -> None:
    await client.post(1)
    push = next(push for push in await client.pushes(2) if push["pushConfig"] == "acme/broken")
    await until_found(lambda: client.get(f"/pushes/{push['id']}"), lambda shown: bool(shown["attempts"]))
    paths = ["/pushes", f"/pushes/{push['id']}", f"/shipments/{push['awb']}", "/push-configs", "/clients", "/config"]
    for path in paths:
        seen = json.dumps(await client.get(path, VIEW))
        assert not [value for value in ("Rahul", "9876543210", "Anita") if value in seen], path
    whole, masked = await client.get(f"/pushes/{push['id']}"), await client.get(f"/pushes/{push['id']}", VIEW)
    assert PERSON in json.dumps(whole["body"])
    assert whole["attempts"][0]["error"] == "HTTP 500: no customer Anita Rao"
    assert masked["attempts"][0]["error"] == "HTTP 500: •••"
    assert masked["notification"]["status"]["code"] == "IN_TRANSIT"
    assert masked["notification"]["status"]["remark"] == "•••"
    assert len(masked["body"]) == len(whole["body"])
    assert not set(masked["body"]) & set(whole["body"]), "names of members are masked, too"


async def test_the_role_view_can_change_nothing(client: Client) -> None:
    for method, path in (("POST", "/replays"), ("POST", "/erasures"), ("DELETE", "/replays/x")):
        status, answer = await client.ask(path, VIEW, method, {"client": "acme"})
        assert (status, answer["status"]) == (403, 403)
        assert "needs the role operate" in answer["detail"]


@EITHER_STORAGE
async def test_health_shows_what_fails_since_when_and_when_it_is_tried_next(client: Client) -> None:
    for mark in range(8):
        await client.post(mark)
    await client.pushes(8, state="delivered")
    broken = await until_found(
        lambda: client.get("/push-configs/acme/broken"),
        lambda found: found["state"] == "failing" and found["pending"] == 8,
    )
    assert broken["consecutiveFailures"] >= 5
    assert broken["nextTryAt"] is not None
    assert broken["lastHour"]["successRate"] == 0
    found = await client.get("/push-configs?client=acme")
    assert [(push_config["name"], push_config["state"]) for push_config in found["pushConfigs"]] == [
        ("acme/broken", "failing"),
        ("acme/push", "delivering"),
    ]
    assert (found["pushConfigs"][1]["lastHour"]["delivered"], found["pushConfigs"][1]["pending"]) == (8, 0)
    (acme,) = (await client.get("/clients?state=failing"))["clients"]
    assert (acme["name"], acme["pushConfigs"], acme["accounts"], acme["pending"]) == ("acme", 2, 1, 8)
    assert acme["queueAgeSeconds"] > 0
    assert (await client.ask("/push-configs/acme/unknown"))[0] == 404


async def test_series_hold_the_last_hour_of_the_server_and_of_a_push_config(client: Client) -> None:
    await client.post(1)
    await client.pushes(1, state="delivered")
    server = await client.get("/series")
    assert (server["stepSeconds"], len(server["points"])) == (15, 240)
    assert sum(point["received"] for point in server["points"]) * 15 == pytest.approx(1)
    own = await client.get("/series?pushConfig=acme/push")
    assert (own["stepSeconds"], len(own["points"])) == (60, 60)
    assert sum(point["delivered"] for point in own["points"]) * 60 == pytest.approx(1)
    assert max(point["p99"] or 0 for point in own["points"]) > 0


@EITHER_STORAGE
async def test_the_live_tail_sends_updates_and_attempts_as_they_happen(client: Client) -> None:
    url = f"http://{client.server.admin_address}/api/v1/tail?client=acme"
    async with client.session.get(url, headers={"Authorization": f"Bearer {VIEW}"}) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b": watching\n"
        await client.post(1)
        events: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            while {event["kind"] for event in events} != {"update", "attempt"} or not any(
                event["httpStatus"] == 500 for event in events
            ):
                line = await answer.content.readline()
                if line.startswith(b"data: "):
                    events.append(json.loads(line[6:]))
    (update,) = (event for event in events if event["kind"] == "update")
    assert update["pushes"] == ["acme/broken", "acme/push"] or update["pushes"] == ["acme/push", "acme/broken"]
    failed = next(event for event in events if event["httpStatus"] == 500)
    assert (failed["pushConfig"], failed["error"]) == ("acme/broken", "HTTP 500: •••")


async def test_the_configuration_is_shown_without_secrets(client: Client) -> None:
    found = await client.get("/config")
    text = json.dumps(found)
    assert (found["server"], found["accountsTotal"], found["pushConfigsTotal"]) == ("trackpush/main", 1, 2)
    assert [push_config["name"] for push_config in found["pushConfigs"]] == ["acme/broken", "acme/push"]
    assert found["pushConfigs"][1]["auth"] == "headers"
    for secret in ("secret", "X-Key", "hooks/shipments", OPERATE):
        assert secret not in text
    page = await client.get("/config?limit=1")
    assert [push_config["name"] for push_config in page["pushConfigs"]] == ["acme/broken"]
    rest = await client.get(f"/config?after={page['after']}")
    assert [entry["name"] for entry in rest["accounts"] + rest["pushConfigs"]] == ["acme/clickpost", "acme/push"]


@EITHER_STORAGE
async def test_who_replays_or_erases_is_written_down_before_it_happens(client: Client) -> None:
    await client.post(1)
    (push,) = await client.pushes(1, state="delivered")
    await client.ask("/replays", OPERATE, "POST", {"awb": push["awb"], "states": ["delivered"], "dryRun": True})
    assert (await client.get("/audits"))["audits"] == []
    await client.ask("/replays", OPERATE, "POST", {"awb": push["awb"], "states": ["delivered"]})
    await client.ask("/erasures", OPERATE, "POST", {"client": "acme", "reason": "request 1"})
    erasure, replay = (await client.get("/audits", VIEW))["audits"]
    assert (replay["actor"], replay["role"], replay["action"]) == ("token", "operate", "replay.start")
    assert (erasure["action"], erasure["target"], erasure["address"]) == ("erasure.start", "client acme", "127.0.0.1")
    assert "awb sha256:" in replay["target"]
    assert push["awb"] not in json.dumps([erasure, replay])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/pushes?limit=0", "Expected `int` >= 1"),
        ("/pushes?cursor=1", "not a cursor"),
        ("/pushes?sinse=1", "unknown field `sinse`"),
        ("/pushes?state=null", "null is not allowed: leave out state"),
        ("/pushes?awb=1&awb=2", "given more than once: awb"),
        ("/pushes?pushConfig=acme", "matching regex"),
        ("/replays?x=1", "this path takes no parameters"),
    ],
)
async def test_a_mistake_is_a_problem_that_says_what_to_do(client: Client, path: str, told: str) -> None:
    url = f"http://{client.server.admin_address}/api/v1{path}"
    async with client.session.get(url, headers={"Authorization": f"Bearer {VIEW}"}) as answer:
        assert (answer.status, answer.content_type) == (400, "application/problem+json")
        assert told in (await answer.json(content_type=None))["detail"]


async def test_without_tokens_a_page_of_another_site_can_neither_read_nor_change_anything(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        url = f"http://{server.admin_address}/api/v1"

        async def status(method: str, path: str, **headers: str) -> int:
            async with session.request(method, url + path, headers=headers, json={"client": "acme"}) as answer:
                return answer.status

        assert await status("POST", "/replays") == 202  # the command line
        assert await status("POST", "/replays", Origin="https://evil.example") == 403
        assert await status("POST", "/replays", Origin=f"http://{server.admin_address}") == 403  # no CSRF token
        assert await status("POST", "/replays", **{"Sec-Fetch-Site": "cross-site"}) == 403
        assert await status("GET", "/pushes", Host="evil.example") == 403  # a name that resolves to loopback
        assert await status("GET", "/pushes", Host="localhost:8081") == 200


async def test_browsers_must_not_frame_sniff_or_store_anything(client: Client) -> None:
    url = f"http://{client.server.admin_address}/api/v1/pushes"
    async with client.session.get(url) as answer:
        assert answer.status == 401
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


@EITHER_STORAGE
async def test_an_export_holds_every_match_and_is_masked_for_the_role_view(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.admin.api.exporting.MOST_ROWS", 1)
    for mark in range(3):
        await client.post(mark)
    whole = await client.pushes(3, state="delivered")
    lines = (await client.text("/pushes/export?format=ndjson&state=delivered")).splitlines()
    table_text = await client.text("/pushes/export?state=delivered")
    failed = await client.pushes(1, error="5xx")
    viewed = (await client.text("/pushes/export?format=ndjson&error=500", VIEW)).splitlines()
    wrong, answer = await client.ask("/pushes/export?error=6xx")

    assert [json.loads(line) for line in lines] == whole
    assert [row["id"] for row in csv.DictReader(io.StringIO(table_text, newline=""))] == [push["id"] for push in whole]
    assert {push["pushConfig"] for push in failed} == {"acme/broken"}
    assert len(viewed) == 1  # the two others of the shipment wait for it
    assert "Anita Rao" not in "".join(viewed)
    assert (wrong, "unknown error class" in answer["detail"]) == (400, True)


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_the_media_type_of_each_export_is_in_the_description(client: Client, form: str) -> None:
    described = (await client.get("/openapi.json"))["paths"]["/api/v1/pushes/export"]["get"]["responses"]["200"]
    url = f"http://{client.server.admin_address}/api/v1/pushes/export?format={form}"
    async with client.session.get(url, headers={"Authorization": f"Bearer {OPERATE}"}) as answer:
        assert answer.content_type in described["content"]


async def test_exports_beyond_the_bound_are_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackpush_server.admin.api.exporting.MOST_AT_ONCE", 0)
    status, answer = await client.ask("/pushes/export")
    assert (status, "exports are running" in answer["detail"]) == (429, True)


async def test_the_configuration_shows_the_url_to_paste_for_each_account(client: Client) -> None:
    (found,) = (await client.get("/config"))["accounts"]
    assert found["url"] == "https://HOST/rms/in/api/clickpost/notify"
