"""The request on the page of a push and in the API: what the client got, or what would be sent now."""

import shlex
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from admin.test_operations import ask
from admin.test_why import codes, given, listed, post, swap, swapping
from support.command import invoked
from support.deadline import until, until_found
from support.serving import role_tokens, serving
from support.sink import Arrival, Sink, open_sink
from trackpush_server.server import Server


async def whole(server: Server) -> dict[str, Any]:
    (push,) = await listed(server)
    _, found = await ask(server, "GET", f"/api/v1/pushes/{push['id']}")
    return dict(found)


def same(arrival: Arrival, request: dict[str, Any]) -> None:
    """The client got exactly what is shown."""
    assert arrival.body.decode() == request["body"]
    told = {header["name"].lower(): header for header in request["headers"]}
    assert told.keys() == arrival.headers.keys()
    for name, header in told.items():
        assert header["secret"] or header["value"] == arrival.headers[name], name


@pytest.mark.parametrize("form", ["Canonical", "Raw", "CloudEvents"])
async def test_what_is_shown_is_what_the_client_got(tmp_path: Path, form: str) -> None:
    secret = (("X-Api-Key", "hunter2"), ("Accept", "application/json"))
    async with open_sink() as sink, serving(tmp_path, given(sink, payload_format=form, headers=secret)) as server:
        await post(server, 1)
        await codes(server, "Delivered")
        request = (await whole(server))["request"]
        same(sink.arrivals[0], request)
        assert request["url"] == sink.url
        assert request["sentBy"] == [1]
        assert "Each attempt sent this" in request["certainty"]
        assert "hunter2" not in msgspec.json.encode(request).decode()


async def test_after_a_change_of_the_push_config_it_is_said_to_be_what_would_be_sent_now(tmp_path: Path) -> None:
    async with open_sink() as sink, swapping(tmp_path, given(sink)) as (server, source):
        await post(server, 1)
        await codes(server, "Delivered")
        swap(server, source, given(sink, payload_format="Raw"))
        await until_raw(server)
        request = (await whole(server))["request"]
        assert request["body"] != sink.arrivals[0].body.decode()
        assert request["sentBy"] == []
        assert "what would be sent now" in request["certainty"]


async def until_raw(server: Server) -> None:
    def is_raw() -> bool:
        channel = server._dispatcher._channels["acme/push"]
        return channel._attempts.destination.payload_format == "Raw"

    await until(is_raw, seconds=10, what="the new PushConfig is served")


async def test_after_a_restart_nothing_is_claimed_of_earlier_attempts(tmp_path: Path) -> None:
    async with open_sink() as sink:
        async with serving(tmp_path, given(sink)) as server:
            await post(server, 1)
            await codes(server, "Delivered")
        async with serving(tmp_path, given(sink)) as server:
            request = (await whole(server))["request"]
            assert request["sentBy"] == []
            assert "start of this server" in request["certainty"]
            same(sink.arrivals[0], request)


async def test_a_replay_changes_the_request_so_only_the_last_attempt_sent_what_is_shown(tmp_path: Path) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        await post(server, 1)
        await codes(server, "Delivered")
        (push,) = await listed(server)
        await ask(server, "POST", "/api/v1/replays", {"ids": [push["id"]], "states": ["delivered"]})
        await tried(server, sink, 2)
        request = (await whole(server))["request"]
        assert request["sentBy"] == [2]
        same(sink.arrivals[1], request)


async def tried(server: Server, sink: Sink, count: int) -> None:
    await until_found(
        lambda: listed(server), lambda pushes: pushes[0]["tries"] == count and pushes[0]["state"] == "delivered"
    )
    assert len(sink.arrivals) == count


