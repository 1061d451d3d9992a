"""The page Inbox: what arrived and did not reach a client, and the retry with its count before and its result after."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest

from server.test_inbox import OPERATE, UPDATE, VIEW, WRAPPED, Rig, reads_wrapped, tokens
from support.command import invoked
from support.deadline import until_found
from support.serving import serving

__all__ = ["reads_wrapped"]
Fields = Sequence[tuple[str, str]]


class Person:
    """A person at the console."""

    def __init__(self, rig: Rig, token: str) -> None:
        self.rig = rig
        self._headers = {"Authorization": f"Bearer {token}"}

    async def look(self, path: str) -> str:
        url = f"http://{self.rig.server.admin_address}{path}"
        async with self.rig.session.get(url, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def press(self, path: str, fields: Fields) -> tuple[int, str]:
        """Send a form; returns the status and the text of the page that follows."""
        url = f"http://{self.rig.server.admin_address}{path}"
        async with self.rig.session.post(url, headers=self._headers, data=list(fields)) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with serving(tmp_path, **tokens(tmp_path)) as server, aiohttp.ClientSession() as session:
        yield Rig(server, session)


async def refused(rig: Rig, host: str) -> int:
    """Post an update with an unknown key to this host."""
    url = f"http://{rig.server.address}/rms/in/api/clickpost/notify"
    async with rig.session.post(url, data=UPDATE, headers={"x-api-key": "unknown", "Host": host}) as answer:
        return answer.status


@pytest.mark.usefixtures("reads_wrapped")
async def test_a_retry_counts_first_then_asks_then_shows_each_result_and_is_audited(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.read_by_older_rules(monkeypatch)
    await rig.post(WRAPPED)
    await rig.post(b'{"event": "x", "payload": [1]}')
    person = Person(rig, OPERATE)
    page = await person.look("/console/inbox")
    assert page.count("acme/clickpost") >= 3
    assert "Retry all…" in page

    status, page = await person.press("/console/inbox/check", [("account", "acme/clickpost")])
    assert (status, "Parse 2 bodies again?" in page, "All bodies of acme/clickpost." in page) == (200, True, True)
    assert len(await rig.kept()) == 2

    status, page = await person.press("/console/inbox/retries", [("account", "acme/clickpost")])
    assert status == 200
    assert "Retry done" in page
    assert "<b>2</b> of 2 bodies: 1 recognised and removed from the inbox, 1 new update, 0 stored before." in page
    assert "nothing in it names a shipment" in page
    assert await rig.kept() == [b'{"event": "x", "payload": [1]}']
    (audit,) = (await rig.ask("/audits"))["audits"]
    assert (audit["action"], audit["target"]) == ("inbox.retry", "account acme/clickpost")


async def test_one_body_is_shown_and_retried_by_its_id(rig: Rig) -> None:
    await rig.post(WRAPPED)
    (body,) = (await rig.ask("/inbox"))["bodies"]
    person = Person(rig, OPERATE)
    assert "Retry…" in await person.look(f"/console/inbox/{body['id']}")
    _, page = await person.press("/console/inbox/check", [("ids", body["id"])])
    assert "Parse 1 body again?" in page
    assert f'name="ids" value="{body["id"]}"' in page
    _, page = await person.press("/console/inbox/retries", [("ids", body["id"])])
    assert "still unrecognised" in page
    assert "No such" not in page
    assert (await person.press("/console/inbox/check", []))[0] == 400


async def test_the_role_view_sees_no_body_and_can_retry_nothing(rig: Rig) -> None:
    await rig.post(b'{"event": "for Rahul Verma", "payload": [1]}')
    (body,) = (await rig.ask("/inbox"))["bodies"]
    person = Person(rig, VIEW)
    for path in ("/console/inbox", f"/console/inbox/{body['id']}"):
        page = await person.look(path)
        assert "Rahul" not in page
        assert "Retry" not in page
    for path in ("/console/inbox/check", "/console/inbox/retries"):
        assert (await person.press(path, [("all", "true")]))[0] == 403
    assert len(await rig.kept()) == 1


async def test_requests_with_an_unknown_key_are_counted_by_host_and_never_kept(rig: Rig) -> None:
    assert [await refused(rig, host) for host in ("saas.example.com", "saas.example.com", "127.0.0.1")] == [401] * 3
    assert (await rig.post(b"{}", key="unknown"))[0] == 200, "a probe"
    places = (await rig.ask("/unknown-keys", token=VIEW))["places"]
    assert {(place["aggregator"], place["host"], place["requests"]) for place in places} == {
        ("clickpost", "saas.example.com", 2),
        ("clickpost", "127.0.0.1", 1),
    }
    page = await Person(rig, VIEW).look("/console/inbox")
    assert "saas.example.com" in page
    assert "8001" not in page
    findings = (await rig.ask("/findings"))["findings"]
    assert [(each["severity"], each["name"], each["reason"]) for each in findings] == [
        ("warning", "clickpost", "UnknownKey")
    ]
    assert findings[0]["message"].startswith("3 requests with an update had an unknown key")


async def test_the_summary_of_the_command_line_has_the_same(rig: Rig, tmp_path: Path) -> None:
    asked = ("inbox", "summary", "--admin", rig.server.admin_address, "--token-file", str(tmp_path / "view"))
    assert "everything that arrived was used" in (await invoked(*asked)).stdout
    await rig.post(WRAPPED)
    await refused(rig, "saas.example.com")
    await rig.post(b'{"waybill": "8001", "clickpost_status_code": 4711, "timestamp": "2026-06-02T13:23:02Z"}')
    shown = await invoked(*asked)
    assert shown.exit_code == 0
    for text in ("acme/clickpost", "saas.example.com", "4711"):
        assert text in shown.stdout
    found = (await invoked(*asked, "-o", "json")).json
    assert [len(found[name]) for name in ("accounts", "unknownKeys", "unknownCodes")] == [1, 1, 1]


@pytest.mark.parametrize("receivers", [2])
async def test_receiving_processes_report_requests_with_an_unknown_key(tmp_path: Path, receivers: int) -> None:
    async with (
        serving(tmp_path, receivers=receivers, **tokens(tmp_path)) as server,
        aiohttp.ClientSession() as session,
    ):
        rig = Rig(server, session)
        for _ in range(3):
            assert await refused(rig, "saas.example.com") == 401
        await until_found(
            lambda: rig.ask("/unknown-keys"), lambda found: sum(each["requests"] for each in found["places"]) == 3
        )
