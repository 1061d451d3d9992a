"""Waiting changes of the portal over the admin port: only the bearer of the operate token reads their credentials."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from support.postgres_fixtures import EITHER_STORAGE
from support.serving import account, role_tokens, serving, table
from trackpush_aggregators.updates import rfc3339
from trackpush_api.portal_change import PortalChange, PortalHeader
from trackpush_api.routing import Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.portal_changes import NewChange
from trackpush_server.server import Server

CHANGES = "/api/v1/portal/changes"
NOW = int(time.time() * 1000)
CHANGE = PortalChange(
    id=f"chg_{1:032x}",
    client="acme",
    name="oms",
    url="https://oms.acme.example/hooks",
    headers=(PortalHeader(name="X-Key", value="a-credential-of-acme"),),
)


async def ask(server: Server, token: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://{server.admin_address}{path}"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url, json=body) as answer,
    ):
        return answer.status, await answer.json()


@pytest.fixture
async def server(tmp_path: Path, storage: Storage) -> AsyncIterator[Server]:
    given = table(account(Aggregator.CLICKPOST, "k"), storage=storage)
    async with serving(tmp_path, given, **role_tokens(tmp_path).options) as server:
        await server._journal.portal_changes.add(
            NewChange(
                id=CHANGE.id,
                client="acme",
                namespace_uid="",
                push_config="oms",
                created_at=NOW,
                content=msgspec.json.encode(CHANGE),
            )
        )
        yield server


OPERATE, VIEW = "operate-token-of-16-characters", "view-token-of-16-characters"


@EITHER_STORAGE
async def test_the_operator_reads_a_waiting_change_with_its_credentials_and_ends_it(server: Server) -> None:
    status, found = await ask(server, OPERATE, "GET", CHANGES)
    assert status == 200
    (waiting,) = found["changes"]
    assert msgspec.convert(waiting["change"], PortalChange) == CHANGE
    assert waiting["requestedAt"] == rfc3339(NOW)
    outcome = {"state": "refused", "message": "the URL\nis wrong"}
    status, ended = await ask(server, OPERATE, "POST", f"{CHANGES}/{CHANGE.id}/outcome", outcome)
    assert (status, ended["state"], ended["message"]) == (200, "refused", "the URL is wrong")
    assert (await ask(server, OPERATE, "GET", CHANGES))[1] == {"changes": []}
    again = await ask(server, OPERATE, "POST", f"{CHANGES}/{CHANGE.id}/outcome", {"state": "applied"})
    assert again == (200, ended)
    _, log = await ask(server, OPERATE, "GET", "/api/v1/audits")
    assert [entry["action"] for entry in log["audits"]] == ["portal.refused"]
    assert "credential" not in str(log)


async def test_a_viewer_and_a_stranger_read_no_credentials_and_end_no_change(server: Server) -> None:
    for token, wanted in ((VIEW, 403), ("", 401), ("wrong", 401)):
        status, answer = await ask(server, token, "GET", CHANGES)
        assert (status, "credential-of" in str(answer)) == (wanted, False)
        ended = await ask(server, token, "POST", f"{CHANGES}/{CHANGE.id}/outcome", {"state": "applied"})
        assert ended[0] == wanted
    assert len((await ask(server, OPERATE, "GET", CHANGES))[1]["changes"]) == 1


async def test_the_session_of_a_browser_reads_no_credentials(server: Server) -> None:
    base = f"http://{server.admin_address}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post(f"{base}/console/login", data={"token": OPERATE}) as answer:
            assert answer.status == 200
        async with session.get(f"{base}/api/v1/audits") as answer:
            assert answer.status == 200
        async with session.get(f"{base}{CHANGES}") as answer:
            assert (answer.status, "credential-of" in await answer.text()) == (403, False)


async def test_an_unknown_change_and_an_invalid_outcome_are_refused(server: Server) -> None:
    unknown = f"{CHANGES}/chg_{'f' * 32}/outcome"
    assert (await ask(server, OPERATE, "POST", unknown, {"state": "applied"}))[0] == 404
    for wrong in ({"state": "waiting"}, {}, {"state": "applied", "message": "x" * 2001}):
        assert (await ask(server, OPERATE, "POST", f"{CHANGES}/{CHANGE.id}/outcome", wrong))[0] == 400
    assert len((await ask(server, OPERATE, "GET", CHANGES))[1]["changes"]) == 1
