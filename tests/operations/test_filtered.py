"""A whole server: updates that a filter left out are pushed by a replay after the filter is corrected."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import yaml

from journal.stores import NOW, outcome, sqlite_store
from support.command import Result, invoked
from support.deadline import until, until_found
from support.serving import account, serving, table
from support.sink import Sink, open_sink
from trackpush_aggregators import compose
from trackpush_api.routing import Destination
from trackpush_api.vocabulary import Aggregator
from trackpush_server import logs
from trackpush_server.config.resources import ResourceFolder
from trackpush_server.journal.model import PushState, RetentionCutoffs, Unpushed
from trackpush_server.operations.filtered import FilteredPage, FilteredUpdates
from trackpush_server.server import Server

DAY = 1_750_000_000_000
WRONG, RIGHT = {"statuses": ["DELIVRED"]}, {"statuses": ["DELIVERED"]}


def resources(*, oms: str, crm: str, filter_of_oms: dict[str, Any], filter_of_crm: dict[str, Any] = WRONG) -> str:
    """Client acme with PushConfigs oms and crm."""
    version = "trackpush.dev/v1alpha1"
    egress = {"httpsOnly": False, "allowedCIDRs": ["127.0.0.0/8"]}

    def resource(kind: str, name: str, spec: dict[str, Any], namespace: str = "acme") -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

    webhook = {
        "aggregator": "Shiprocket",
        "serverRef": {"name": "main", "namespace": "trackpush"},
        "keys": [{"secretKeyRef": {"name": "keys", "key": "inbound"}}],
        "pushConfigRefs": [{"name": "oms"}, {"name": "crm"}],
    }
    secret = {"metadata": {"name": "keys", "namespace": "acme"}, "stringData": {"inbound": "key-of-acme"}}
    server = {"allowedNamespaces": {"from": "All"}, "egress": egress}
    return yaml.safe_dump_all(
        [
            resource("WebhookServer", "main", server, "trackpush"),
            resource("AggregatorWebhook", "shiprocket", webhook),
            resource("PushConfig", "oms", {"url": oms, "filter": filter_of_oms}),
            resource("PushConfig", "crm", {"url": crm, "filter": filter_of_crm}),
            {"apiVersion": "v1", "kind": "Secret", **secret},
        ]
    )


class Rig(NamedTuple):
    """A server that serves a folder of files."""

    server: Server
    folder: Path
    token: Path
    oms: Sink
    crm: Sink

    async def write(self, **filters: dict[str, Any]) -> None:
        """Change the file, and wait until it is served."""
        before = (await self.ask("GET", "/config"))["revision"]
        save(self.folder, resources(oms=self.oms.url, crm=self.crm.url, **filters))

        async def taken() -> bool:
            return bool((await self.ask("GET", "/config"))["revision"] != before)

        await eventually(taken)

    async def post(self, status: str, awb: str, second: int = 0) -> None:
        """One update of a shipment."""
        content = compose(Aggregator.SHIPROCKET, status, awb=awb, order_id=f"O-{awb}", occurred_at=DAY + second * 1000)
        url = f"http://{self.server.address}/rms/in/api/st/notify"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=content, headers={"x-api-key": "key-of-acme"}) as answer,
        ):
            assert answer.status == 200

    async def ask(self, method: str, path: str, request: object = None) -> Any:
        """The admin port's answer."""
        url = f"http://{self.server.admin_address}{path}"
        headers = {"authorization": f"Bearer {self.token.read_text().strip()}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, json=request) as answer,
        ):
            return await answer.json()

    async def replay(self, *arguments: str) -> Result:
        """``trackpush replay --state filtered`` with these arguments."""
        where = ("--admin", self.server.admin_address, "--token-file", str(self.token))
        return await invoked("replay", "--state", "filtered", *arguments, *where)

    async def found(self, *arguments: str) -> Any:
        """What a dry run counts."""
        return (await self.replay(*arguments, "--dry-run", "-o", "json")).json["found"]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds."""
    await until_found(condition, bool)


def save(folder: Path, text: str) -> None:
    draft = folder / ".draft"
    draft.write_text(text)
    draft.replace(folder / "resources.yaml")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    folder, token = tmp_path / "resources", tmp_path / "token"
    folder.mkdir()
    logs.configure("json", StringIO())  # the commands' own output is read
    token.write_text("a-token-of-the-test\n")
    async with open_sink() as oms, open_sink() as crm:
        save(folder, resources(oms=oms.url, crm=crm.url, filter_of_oms=WRONG))
        async with serving(tmp_path, source=ResourceFolder(folder), admin_token_file=token) as server:
            yield Rig(server, folder, token, oms, crm)


def awbs(sink: Sink) -> list[str]:
    return [json.loads(arrival.body)["shipment"]["awb"] for arrival in sink.arrivals]


async def test_after_a_misspelt_filter_is_corrected_a_replay_pushes_what_it_left_out_once(rig: Rig) -> None:
    await rig.post("IN_TRANSIT", "A1")
    await rig.post("DELIVERED", "A1", 1)
    only_oms = ("--push-config", "acme/oms", "--since", "1h")
    assert await rig.found(*only_oms) == {}, "its filter still leaves it out"
    await rig.write(filter_of_oms=RIGHT, filter_of_crm=RIGHT)

    dry = await rig.replay(*only_oms, "--dry-run")
    assert dry.stdout.splitlines()[:2] == ["PUSHCONFIG  STATE     PUSHES", "acme/oms    filtered  1"]
    assert "dry run: nothing was sent" in dry.stdout
    done = await rig.replay(*only_oms)
    assert done.exit_code == 0, done.stderr
    assert "1 pushes are pending again" in done.stdout
    await until(lambda: len(rig.oms.arrivals) == 1, seconds=20, what="the push")
    (arrival,) = rig.oms.arrivals
    told = json.loads(arrival.body)
    assert (told["status"]["code"], told["shipment"]["awb"], told["late"]) == ("DELIVERED", "A1", False)
    assert (arrival.headers["trackpush-replay"], told["id"]) == ("1", arrival.webhook_id)

    assert "nothing matches" in (await rig.replay(*only_oms)).stdout
    await rig.post("DELIVERED", "A1", 1)  # the aggregator's own repeat
    await rig.post("DELIVERED", "Z9", 2)
    await until(lambda: len(rig.oms.arrivals) == 2 and len(rig.crm.arrivals) == 1, seconds=20, what="the last")
    assert awbs(rig.oms) == ["A1", "Z9"]
    assert awbs(rig.crm) == ["Z9"], "another PushConfig's are untouched"
    assert await rig.found("--client", "acme") == {"acme/crm": {"filtered": 1}}


async def test_what_was_left_out_is_selected_by_awb_client_and_time_and_never_erased_ones(rig: Rig) -> None:
    for number in range(3):
        await rig.post("DELIVERED", f"A{number}")
    await rig.write(filter_of_oms=RIGHT)
    assert await rig.found("--client", "acme") == {"acme/oms": {"filtered": 3}}
    assert await rig.found("--client", "globex") == {}
    assert await rig.found("--awb", "A1") == {"acme/oms": {"filtered": 1}}
    assert await rig.found("--client", "acme", "--until", "1h") == {}
    job = (await rig.ask("POST", "/api/v1/erasures", {"awb": "A1", "reason": "asked"}))["id"]

    async def erased() -> bool:
        return bool((await rig.ask("GET", f"/api/v1/erasures/{job}"))["state"] == "done")

    await eventually(erased)
    assert await rig.found("--awb", "A1") == {}
    await rig.replay("--client", "acme")
    await until(lambda: len(rig.oms.arrivals) == 2, seconds=20, what="the others")
    assert sorted(awbs(rig.oms)) == ["A0", "A2"]
    assert rig.crm.arrivals == []


async def test_what_was_left_out_comes_late_after_a_newer_one_and_in_order_otherwise(rig: Rig) -> None:
    await rig.post("DELIVERED", "A1")
    await rig.post("DELIVERED", "B1", 1)
    await rig.post("RTO_DELIVERED", "B1", 2)
    await rig.write(filter_of_oms={"expression": 'status.code != "DELIVERED"'})
    await rig.post("RTO_INITIATED", "A1", 3)
    await until(lambda: len(rig.oms.arrivals) == 1, seconds=20, what="the newer one")
    await rig.write(filter_of_oms={"expression": "true"})
    assert (await rig.replay("--push-config", "acme/oms")).exit_code == 0
    await until(lambda: len(rig.oms.arrivals) == 4, seconds=20, what="all that was left out")
    told = [json.loads(arrival.body) for arrival in rig.oms.arrivals]
    of = {
        awb: [
            (notification["status"]["code"], notification["late"])
            for notification in told
            if notification["shipment"]["awb"] == awb
        ]
        for awb in ("A1", "B1")
    }
    assert of == {
        "A1": [("RTO_INITIATED", False), ("DELIVERED", True)],
        "B1": [("DELIVERED", False), ("RTO_DELIVERED", False)],
    }


async def test_more_updates_than_one_look_takes_are_all_pushed_and_audited(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.operations.filtered.LOOKED_AT", 3)
    monkeypatch.setattr("trackpush_server.operations.filtered.PARSED_AT_ONCE", 2)
    for number in range(7):
        await rig.post("DELIVERED" if number % 3 else "IN_TRANSIT", f"A{number}")
    await rig.write(filter_of_oms=RIGHT)
    done = (await rig.replay("--push-config", "acme/oms", "-o", "json")).json
    assert (done["state"], done["replayed"], done["found"]) == ("done", 4, {"acme/oms": {"filtered": 4}})
    await until(lambda: len(rig.oms.arrivals) == 4, seconds=20, what="all")
    (entry,) = (await rig.ask("GET", "/api/v1/audits"))["audits"]
    assert (entry["action"], entry["target"]) == ("replay.start", "states filtered, PushConfig acme/oms")


async def test_filtered_updates_have_no_ids_to_name_them_by(rig: Rig) -> None:
    refused = await rig.ask("POST", "/api/v1/replays", {"ids": ["psh_x-y"], "states": ["filtered"]})
    assert refused["status"] == 400
    refused = await rig.ask(
        "POST", "/api/v1/replays", {"ids": [f"psh_{'0' * 32}-{'0' * 8}"], "states": ["filtered", "dead"]}
    )
    assert "awb, client or pushConfig" in refused["detail"], refused


async def test_the_console_offers_it_on_the_page_of_a_shipment(rig: Rig) -> None:
    await rig.post("DELIVERED", "A1")
    home = f"http://{rig.server.admin_address}/console"

    async def checked(session: aiohttp.ClientSession) -> tuple[str, dict[str, str]]:
        """The page that asks, and the fields of the form that led to it."""
        async with session.get(f"{home}/shipments/A1") as answer:
            form = (await answer.text()).partition('action="/console/replays/check"')[2].partition("</form>")[0]
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        async with session.post(f"{home}/replays/check", data=fields) as answer:
            assert answer.status == 200
            return await answer.text(), fields

    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await session.post(f"{home}/login", data={"token": rig.token.read_text().strip()})
        asked, fields = await checked(session)
        assert (fields["awb"], fields["client"], fields["states"]) == ("A1", "acme", "filtered")
        assert "that the current filters accept" in asked.replace("&#39;", "'")
        await rig.write(filter_of_oms=RIGHT)
        asked, fields = await checked(session)
        assert "Send 1 push again?" in asked
        async with session.post(f"{home}/replays", data={**fields, "total": "1"}) as answer:
            assert answer.status == 200
    await until(lambda: awbs(rig.oms) == ["A1"], seconds=20, what="the push")


async def test_an_update_whose_delivered_push_retention_deleted_is_not_pushed_again(tmp_path: Path) -> None:
    days = 86_400_000
    seconds = (NOW + 31 * days) / 1000  # its delivered push was deleted a day ago, its dead one is kept
    served = table(
        account(Aggregator.CLICKPOST, "k", destinations=["acme/oms", "acme/crm"]),
        destinations=[
            Destination(name="acme/oms", url="https://a.test"),
            Destination(name="acme/crm", url="https://a.test"),
        ],
    )
    async with sqlite_store(tmp_path).open() as opened:
        one = await opened.put_one(to=["acme/oms", "acme/crm"], received_at=NOW)
        await opened.record(
            outcome(one.update_id, PushState.DELIVERED, push_config="acme/oms"),
            outcome(one.update_id, PushState.DEAD, push_config="acme/crm"),
        )
        trimmed = await opened.journal.retention.trim(
            RetentionCutoffs(delivered_since=1 << 60, dead_since=0), after=0, limit=10
        )
        assert (trimmed.pushes, trimmed.updates) == (1, 0)
        wanted = Unpushed(accounts=("acme/clickpost",))
        found = await opened.journal.replays.find_unpushed("acme/oms", wanted, after=0, limit=10)
        assert found.update_ids == (one.update_id,), "it has no push now"
        filtered = FilteredUpdates(opened.journal.replays, lambda: served, lambda: seconds)
        for since in (None, 0):
            pages = [page async for page in filtered.pages("acme/oms", awb=None, since=since, until=None)]
            assert pages == [FilteredPage((), 0)]
        filtered = FilteredUpdates(opened.journal.replays, lambda: served, lambda: NOW / 1000)
        pages = [page async for page in filtered.pages("acme/oms", awb=None, since=None, until=None)]
        assert pages == [FilteredPage((), 1)], "within the retention it is looked at; this one can't be read"
