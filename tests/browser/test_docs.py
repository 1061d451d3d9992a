"""The built site, opened from its folder without a web server: search, contrast, a phone."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser.axe_rules import COLOURS, LAYOUT, source, unreadable, violations
from browser.rig import browser

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(300)]
ROOT: Final = Path(__file__).parents[2]
PHONE: Final = 390
FEW: Final = ("index", "metrics", "kinds/push-config", "aggregators/clickpost")
"""Pages with each kind of content: tables, code, lists, long names."""
COMMON: Final = (".md-header", ".md-sidebar", ".md-footer")
_SWITCH: Final = """(theme) => {
  document.body.dataset.mdColorSwitching = "";  // without it, colours change in steps
  document.body.dataset.mdColorScheme = theme;
}"""
THEMES: Final[dict[Literal["light", "dark"], str]] = {"light": "default", "dark": "slate"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make docs` builds."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return folder


def pages(site: Path) -> list[str]:
    """Each page of the site, relative to its folder."""
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium(chromium_program: str) -> AsyncIterator[Browser]:  # noqa: ARG001  marks the test
    async with browser() as started:
        yield started


async def opened(chromium: Browser, scheme: Literal["light", "dark"] = "light", width: int = 1280) -> Page:
    """A page of a reader with this theme and width."""
    context = await chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 860})
    return await context.new_page()


@pytest.mark.parametrize(
    ("words", "title"),
    [("missing update", "Where is my update?"), ("air waybill", "Glossary"), ("underscores", "Clickpost")],
)
async def test_the_search_works_in_a_page_that_is_opened_from_the_folder(
    site: Path, chromium: Browser, words: str, title: str
) -> None:
    page = await opened(chromium)
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if request.url.startswith("http") else None)
    await page.goto((site / "index.html").as_uri())
    await page.keyboard.press("/")
    await page.get_by_role("textbox", name="Search").press_sequentially(words)  # the theme listens to keys
    found = page.locator(".md-search-result__item h1")
    await expect(found.filter(has_text=title).first).to_be_visible(timeout=60_000)
    await page.locator(".md-search-result__link", has_text=title).first.click()
    await expect(page.locator("article h1")).to_contain_text(title)
    assert elsewhere == []
    await page.context.close()


async def findings(
    site: Path,
    chromium: Browser,
    names: Sequence[str],
    *,
    scheme: Literal["light", "dark"] = "light",
    width: int = 1280,
    rules: Sequence[str] = (),
) -> dict[str, list[str]]:
    """What axe-core finds in these pages, and whether a reader has to scroll sideways."""
    program = await asyncio.to_thread(source)
    wrong: dict[str, list[str]] = {}
    page = await opened(chromium, scheme, width)
    for name in names:
        await page.goto((site / name).as_uri())
        await expect(page.locator("body")).to_have_attribute("data-md-color-scheme", THEMES[scheme])
        wrong[name] = await violations(page, program, rules)
        if await page.evaluate("document.documentElement.scrollWidth") > width:
            wrong[name].append("scrolls sideways")
    await page.context.close()
    return {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))])
async def test_axe_finds_nothing_in_a_page_of_each_kind(
    site: Path, chromium: Browser, scheme: Literal["light", "dark"], rules: Sequence[str], width: int
) -> None:
    names = [f"{name}.html" for name in FEW]

    assert await findings(site, chromium, names, scheme=scheme, width=width, rules=rules) == {}


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_axe_finds_nothing_in_any_page(site: Path, chromium: Browser) -> None:
    """Each page is opened once. Header, navigation and footer are the same in all, and checked by the test above.

    A theme changes colours only, and a phone what has to be scrolled and how large it is.
    """
    program = await asyncio.to_thread(source)
    content = {"exclude": list(COMMON)}
    wrong: dict[str, list[str]] = {}
    page = await opened(chromium)
    for name in pages(site):
        await page.set_viewport_size({"width": 1280, "height": 860})
        await page.goto((site / name).as_uri())
        found = await violations(page, program, without=COLOURS, context=content)
        for theme in THEMES.values():
            await page.evaluate(_SWITCH, theme)
            found += await unreadable(page, program)
        await page.set_viewport_size({"width": PHONE, "height": 860})
        found += await violations(page, program, LAYOUT, context=content)
        if await page.evaluate("document.documentElement.scrollWidth") > PHONE:
            found.append("scrolls sideways on a phone")
        wrong[name] = found
    await page.context.close()
    assert wrong.keys() >= {f"{name}.html" for name in FEW}
    assert {name: found for name, found in wrong.items() if found} == {}