async def test_the_role_view_and_a_missing_push_config_have_no_request(tmp_path: Path) -> None:
    tokens = role_tokens(tmp_path)
    async with open_sink() as sink, serving(tmp_path, given(sink, suspended=True), **tokens.options) as server:
        await post(server, 1)
        for token, is_shown in ((tokens.view, False), (tokens.operate, True)):
            headers = {"Authorization": f"Bearer {token.read_text()}"}
            async with aiohttp.ClientSession(f"http://{server.admin_address}", headers=headers) as session:
                async with session.get("/api/v1/pushes") as answer:
                    push = (await answer.json())["pushes"][0]["id"]
                async with session.get(f"/api/v1/pushes/{push}") as answer:
                    request = (await answer.json())["request"]
                assert (request is not None) is is_shown
                if request is not None:
                    assert "No attempt was made" in request["certainty"]


async def test_the_page_shows_request_body_and_curl(tmp_path: Path) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        await post(server, 1)
        await codes(server, "Delivered")
        (push,) = await listed(server)
        url = f"http://{server.admin_address}/console/pushes/{push['id']}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            page = await answer.text()
        assert f"POST {sink.url}" in page
        assert "webhook-timestamp: " in page
        assert "curl -X POST" in page
        assert "Each attempt sent this" in page


async def test_the_command_line_shows_the_request_and_curl(tmp_path: Path) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        await post(server, 1)
        await codes(server, "Delivered")
        (push,) = await listed(server)
        admin = ("--admin", f"http://{server.admin_address}")
        whole = await invoked("pushes", "show", push["id"], "--body", *admin)
        assert f"POST {sink.url}" in whole.stdout
        assert sink.arrivals[0].body.decode() in whole.stdout
        command = await invoked("pushes", "show", push["id"], "--curl", *admin)
        assert command.stdout.startswith("curl -X POST ")
        assert sink.arrivals[0].body.decode() in shlex.split(command.stdout)
        assert "Each attempt sent this" in command.stderr
        listed_rows = await invoked("pushes", "list", *admin)
        assert "delivered" in listed_rows.stdout


async def talk(arrival: Arrival) -> web.Response:
    """Echo the secret in a header, set a cookie, and accept."""
    secret = arrival.headers["x-api-key"]
    headers = {"X-Request-Id": "r-7", "X-Echo": f"got {secret}", "Set-Cookie": "session=s3cret"}
    return web.Response(status=202, text=f"queued as 42, thanks {secret}", headers=headers)


async def test_the_headers_and_the_text_of_a_2xx_answer_are_shown_without_secrets(tmp_path: Path) -> None:
    secret = (("X-Api-Key", "hunter2"),)
    async with open_sink(talk) as sink, serving(tmp_path, given(sink, headers=secret)) as server:
        await post(server, 1)
        await codes(server, "Delivered")
        found = await whole(server)
        answer = found["attempts"][0]["answer"]
        shown = {header["name"].lower(): header["value"] for header in answer["headers"]}
        assert (shown["x-request-id"], shown["x-echo"], shown["set-cookie"]) == ("r-7", "got ***", "•••")
        assert answer["excerpt"] == "queued as 42, thanks ***"
        push = found["push"]["id"]
        text = (await invoked("pushes", "show", push, "--body", "--admin", f"http://{server.admin_address}")).stdout
        assert "queued as 42" in text
        assert "X-Request-Id: r-7" in text
        url = f"http://{server.admin_address}/console/pushes/{push}"
        async with aiohttp.ClientSession() as session, session.get(url) as page:
            assert "queued as 42" in await page.text()
        await ask(server, "POST", "/api/v1/erasures", {"awb": found["push"]["awb"], "reason": "test"})
        await until_found(lambda: listed(server), lambda pushes: pushes[0]["erasedAt"] is not None)
        assert (await whole(server))["attempts"][0]["answer"] is None


async def test_erased_data_is_in_no_request(tmp_path: Path) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        await post(server, 1)
        await codes(server, "Delivered")
        (push,) = await listed(server)
        status, _ = await ask(server, "POST", "/api/v1/erasures", {"awb": push["awb"], "reason": "test"})
        assert status == 202
        await until_found(lambda: listed(server), lambda pushes: pushes[0]["erasedAt"] is not None)
        assert (await whole(server))["request"] is None
