"""A server as a process with the clients that people ask about: one rejects, one is down, one hears nothing."""

import asyncio
import base64
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from msgspec.structs import replace
from playwright.async_api import Browser, Page

from journal.stores import sqlite_store, update
from kube.rig.processes import free_ports
from support.command import trackpush
from support.deadline import until_found
from support.load import Aggregator, open_aggregator
from support.manifests import Client, write
from support.server import ServerProcess, running
from support.sink import Arrival, Sink, open_sink

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()
REJECTED: Final = "190414001"
REJECTED_TOO: Final = "190414007"
REJECTED_ALSO: Final = "190414008"
"""Their order is unknown to acme, which answers 422 until the push is sent again."""
_ALL_REJECTED: Final = (REJECTED, REJECTED_TOO, REJECTED_ALSO)
DELIVERED: Final = "190414002"
WAITING: Final = "190414003"
"""Of zen, whose endpoint is down."""
UNKNOWN: Final = {"waybill": "190414004", "clickpost_status_code": 987654, "timestamp": "2026-06-02T13:23:02Z"}
_HOUR: Final = 3_600_000
_AT_ONCE: Final = 1000


class Office:
    """The server, its endpoints, and its folder of resources."""

    def __init__(self, server: ServerProcess, page: Page, portal: Page, acme: Sink, zen: Sink) -> None:
        self.server = server
        self.page = page
        self.portal = portal
        """Of a developer of acme, who has entered by a link."""
        self.acme = acme
        self.zen = zen

    async def send(self, awb: str, client: str = "acme", *, order: str = "SO-1") -> None:
        """Post one update, as the aggregator does."""
        where = ("--url", self.server.url, "--aggregator", "clickpost", "--key", f"key-of-{client}")
        done = await trackpush("send", *where, "--awb", awb, "--order", order, "--status", "IN_TRANSIT")
        assert done.exit_code == 0, done

    async def ask(self, path: str) -> Any:
        """What the admin API answers."""
        return json.loads((await self.server.probe(f"/api/v1{path}")).text)

    async def until_push(self, awb: str, state: str) -> None:
        """Wait until the push of a shipment has this state."""

        async def states() -> list[str]:
            return [push["state"] for push in (await self.ask(f"/pushes?awb={awb}"))["pushes"]]

        await until_found(states, lambda found: found == [state], seconds=60)


async def picky(arrival: Arrival) -> web.Response:
    """Reject an order that the client does not know, unless the push is a replay."""
    is_unknown = b'"XX-1"' in arrival.body and "trackpush-replay" not in arrival.headers
    return web.Response(status=422 if is_unknown else 200, text="unknown order" if is_unknown else "")


async def _down(_: Arrival) -> web.Response:
    return web.Response(status=503, text="maintenance until six")


async def _past(data: Path, updates: int) -> None:
    """Let the journal contain updates of shop, and an account that was silent while the server ran."""
    now = int(time.time() * 1000)
    silent = replace(update(account="quiet/clickpost", to=()), received_at=now - 2 * _HOUR)
    async with sqlite_store(data).open() as opened:
        await opened.put(silent)
        for first in range(0, updates, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, updates))
            pushed = (update(account="shop/clickpost", to=["shop/push"]) for _ in numbers)
            await opened.put(*(replace(each, received_at=now - _HOUR) for each in pushed))
        await opened.journal.last_updates.listen(now=now)


@contextlib.asynccontextmanager
async def open_office(folder: Path, chromium: Browser, *, updates: int) -> AsyncIterator[Office]:
    """The office on a server whose journal already has so many updates."""
    quick = {"retry": {"schedule": ["100ms"]}}
    await _past(folder / "data", updates)
    async with open_sink(picky) as acme, open_sink(_down) as zen, contextlib.AsyncExitStack() as stack:
        clients = [
            Client(name="acme", url=acme.url, delivery=quick, signing=(SECRET,)),
            Client(name="zen", url=zen.url, delivery=quick),
            Client(name="quiet", url=acme.url, expect_every="1h"),
            Client(name="shop", url=acme.url),
        ]
        resources = await asyncio.to_thread(write, folder / "resources", clients)
        listen = ("--portal-listen", f"127.0.0.1:{free_ports(1)[0]}")
        server = await stack.enter_async_context(running(resources, folder / "data", arguments=listen))
        portal = await _entered(server, chromium, stack)
        changed = Client(name="shop", url=acme.url, delivery={"timeout": "20s"})
        await asyncio.to_thread(write, resources, [*clients[:-1], changed])
        context = await chromium.new_context(base_url=server.admin_url, viewport={"width": 1280, "height": 860})
        stack.push_async_callback(context.close)
        office = Office(server, await context.new_page(), portal, acme, zen)
        await _happen(office, await stack.enter_async_context(open_aggregator(server.url, clients[0])))
        yield office


async def _entered(server: ServerProcess, chromium: Browser, stack: contextlib.AsyncExitStack) -> Page:
    """The portal as somebody sees it who was sent a link."""
    options = ("--client", "acme", "--role", "operate", "--admin", server.admin_url)
    url = (await trackpush("portal", "link", *options)).stdout.strip()
    context = await chromium.new_context(base_url=url.partition("/portal/")[0], viewport={"width": 1280, "height": 860})
    stack.push_async_callback(context.close)
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_url("**/portal/")
    return page


async def _happen(office: Office, aggregator: Aggregator) -> None:
    """Deliver one push, let one wait and one die, and receive a code that nobody knows."""
    await office.send(DELIVERED)
    await office.send(WAITING, "zen")
    for awb in _ALL_REJECTED:
        await office.send(awb, order="XX-1")
    async with aiohttp.ClientSession(headers={"webhook_key": "key-of-acme"}) as session:
        await session.post(f"{office.server.url}/rms/in/api/clickpost/notify", json=UNKNOWN)
    marks = itertools.count()

    async def dead() -> int:
        """A rejected push dies only while others are accepted."""
        await aggregator.post(next(marks))
        return len((await office.ask("/pushes?pushConfig=acme/push&state=dead"))["pushes"])

    await until_found(dead, lambda found: found == len(_ALL_REJECTED), seconds=60)
    await office.until_push(DELIVERED, "delivered")

    async def failing() -> bool:
        return "EndpointFailing" in json.dumps(await office.ask(f"/pushes?awb={WAITING}"))

    async def silent() -> bool:
        return bool((await office.ask("/accounts?state=silent"))["accounts"])

    async def none_of_the_past_waits() -> bool:
        return not (await office.ask("/pushes?pushConfig=shop/push&state=pending&limit=1"))["pushes"]

    async def change_is_recorded() -> bool:
        return "shop/push" in json.dumps(await office.ask("/config/history"))

    for condition in (failing, silent, none_of_the_past_waits, change_is_recorded):
        await until_found(condition, bool, seconds=120)
