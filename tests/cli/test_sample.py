"""`test push` and `listen` against a real server: what an endpoint and a developer's machine get."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import pytest
from aiohttp import web

from support.bodies import body
from support.command import Result, invoked, trackpush
from support.deadline import until
from support.serving import account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination, Egress
from trackpush_api.vocabulary import Aggregator, Status
from trackpush_server.server import Server

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NAMES = {"Canonical": "acme/oms", "Raw": "acme/raw", "CloudEvents": "acme/events"}


class Rig(NamedTuple):
    """A server whose three PushConfigs, one of each format, are signed."""

    server: Server
    sink: Sink
    token: Path
    data: Path

    async def run(self, *arguments: str) -> Result:
        return await invoked(*arguments, "--admin", self.server.admin_address, "--token-file", str(self.token))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-test")
    async with open_sink() as sink:
        given = table(
            account(Aggregator.CLICKPOST, "k", destinations=sorted(NAMES.values())),
            destinations=[
                Destination(name=name, url=sink.url, payload_format=form, signing=(SECRET,))
                for form, name in sorted(NAMES.items(), key=lambda item: item[1])
            ],
        )
        async with serving(tmp_path, given, admin_token_file=token) as server:
            yield Rig(server, sink, token, tmp_path / "data")


def is_signed(headers: dict[str, str], content: bytes) -> bool:
    signed = b"%s.%s.%s" % (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), content)
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


def headers_of(arrival: Arrival) -> dict[str, str]:
    return {name.lower(): value for name, value in arrival.headers.items()}


async def test_a_test_push_is_signed_marked_audited_and_no_push(rig: Rig) -> None:
    for name in NAMES.values():
        done = await rig.run("test", "push", "--push-config", name, "--status", "out_for_delivery")
        assert done.exit_code == 0, done
        assert f"{name}: HTTP 200 in " in done.stdout
    listed = await rig.run("pushes", "list", "-o", "json")
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer a-token-of-the-test"}) as session:
        async with session.get(f"http://{rig.server.admin_address}/api/v1/audits") as answer:
            audits = (await answer.json())["audits"]
        async with session.get(f"http://{rig.server.admin_address}/metrics") as answer:
            counted = [
                line for line in (await answer.text()).splitlines() if line.startswith("trackpush_attempts_total")
            ]

    canonical, raw, event = rig.sink.arrivals
    for arrival in rig.sink.arrivals:
        assert headers_of(arrival)["trackpush-test"] == "1"
        assert is_signed(headers_of(arrival), arrival.body)
    told = json.loads(canonical.body)
    assert (told["test"], told["status"]["code"], told["id"]) == (True, "OUT_FOR_DELIVERY", canonical.webhook_id)
    assert json.loads(event.body)["data"]["test"] is True
    assert json.loads(raw.body)["waybill"].startswith("TEST-")
    assert listed.json["pushes"] == []
    assert [line for line in counted if not line.endswith(" 0.0")] == []
    assert [entry["action"] for entry in audits] == ["push.test"] * 3
    assert audits[0]["target"] == "PushConfig acme/events, status OUT_FOR_DELIVERY"


@pytest.mark.parametrize("status", list(Status))
async def test_a_sample_can_be_made_of_every_status(status: Status) -> None:
    from trackpush_server.operations.sample_push import _sample  # noqa: PLC0415  the part that depends on the status

    made = json.loads(
        _sample(Destination(name="acme/oms", url="http://x"), "psh_1", "TEST-1", status, 1_700_000_000_000)
    )
    assert (made["status"]["code"], made["shipment"]["orderId"], made["test"]) == (status.value, "ORDER-TEST-1", True)


async def test_an_endpoint_that_refuses_is_reported_with_its_answer(rig: Rig) -> None:
    async def refuse(_: Arrival) -> web.Response:
        return web.Response(status=401, text="wrong key")

    rig.sink.behaviour = refuse
    done = await rig.run("test", "push", "--push-config", "acme/oms")
    unknown = await rig.run("test", "push", "--push-config", "acme/nothing")

    assert (done.exit_code, "did not accept the test push: HTTP 401: wrong key" in done.stderr) == (1, True)
    assert (unknown.exit_code, len(rig.sink.arrivals)) == (2, 1)
    assert "no PushConfig acme/nothing is served here" in unknown.stderr


async def test_a_test_push_passes_the_egress_guard(tmp_path: Path) -> None:
    async with open_sink() as sink:
        given = table(
            account(Aggregator.CLICKPOST, "k", destinations=["acme/oms"]),
            destinations=[Destination(name="acme/oms", url=sink.url)],
        )
        guarded = msgspec.structs.replace(given, server=msgspec.structs.replace(given.server, egress=Egress()))
        async with serving(tmp_path, guarded) as server:
            done = await invoked("test", "push", "--push-config", "acme/oms", "--admin", server.admin_address)
        assert done.exit_code == 1
        assert "denied: " in done.stderr
        assert sink.arrivals == []


async def test_listen_forwards_each_new_push_as_the_endpoint_gets_it(rig: Rig) -> None:
    async with open_sink() as here, contextlib.AsyncExitStack() as stack:
        where = ("--admin", rig.server.admin_address, "--token-file", str(rig.token))
        listening = asyncio.create_task(
            trackpush("listen", "--push-config", "acme/oms", "--forward", here.url, "--count", "2", *where)
        )
        stack.callback(listening.cancel)
        tail = rig.server._telemetry.tail
        await until(lambda: bool(tail._watchers), seconds=60, what="it listens")
        async with aiohttp.ClientSession() as session:
            for mark in (1, 2):
                url = f"http://{rig.server.address}/rms/in/api/clickpost/notify?key=k"
                await session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=1))
        done = await listening
        assert done.exit_code == 0, done
        await until(lambda: len(rig.sink.arrivals) == 6, seconds=30, what="the endpoints got theirs")

    theirs = {arrival.webhook_id: arrival for arrival in rig.sink.arrivals}
    assert len(here.arrivals) == 2
    for arrival in here.arrivals:
        assert arrival.body == theirs[arrival.webhook_id].body
        assert is_signed(headers_of(arrival), arrival.body)
    assert done.stdout.count("HTTP 200") == 2


async def test_listen_explains_a_wrong_destination_and_a_wrong_url(rig: Rig) -> None:
    missing = await rig.run("listen", "--push-config", "acme/nothing", "--forward", "http://localhost:1")
    odd = await rig.run("listen", "--push-config", "acme", "--forward", "http://localhost:1")
    wrong = await rig.run("listen", "--push-config", "acme/oms", "--forward", "ftp://x")
    assert (missing.exit_code, odd.exit_code, wrong.exit_code) == (2, 2, 2)
    assert "give NAMESPACE/NAME" in odd.stderr
    assert "give http://HOST:PORT/PATH" in wrong.stderr
