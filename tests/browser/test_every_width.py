"""The console on a desk and on a phone, in light and dark: axe-core's rules, labels, tabs, focus, empty results."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import expect

from browser.axe_rules import source, violations
from browser.conftest import PAGES, Desk

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(300)]
DESK: Final = 1280
PHONE: Final = 390
_EVERY_PAGE: Final = {
    **PAGES,
    "nothing": "/console/search?client=acm",
    "unfound": "/console/find?q=acm",
    "missing": "/console/nosuch",
    "refused": "/console/search?since=yesterday",
}
"""Those without results, and those of errors, too."""
WIDTHS: Final = pytest.mark.parametrize("width", [DESK, PHONE])
_CLIPPED: Final = (Path(__file__).parent / "clipped.js").read_text()
_SMALL: Final = """() => [...document.querySelectorAll(".chart text")].flatMap((label) => {
  const box = label.getBoundingClientRect(), frame = label.closest("figure").getBoundingClientRect();
  const outside = box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom;
  const wrong = box.height < 11 || outside;
  return wrong ? [`${label.textContent}: ${box.height.toFixed(1)} px${outside ? ", outside" : ""}`] : [];
})"""
_NARROW: Final = """() => [...document.querySelectorAll("caption:not(.hidden)")].flatMap((caption) => {
  const box = caption.getBoundingClientRect(), table = caption.parentElement.getBoundingClientRect();
  return box.width < Math.min(table.width, innerWidth) * 0.8 ? [`${caption.textContent}: ${box.width} px`] : [];
})"""

_CUT: Final = """() => [...document.querySelectorAll(".rows td, .rows tbody th")].flatMap((cell) =>
  cell.scrollWidth > cell.clientWidth + 1 ? [`cut off: ${cell.textContent.trim().slice(0, 60)}`] : [])"""

_WIDEST_TIMES: Final = """() => document.querySelectorAll("time small").forEach((beside) => {
  beside.innerHTML = "<span>12-01 00:16:07 IST</span>, <span>59 min ago</span>";
})"""
"""The time beside UTC as it is shown at some hours only: with its own date, because the zone is a day ahead."""


def pages(desk: Desk) -> dict[str, str]:
    """Each page's path by name."""
    return {**_EVERY_PAGE, "push": f"/console/pushes/{desk.sink.arrivals[0].webhook_id}"}


@pytest.mark.parametrize(("scheme", "width"), [("light", DESK), ("dark", DESK), ("light", PHONE), ("dark", PHONE)])
async def test_axe_finds_nothing_in_any_page(desk: Desk, scheme: Any, width: int) -> None:
    program = await asyncio.to_thread(source)
    rules = ("color-contrast",) if scheme == "dark" else ()  # the theme changes colours only
    wrong: dict[str, list[str]] = {}
    async with desk.visitor(scheme=scheme, width=width) as page:
        await page.goto("/console/login")
        wrong["login"] = await violations(page, program, rules)
    async with desk.person(scheme=scheme, width=width) as page:
        for name, path in pages(desk).items():
            await page.goto(path)
            wrong[name] = await violations(page, program, rules)
    desk.told.clear()  # the pages that are not found
    assert {name: found for name, found in wrong.items() if found} == {}


@WIDTHS
async def test_labels_are_legible_captions_wide_cells_whole_and_rings_uncut_and_the_tab_is_in_sight(
    desk: Desk, width: int
) -> None:
    wrong: dict[str, Any] = {}
    async with desk.person(width=width) as page:
        for name, path in pages(desk).items():
            await page.goto(path)
            await page.evaluate(_WIDEST_TIMES)
            wrong[name] = [found for check in (_SMALL, _NARROW, _CUT) for found in await page.evaluate(check)]
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                wrong[name].append("scrolls sideways")
            tab = page.locator(".tabs [aria-current]")
            if await tab.count():
                box = await tab.bounding_box()
                assert box is not None
                if box["x"] < 0 or box["x"] + box["width"] > width:
                    wrong[name].append(f"the tab is at {box}")
            await page.keyboard.press("Tab")  # from here on the browser shows rings
            wrong[name] += await page.evaluate(_CLIPPED)
    desk.told.clear()
    assert {name: found for name, found in wrong.items() if found} == {}


@WIDTHS
async def test_a_page_that_does_not_exist_leads_to_those_that_do(desk: Desk, width: int) -> None:
    async with desk.person(width=width) as page:
        answer = await page.goto("/console/no/such")
        assert answer is not None
        assert answer.status == 404
        await expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
        await expect(page.locator("main")).to_contain_text("/console/no/such")
        await page.locator("main").get_by_role("link", name="Clients", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Clients")
    desk.told.clear()


@WIDTHS
async def test_a_part_of_a_clients_name_finds_nothing_and_the_page_names_the_client(desk: Desk, width: int) -> None:
    async with desk.person(width=width) as page:
        await page.get_by_label("Client").fill("acm")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#results")).to_contain_text("There is no client acm. Do you mean acme?")
        await page.locator("#results").get_by_role("link", name="acme").click()
        await expect(page.locator("#results tbody tr").first).to_contain_text("acme/")
        box = page.get_by_role("searchbox", name="AWB, order or push id")
        await box.fill("acm")
        await box.press("Enter")
        await expect(page.locator("main")).to_contain_text("Do you mean the client acme?")
        await page.goto("/console/search?client=acme&awb=nothing-like-it")
        await expect(page.locator("#results")).to_contain_text("compared as a whole")
        await page.goto("/console/search?client=quite-another")
        await expect(page.locator("#results")).to_contain_text("There is no client quite-another")
    desk.told.clear()
