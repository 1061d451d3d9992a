"""Two clients on one server: acme, whose people visit the portal, and zen, of which they must see nothing."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from support.deadline import until_found
from support.portal import Portal, open_portal
from support.serving import account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_aggregators import compose
from trackpush_api.routing import Destination, Retry, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.pusher import policy
from trackpush_server.server import Server

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
PERSON = "handed to Rahul Verma, 9876543210"
ZEN_WORDS = ("zen", "ZEN-", "kettle-", "zen-secret")
"""Texts that are only in zen's resources, updates and answers."""


class Zen(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor of acme could name of zen."""

    delivered: str
    dead: str
    pending: str
    """Push ids."""
    inbox: str
    replay: str
    cursor: str
    update: str
    """Number of an update."""
    link: str
    test: str
    """Id of a test push, which is not stored."""


class Clients:
    """The server, its portal, and the endpoints."""

    def __init__(self, server: Server, portal: Portal, acme: Sink, zen: Sink) -> None:
        self.server = server
        self.portal = portal
        self.acme = acme
        self.zen = zen

    async def post(self, client: str, number: int, status: str = "IN_TRANSIT", *, order: str | None = None) -> None:
        """One update: AWBs are ``ACME-1`` and ``ZEN-1``, orders ``bottle-1`` and ``kettle-1``, unless given."""
        awb, order = f"{client.upper()}-{number}", order or f"{'bottle' if client == 'acme' else 'kettle'}-{number}"
        made = json.loads(compose(Aggregator.CLICKPOST, status, awb=awb, order_id=order, occurred_at=_next()))
        made["remark"] = made["additional"]["latest_status"]["remark"] = f"{client}: {PERSON}"
        await self.send(client, json.dumps(made))

    async def send(self, client: str, body: str) -> None:
        url = f"http://{self.server.address}/rms/in/api/clickpost/notify"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers={"x-api-key": f"{client}-key"}) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def admin(self, path: str, method: str = "GET", body: object = None) -> Any:
        """An answer of the admin API."""
        url = f"http://{self.server.admin_address}{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def pushes(self, client: str, state: str, number: int) -> list[dict[str, Any]]:
        """Wait for so many pushes of the client in this state; the newest first."""

        async def listed() -> list[dict[str, Any]]:
            return list((await self.admin(f"/api/v1/pushes?client={client}&state={state}&limit=1000"))["pushes"])

        return await until_found(listed, lambda found: len(found) >= number)

    async def audits(self) -> list[tuple[str, str, str]]:
        """Actor, action and target of what the audit log has, oldest first."""
        found = (await self.admin("/api/v1/audits?limit=1000"))["audits"]
        return [(entry["actor"], entry["action"], entry["target"]) for entry in reversed(found)]


_TIME = [1_790_000_000_000]


def _next() -> int:
    _TIME[0] += 1000
    return _TIME[0]


async def picky(arrival: Arrival) -> int | aiohttp.web.Response:
    """Reject orders that contain XX, with the sender's own words; replays are accepted."""
    if b"XX" in arrival.body and "trackpush-replay" not in arrival.headers:
        return aiohttp.web.Response(
            status=422, text="unknown order of kettle-maker" if b"ZEN" in arrival.body else "no"
        )
    return 200


async def gone(arrival: Arrival) -> int:
    del arrival
    return 410


async def broken(arrival: Arrival) -> aiohttp.web.Response:
    del arrival
    return aiohttp.web.Response(status=503, text="down")


@pytest_asyncio.fixture
async def clients(tmp_path: Path, storage: Storage) -> AsyncIterator[Clients]:
    async with two_clients(tmp_path, storage) as made:
        yield made


@contextlib.asynccontextmanager
async def two_clients(folder: Path, storage: Storage) -> AsyncIterator[Clients]:
    """The server with both clients. Of acme's endpoints, one is picky, one fails, and one answers 410."""
    quick = Retry(schedule=(0.02,))
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(policy, "MAX_REJECTIONS", 2)
        acme, zen, down, closed = [
            await stack.enter_async_context(open_sink(behaviour)) for behaviour in (picky, picky, broken, gone)
        ]
        own_header = (("X-Acme-Key", "pass-1"),)
        destinations = [
            Destination(name="acme/oms", url=acme.url, retry=quick, signing=(SECRET,), headers=own_header),
            Destination(name="acme/warehouse", url=down.url),
            Destination(name="acme/returns", url=closed.url),
            Destination(name="zen/shop", url=zen.url, retry=quick, headers=(("X-Zen-Key", "zen-secret"),)),
            Destination(name="zen/erp", url=down.url),
        ]
        accounts = [
            account(Aggregator.CLICKPOST, f"{client}-key", name=f"{client}/clickpost", destinations=names)
            for client, names in (
                ("acme", ["acme/oms", "acme/warehouse", "acme/returns"]),
                ("zen", ["zen/shop", "zen/erp"]),
            )
        ]
        given = table(*accounts, destinations=destinations, storage=storage)
        server = await stack.enter_async_context(serving(folder, given))
        yield Clients(server, await stack.enter_async_context(open_portal(server)), acme, zen)


async def story(clients: Clients) -> Zen:
    """Updates of both clients: delivered, dead and waiting pushes of each, and one body that zen's parser refused."""
    for client in ("acme", "zen"):
        for number in range(1, 4):
            await clients.post(client, number)
        await clients.post(client, 4, order=f"{'bottle' if client == 'acme' else 'kettle'}-XX4")
        await clients.send(client, json.dumps({"hello": client}))
        for number in range(5, 30):  # a rejected push dies only while others are accepted
            if await _count(clients, client, "dead"):
                break
            await clients.post(client, number)
    found = {state: (await clients.pushes("zen", state, 1))[0]["id"] for state in ("delivered", "dead", "pending")}
    page = await clients.admin("/api/v1/pushes?client=zen&limit=1")
    inbox = await clients.admin("/api/v1/inbox?account=zen/clickpost")
    replay = await clients.admin("/api/v1/replays", "POST", {"client": "zen", "dryRun": True})
    (link, _) = await clients.portal.token("zen", "view")
    test = await clients.admin("/api/v1/test-pushes", "POST", {"pushConfig": "zen/shop"})
    return Zen(
        **found,
        inbox=inbox["bodies"][0]["id"],
        replay=replay["id"],
        cursor=page["older"],
        update=page["older"].partition(".")[0],
        link=link.id,
        test=test["id"],
    )


async def _count(clients: Clients, client: str, state: str) -> int:
    found = await clients.admin(f"/api/v1/pushes?client={client}&state={state}&limit=10")
    return len(found["pushes"])
