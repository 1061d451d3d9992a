"""The portal in a real Chromium: each page on a desk and on a phone, light and dark, and the way through a replay."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser.axe_rules import source, violations
from browser.rig import browser
from portal.conftest import Clients, story, two_clients
from trackpush_api.routing import Sqlite
from trackpush_server.journal.portal_links import PortalRole

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)
ACCESSIBLE: Final = Path(__file__).with_name("accessible.js").read_text()
CLIPPED: Final = Path(__file__).with_name("clipped.js").read_text()
DESK: Final = 1280
PHONE: Final = 390


class Visits:
    """The portal of acme, and the browsers of its people."""

    def __init__(self, clients: Clients, started: Browser, ids: dict[str, str]) -> None:
        self.clients = clients
        self.ids = ids
        self.told: list[str] = []
        """Errors of scripts, and violations of the policy."""
        self._browser = started

    @contextlib.asynccontextmanager
    async def person(
        self, role: PortalRole = "operate", *, scheme: Literal["light", "dark"] = "light", width: int = DESK
    ) -> AsyncIterator[Page]:
        """Somebody who has opened their link."""
        _, token = await self.clients.portal.token("acme", role)
        context = await self._browser.new_context(
            viewport={"width": width, "height": 860}, color_scheme=scheme, base_url=self.clients.portal.url
        )
        page = await context.new_page()
        page.on("console", lambda message: self.told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.told.append(str(error)))
        try:
            await page.goto(f"/portal/enter#{token}")
            await page.wait_for_url("**/portal/")
            yield page
        finally:
            await context.close()

    @property
    def pages(self) -> dict[str, str]:
        """Each page's path by name."""
        return {
            "overview": "/portal/",
            "pushes": "/portal/pushes",
            "dead": "/portal/pushes?state=dead",
            "none": "/portal/pushes?awb=none",
            "refused": "/portal/pushes?since=yesterday",
            "push": f"/portal/pushes/{self.ids['dead']}",
            "waiting": f"/portal/pushes/{self.ids['pending']}",
            "shipment": "/portal/shipments/ACME-4",
            "test": "/portal/test",
            "verify": "/portal/verify",
            "help": "/portal/help",
            "missing": "/portal/nosuch",
        }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def visits(
    chromium_program: str,  # noqa: ARG001  marks the test
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Visits]:
    async with two_clients(tmp_path_factory.mktemp("portal"), Sqlite()) as clients, browser() as started:
        await story(clients)
        ids = {state: (await clients.pushes("acme", state, 1))[0]["id"] for state in ("dead", "pending", "delivered")}
        yield Visits(clients, started, ids)


@pytest.mark.parametrize(("scheme", "width"), [("light", DESK), ("dark", DESK), ("light", PHONE), ("dark", PHONE)])
async def test_axe_finds_nothing_in_any_page_and_no_script_or_policy_fails(
    visits: Visits, scheme: Any, width: int, screenshots: Path
) -> None:
    program = await asyncio.to_thread(source)
    rules = ("color-contrast",) if (scheme, width) == ("dark", PHONE) else ()  # the theme changes colours only
    wrong: dict[str, list[str]] = {}
    for role in ("operate", "view") if (scheme, width) == ("light", DESK) else ("operate",):
        async with visits.person(role, scheme=scheme, width=width) as page:  # type: ignore[arg-type]
            visits.told.clear()
            for name, path in visits.pages.items():
                await page.goto(path)
                found = await violations(page, program, rules) + list(await page.evaluate(ACCESSIBLE))
                if await page.evaluate("document.documentElement.scrollWidth") > width:
                    found.append("scrolls sideways")
                wrong[f"{role} {name}"] = found + list(await page.evaluate(CLIPPED))
                await page.screenshot(path=screenshots / f"portal-{name}-{role}-{scheme}-{width}.png", full_page=True)
            expected = "Failed to load resource: the server responded with a status of"  # of 400 and 404
            assert [text for text in visits.told if not text.startswith(expected)] == [], role
    assert {name: found for name, found in wrong.items() if found} == {}


async def test_a_dead_push_is_found_explained_and_sent_again_in_a_few_clicks(visits: Visits, screenshots: Path) -> None:
    visits.told.clear()
    async with visits.person() as page:
        await page.get_by_label("AWB, order or push id").fill("ACME-4")
        await page.get_by_role("button", name="Find").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("ACME-4")
        await page.get_by_role("button", name="Send again…").click()
        send = page.get_by_role("button", name="Send 1 again")
        await expect(send).to_be_visible()
        await page.screenshot(path=screenshots / "portal-replay.png", full_page=True)
        await send.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Replay done")
        await page.screenshot(path=screenshots / "portal-progress.png", full_page=True)
        await page.goto(f"/portal/pushes/{visits.ids['dead']}")
        await expect(page.locator(".why")).to_contain_text("The client accepted it")
        assert visits.told == []


async def test_a_test_push_and_a_signed_example_show_on_a_phone(visits: Visits, screenshots: Path) -> None:
    visits.told.clear()
    async with visits.person(width=PHONE) as page:
        await page.goto("/portal/test")
        await page.get_by_label("Status", exact=True).select_option("OUT_FOR_DELIVERY")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("status")).to_contain_text("accepted the test push")
        await page.screenshot(path=screenshots / "portal-tested.png", full_page=True)
        await page.goto("/portal/verify")
        await page.get_by_role("button", name="Show a signed example").click()
        await expect(page.get_by_label("Headers of the example")).to_contain_text("webhook-signature: v1,")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE
        await page.screenshot(path=screenshots / "portal-example.png", full_page=True)
        assert visits.told == []


async def test_the_role_view_sees_no_buttons_that_change_something(visits: Visits) -> None:
    async with visits.person("view") as page:
        for path in visits.pages.values():
            await page.goto(path)
            for name in ("Try now", "Reopen", "Send again…", "Send all again…", "Send", "Show a signed example"):
                await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


async def test_leaving_ends_the_session_of_this_browser(visits: Visits) -> None:
    async with visits.person() as page:
        await page.get_by_role("button", name="Leave").click()
        await page.wait_for_url("**/portal/enter")
        answer = await page.goto("/portal/pushes")
        assert answer is not None
        assert answer.status == 401
    visits.told.clear()
