"""Try now and Reopen over the admin API and the console: done, audited, or refused with the reason."""

import re
from pathlib import Path

import aiohttp

from admin.test_operations import ask
from admin.test_why import codes, given, listed, post
from support.deadline import until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import role_tokens, serving
from support.sink import Arrival, open_sink
from trackpush_api.routing import Storage
from trackpush_server.server import Server


class Client:
    """Answers what the test says."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def __call__(self, arrival: Arrival) -> int:
        del arrival
        return self.status


async def audited(server: Server) -> list[tuple[str, str]]:
    _, found = await ask(server, "GET", "/api/v1/audits")
    return [(entry["action"], entry["target"]) for entry in reversed(found["audits"])]


async def press(server: Server, page: str, path: str) -> tuple[int, str]:
    """Press a button of a page of the console; returns the status and the location or the page."""
    base = f"http://{server.admin_address}"
    async with aiohttp.ClientSession(base, headers={"Origin": base}) as session:
        async with session.get(page) as answer:
            csrf = re.search(r'name="csrf" value="([^"]+)"', await answer.text())
        assert csrf is not None
        async with session.post(path, data={"csrf": csrf[1]}, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location") or await answer.text()


@EITHER_STORAGE
async def test_a_waiting_push_is_tried_at_once_and_the_answer_says_how_it_went(
    tmp_path: Path, storage: Storage
) -> None:
    client = Client(503)
    async with open_sink(client) as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, 1, 2, shipment=1)
        await codes(server, "RetryScheduled", "BehindEarlierPush")
        first, second = [push["id"] for push in await listed(server)]
        status, refused = await ask(server, "POST", f"/api/v1/pushes/{second}/try")
        assert status == 409
        assert first in refused["detail"], "it offers the one to try"
        status, tried = await ask(server, "POST", f"/api/v1/pushes/{first}/try")
        assert (status, tried["attempt"]["number"], tried["attempt"]["httpStatus"]) == (200, 2, 503)
        assert tried["push"]["why"]["code"] == "RetryScheduled"
        client.status = 200
        status, tried = await ask(server, "POST", f"/api/v1/pushes/{first}/try")
        assert (status, tried["attempt"]["httpStatus"], tried["push"]["why"]["code"]) == (200, 200, "Delivered")
        await codes(server, "Delivered", "Delivered")
        assert [arrival.mark for arrival in sink.arrivals] == [1, 1, 1, 2]
        assert await audited(server) == [("push.try", first)] * 2, "what was refused did not begin"


async def test_what_cannot_be_tried_is_refused_with_the_reason_and_begins_nothing(tmp_path: Path) -> None:
    async with open_sink() as sink:
        async with serving(tmp_path, given(sink, suspended=True)) as server:
            await post(server, 1)
            (push,) = await listed(server)
            status, refused = await ask(server, "POST", f"/api/v1/pushes/{push['id']}/try")
            assert (status, "PushConfig acme/push is suspended" in refused["detail"]) == (409, True), refused
        async with serving(tmp_path, given(sink)) as server:
            await codes(server, "Delivered")
            status, refused = await ask(server, "POST", f"/api/v1/pushes/{push['id']}/try")
            assert (status, "delivered, not pending" in refused["detail"]) == (409, True), refused
            other = f"psh_{'0' * 32}-{'0' * 8}"
            assert (await ask(server, "POST", f"/api/v1/pushes/{other}/try"))[0] == 404
            assert (await ask(server, "POST", "/api/v1/pushes/psh_1/try"))[0] == 400
        assert len(sink.arrivals) == 1


@EITHER_STORAGE
async def test_a_gone_endpoint_is_reopened(tmp_path: Path, storage: Storage) -> None:
    client = Client(410)
    async with open_sink(client) as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, 1)
        await codes(server, "EndpointGone")
        await post(server, 2)
        push = (await listed(server))[0]["id"]
        status, refused = await ask(server, "POST", f"/api/v1/pushes/{push}/try")
        assert (status, "reopen it first" in refused["detail"]) == (409, True), refused
        client.status = 200
        status, health = await ask(server, "POST", "/api/v1/push-configs/acme/push/reopen")
        assert (status, health["state"]) == (200, "delivering")
        await codes(server, "Delivered", "Delivered")
        status, refused = await ask(server, "POST", "/api/v1/push-configs/acme/push/reopen")
        assert (status, "not gone (delivering)" in refused["detail"]) == (409, True), refused
        assert (await ask(server, "POST", "/api/v1/push-configs/acme/none/reopen"))[0] == 404
        assert ("endpoint.reopen", "PushConfig acme/push") in await audited(server)


async def test_the_consoles_buttons_do_the_same(tmp_path: Path) -> None:
    client = Client(410)
    async with open_sink(client) as sink, serving(tmp_path, given(sink)) as server:
        await post(server, 1)
        await codes(server, "EndpointGone")
        push = (await listed(server))[0]["id"]

        async def page(path: str) -> str:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://{server.admin_address}{path}") as answer,
            ):
                return await answer.text()

        shown = await page(f"/console/pushes/{push}")
        assert "permanently gone: HTTP 410" in shown
        assert f"/console/pushes/{push}/try" in shown
        assert "/console/push-configs/acme/push/reopen" in await page("/console/clients/acme")
        status, text = await press(server, f"/console/pushes/{push}", f"/console/pushes/{push}/try")
        assert (status, "reopen it first" in text) == (409, True)
        client.status = 503
        assert await press(server, "/console/clients/acme", "/console/push-configs/acme/push/reopen") == (
            303,
            "/console/clients/acme",
        )
        await codes(server, "RetryScheduled")
        client.status = 200
        assert await press(server, f"/console/pushes/{push}", f"/console/pushes/{push}/try") == (
            303,
            f"/console/pushes/{push}",
        )
        (push_now,) = await until_found(lambda: listed(server), lambda pushes: pushes[0]["state"] == "delivered")
        assert "The client accepted it" in await page(f"/console/pushes/{push}")
        assert f"/console/pushes/{push}/try" not in await page(f"/console/pushes/{push}")
        assert push_now["why"]["code"] == "Delivered"


async def test_the_role_view_may_not_try_or_reopen(tmp_path: Path) -> None:
    tokens = role_tokens(tmp_path)
    async with open_sink() as sink, serving(tmp_path, given(sink, suspended=True), **tokens.options) as server:
        await post(server, 1)
        headers = {"Authorization": f"Bearer {tokens.view.read_text()}"}
        async with aiohttp.ClientSession(f"http://{server.admin_address}", headers=headers) as session:
            async with session.get("/api/v1/pushes") as answer:
                push = (await answer.json())["pushes"][0]["id"]
            for path in (f"/api/v1/pushes/{push}/try", "/api/v1/push-configs/acme/push/reopen"):
                async with session.post(path) as answer:
                    assert answer.status == 403
