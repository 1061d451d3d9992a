"""One server with a story behind it, and one browser, for all tests of the console."""

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, StorageState

from browser.rig import CHROMIUM, browser, install
from support.serving import account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_aggregators import compose
from trackpush_api.routing import Destination, Postgres, Retry, Sqlite, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.pusher import policy, why
from trackpush_server.server import Server

TOKENS: Mapping[str, str] = {"operate": "a-token-to-operate", "view": "a-token-that-may-view"}
STORY = ("PICKED_UP", "IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED")
SHIPMENTS = 16
REJECTED = (0, 4, 8, 12)
"""Shipments whose order the client doesn't know: their pushes die."""
PERSON = "handed to Rahul Verma, 9876543210"
_BEGIN = 1_760_000_000_000


class Desk:
    """The console of a server, and the people who use it."""

    def __init__(self, server: Server, browser: Browser, sink: Sink) -> None:
        self.server = server
        self.sink = sink
        self._browser = browser
        self._logged_in: dict[str, StorageState] = {}
        self.told: list[str] = []
        """Errors and policy violations that any page reported."""

    @property
    def url(self) -> str:
        """The admin port's URL."""
        return f"http://{self.server.admin_address}"

    @contextlib.asynccontextmanager
    async def visitor(
        self,
        *,
        scheme: Literal["light", "dark"] = "light",
        width: int = 1280,
        scripts: bool = True,
        cookies: StorageState | None = None,
    ) -> AsyncIterator[Page]:
        """A browser context without a log-in; with ``cookies``, that of a person who has logged in."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": 860},
            color_scheme=scheme,
            java_script_enabled=scripts,
            base_url=self.url,
            storage_state=cookies,
        )
        page = await context.new_page()
        page.on("console", lambda message: self.told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.told.append(str(error)))
        try:
            yield page
        finally:
            await context.close()

    @contextlib.asynccontextmanager
    async def person(
        self, role: str = "operate", *, path: str = "/console/search", **options: Any
    ) -> AsyncIterator[Page]:
        """A page, by default the search, as a person with this role sees it. Each role logs in once."""
        if role not in self._logged_in:
            async with self.visitor() as page:
                await page.goto("/console/login")
                await page.get_by_label("Admin token").fill(TOKENS[role])
                await page.get_by_role("button", name="Log in").click()
                await page.wait_for_url("**/console/")
                self._logged_in[role] = await page.context.storage_state()
        async with self.visitor(cookies=self._logged_in[role], **options) as page:
            await page.goto(path)
            yield page

    async def post(self, number: int, status: str, step: int = 0) -> None:
        """One update of a shipment, with a person in it."""
        order = f"{'XX' if number in REJECTED else 'SO'}-{1000 + number}"
        made = json.loads(
            compose(
                Aggregator.CLICKPOST,
                status,
                awb=awb(number),
                order_id=order,
                occurred_at=_BEGIN + step * 3_600_000 + number * 1000,
            )
        )
        content = json.dumps(_with_person(made))
        async with aiohttp.ClientSession() as session:
            url = f"http://{self.server.address}/rms/in/api/clickpost/notify"
            async with session.post(url, data=content, headers={"webhook_key": "k"}) as answer:
                assert answer.status == 200, await answer.text()

    async def count(self, state: str) -> int:
        """Pushes of acme/oms in this state, as far as one page holds."""
        query = {"pushConfig": "acme/oms", "state": state, "limit": "100"}
        headers = {"Authorization": f"Bearer {TOKENS['operate']}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.url}/api/v1/pushes", params=query) as answer,
        ):
            found = await answer.json()
            assert answer.status == 200, found
            return len(found["pushes"])


def awb(number: int) -> str:
    """The AWB of the story's shipment with this number."""
    return str(190414000 + number)


PAGES: Final = {
    "overview": "/console/",
    "search": "/console/search",
    "shipment": f"/console/shipments/{awb(4)}",
    "clients": "/console/clients",
    "client": "/console/clients/acme",
    "dead": "/console/dead?client=acme",
    "inbox": "/console/inbox",
    "tail": "/console/tail",
    "charts": "/console/charts",
    "aggregators": "/console/aggregators",
    "aggregator": "/console/aggregators/delhivery",
    "codes": "/console/unknown-codes",
    "config": "/console/config",
    "config-history": "/console/config/history",
    "audit": "/console/audit",
}
"""The console's pages, by name."""


def _with_person(content: Any) -> Any:
    if isinstance(content, list):
        return [_with_person(item) for item in content]
    if isinstance(content, dict):
        return {name: PERSON if name == "remark" else _with_person(value) for name, value in content.items()}
    return content


async def picky(arrival: Arrival) -> int | web.Response:
    """Reject orders that begin with XX, unless the push is a replay."""
    if b'"XX-' in arrival.body and "trackpush-replay" not in arrival.headers:
        return web.Response(status=422, text="unknown order")
    return 200


async def down(arrival: Arrival) -> web.Response:
    """Reject everything with 503."""
    del arrival
    return web.Response(status=503, text="maintenance until six")


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """Chromium's path; installed when it is missing."""
    install()
    return CHROMIUM


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def desk(
    chromium_program: str,  # noqa: ARG001  marks the test
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Desk]:
    """The client acme with two PushConfigs, one of which fails; sixteen shipments, four rejected, and one more.

    Its parameter, if there is one, is the storage: sqlite or postgres.
    """
    folder = tmp_path_factory.mktemp("console")
    for role, token in TOKENS.items():
        (folder / role).write_text(token)
    quick = Retry(schedule=(0.02,))
    storage: Storage = Sqlite()
    if getattr(request, "param", "sqlite") == "postgres":
        postgres = request.getfixturevalue("postgres_server")
        storage = Postgres(dsn=postgres.dsn(await asyncio.to_thread(postgres.create_database)))
    with pytest.MonkeyPatch.context() as patch:
        for module in (policy, why):  # why compares with the same number
            patch.setattr(module, "MAX_REJECTIONS", 3)
        async with contextlib.AsyncExitStack() as stack:
            good, bad = (
                await stack.enter_async_context(open_sink(picky)),
                await stack.enter_async_context(open_sink(down)),
            )
            given = table(
                account(Aggregator.CLICKPOST, "k", destinations=["acme/oms", "acme/warehouse"]),
                account(Aggregator.SHIPROCKET, "z", name="zen/shiprocket", destinations=["zen/shop"]),
                destinations=[
                    Destination(name="acme/oms", url=good.url, retry=quick),
                    Destination(name="acme/warehouse", url=bad.url, retry=quick),
                    Destination(name="zen/shop", url=good.url),
                ],
                storage=storage,
            )
            server = await stack.enter_async_context(
                serving(folder, given, admin_token_file=folder / "operate", admin_view_token_file=folder / "view")
            )
            made = Desk(server, await stack.enter_async_context(browser()), good)
            for step, status in enumerate(STORY):
                for number in range(SHIPMENTS):
                    await made.post(number, status, step)
            for step in itertools.count():  # a rejected push dies only while others are taken
                if await made.count("dead") == len(REJECTED) * len(STORY):
                    break
                assert step < 1000, "the pushes that the client rejects don't die"
                await made.post(SHIPMENTS, "IN_TRANSIT", step)
            yield made


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: `make screenshots` names docs/images."""
    folder = Path(os.environ.get("TRACKPUSH_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
