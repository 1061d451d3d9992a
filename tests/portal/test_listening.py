"""`trackpush listen --portal`: a client's developer gets the pushes of their own client, and no other."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from portal.visits import Portal, portal
from support.bodies import body
from support.command import trackpush
from support.deadline import until, until_found
from support.serving import account, table
from support.sink import Sink, open_sink
from trackpush_api.routing import Destination, Postgres, RoutingTable, Sqlite, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.portal import listening
from trackpush_server.portal.listening import STREAMS

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OMS = "/portal/listen?pushConfig=acme/oms"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PAUSE", 0.05)
    monkeypatch.setattr(listening, "HEARTBEAT", 0.05)


def two_clients(sink: Sink, storage: Storage = Sqlite()) -> RoutingTable:  # noqa: B008  immutable
    return table(
        account(Aggregator.CLICKPOST, "a", destinations=["acme/oms"]),
        account(Aggregator.CLICKPOST, "z", name="zen/clickpost", destinations=["zen/oms"]),
        destinations=[
            Destination(name=name, url=sink.url, signing=(SECRET,), headers=(("X-Api-Key", "hidden"),))
            for name in ("acme/oms", "zen/oms")
        ],
        storage=storage,
    )


async def post(visited: Portal, key: str, mark: int) -> None:
    """One update."""
    url = f"http://{visited.server.address}/rms/in/api/clickpost/notify?key={key}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=1)) as answer,
    ):
        assert answer.status == 200


@contextlib.asynccontextmanager
async def listened(visited: Portal, token: str) -> AsyncIterator[aiohttp.StreamReader]:
    """The stream of acme's PushConfig, after it has begun."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(visited.url + OMS) as answer,
    ):
        assert answer.status == 200
        assert await answer.content.readline() == b": listening\n"
        yield answer.content


async def next_push(stream: aiohttp.StreamReader) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            line = await stream.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return found


async def test_each_new_push_arrives_once_signed_and_without_credentials_and_none_of_another_client(
    tmp_path: Path,
) -> None:
    async with open_sink() as sink, portal(tmp_path, two_clients(sink)) as visited:
        await post(visited, "a", 1)
        _, token = await visited.link(role="operate")
        async with listened(visited, token) as stream:
            for mark in (2, 3, 4, 5):
                await post(visited, "a" if mark % 2 else "z", mark)
            found = [await next_push(stream) for _ in range(2)]
        await until(lambda: len(sink.arrivals) == 5, seconds=30, what="the endpoints got theirs")
    sent = {arrival.webhook_id: arrival for arrival in sink.arrivals}
    assert [sent[push["id"]].mark for push in found] == [3, 5]
    for push in found:
        assert base64.b64decode(push["bodyBase64"]) == sent[push["id"]].body
        assert push["headers"].keys() == {"webhook-id", "webhook-timestamp", "webhook-signature", "Content-Type"}


async def test_who_may_not_listen_is_refused_and_learns_nothing(tmp_path: Path) -> None:
    async with open_sink() as sink, portal(tmp_path, two_clients(sink)) as visited:
        assert (await visited.ask(OMS)).status == 401
        _, viewer = await visited.link()
        assert (await visited.ask(OMS, token=viewer)).status == 403
        _, token = await visited.link(role="operate")
        names = ("zen/oms", "zen/none", "acme/none", "acme", "", "acme/oms/x")
        answers = [await visited.ask(f"/portal/listen?pushConfig={name}", token=token) for name in names]
        assert [answer.status for answer in answers] == [400] * len(answers)
        assert len({answer.text for answer in answers}) == 1


async def test_a_revocation_ends_the_stream(tmp_path: Path) -> None:
    async with open_sink() as sink, portal(tmp_path, two_clients(sink)) as visited:
        link_id, token = await visited.link(role="operate")
        async with listened(visited, token) as stream:
            assert await visited.revoke(link_id) == 200
            async with asyncio.timeout(20):
                await stream.read()


async def test_a_link_has_few_streams_and_one_that_ends_makes_room(tmp_path: Path) -> None:
    async with open_sink() as sink, portal(tmp_path, two_clients(sink)) as visited:
        _, token = await visited.link(role="operate")
        async with listened(visited, token):
            async with listened(visited, token):
                assert (await visited.ask(OMS, token=token)).status == 429
            await until_found(partial(_can_listen, visited, token), bool)


async def _can_listen(visited: Portal, token: str) -> bool:
    with contextlib.suppress(AssertionError):
        async with listened(visited, token):
            return True
    return False


async def test_a_push_that_another_replica_stored_arrives_too(
    tmp_path: Path, journal_dsn: str, journal_sql: Callable[[str], str]
) -> None:
    del journal_sql
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with open_sink() as sink:
        given = two_clients(sink, Postgres(dsn=journal_dsn))
        async with portal(tmp_path / "a", given) as first, portal(tmp_path / "b", given) as second:
            _, token = await first.link(role="operate")
            async with listened(first, token) as stream:
                await post(second, "a", 7)
                push = await next_push(stream)
            assert json.loads(base64.b64decode(push["bodyBase64"]))["id"] == push["id"]


async def test_the_command_forwards_to_this_machine_by_a_link(tmp_path: Path) -> None:
    async with (
        open_sink() as sink,
        open_sink() as here,
        portal(tmp_path, two_clients(sink)) as visited,
        contextlib.AsyncExitStack() as stack,
    ):
        link = f"{visited.url}/portal/enter#{(await visited.link(role='operate'))[1]}"
        options = ("--portal", link, "--push-config", "acme/oms", "--forward", here.url, "--count", "1")
        assert visited.server._portal._runner is not None
        app = visited.server._portal._runner.app
        listening_ = asyncio.create_task(trackpush("listen", *options))
        stack.callback(listening_.cancel)
        await until(lambda: len(app[STREAMS]) > 0, seconds=60, what="it listens")
        await post(visited, "z", 1)
        await post(visited, "a", 2)
        done = await listening_
        assert (done.exit_code, done.stdout.count("HTTP 200")) == (0, 1), done
        assert [arrival.mark for arrival in here.arrivals] == [2]
        wrong = await trackpush("listen", "--portal", link[:-1], *options[2:])
        assert (wrong.exit_code, "refuses this link" in wrong.stderr, link[-20:-1] in wrong.stderr) == (2, True, False)
        odd = await trackpush("listen", "--portal", "https://portal.example", *options[2:])
        assert (odd.exit_code, "give the whole link" in odd.stderr) == (2, True)
