"""Pictures of each page, for the docs and for the eyes of whoever changes one (`make screenshots`)."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.conftest import Desk, awb

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.long, pytest.mark.timeout(300)]
SHOWN = {
    "overview": "/console/",
    "search": "/console/search",
    "shipment": f"/console/shipments/{awb(4)}",
    "clients": "/console/clients",
    "client": "/console/clients/acme",
    "dead": "/console/dead?client=acme",
    "charts": "/console/charts",
    "config": "/console/config",
}


async def test_each_page_has_its_picture(desk: Desk, screenshots: Path) -> None:
    async with desk.visitor() as page:
        await page.goto("/console/login")
        await page.screenshot(path=screenshots / "console-login.png")
    async with desk.person() as page:
        for name, path in SHOWN.items():
            await page.goto(path)
            await page.screenshot(path=screenshots / f"console-{name}.png")
        await page.goto("/console/tail")
        await expect(page.locator("#tail-state")).to_have_text("Watching.")
        for number in range(50, 58):
            await desk.post(number, "OUT_FOR_DELIVERY")
        await expect(page.locator("#tail tbody tr", has_text="delivered").nth(7)).to_be_visible(timeout=30_000)
        await page.screenshot(path=screenshots / "console-tail.png")
        await page.goto("/console/dead?client=acme")
        await page.get_by_role("button", name="Send all again…").click()
        send = page.get_by_role("button", name="Send 16 again")
        await expect(send).to_be_visible()  # Chromium refuses a picture while a click's navigation is under way
        await page.screenshot(path=screenshots / "console-replay.png")
        await send.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Replay done", timeout=30_000)
        await page.screenshot(path=screenshots / "console-progress.png")
        await page.goto("/console/audit")
        await page.screenshot(path=screenshots / "console-audit.png")
    async with desk.person(scheme="dark") as page:
        await page.goto("/console/charts")
        await page.screenshot(path=screenshots / "console-dark.png")
    async with desk.person("view", width=390) as page:
        await page.goto(f"/console/shipments/{awb(4)}")
        await page.screenshot(path=screenshots / "console-phone.png")
