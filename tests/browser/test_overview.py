"""The overview in a real Chromium: what is wrong now comes first, and a fresh server says what to do next."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from browser.conftest import REJECTED, SHIPMENTS, STORY, TOKENS, Desk
from browser.rig import browser
from support.serving import HeldSource, account, serving, table
from support.sink import open_sink
from trackpush_api.routing import Destination, Host
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=30_000)
ACCESSIBLE = Path(__file__).with_name("accessible.js").read_text()


async def test_the_first_page_names_the_failing_endpoint_its_reason_and_since_when(desk: Desk) -> None:
    async with desk.person(path="/console/") as page:
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Overview")
        row = page.locator(".findings tbody tr", has_text="acme/warehouse")
        await expect(row).to_contain_text("EndpointFailing")
        await expect(row).to_contain_text("HTTP 503")
        await expect(row.locator("time")).to_have_count(1)
        await expect(page.locator(".findings tbody tr").first).to_contain_text("acme/warehouse")
        await row.get_by_role("link", name="acme/warehouse").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Client acme")


async def test_links_of_the_former_address_of_the_search_still_work(desk: Desk) -> None:
    async with desk.person(path="/console/?awb=190414003") as page:
        await expect(page).to_have_url(f"{desk.url}/console/search?awb=190414003")
        await expect(page.locator("#results tbody tr").first).to_contain_text("190414003")


async def test_failing_clients_come_first_with_reason_and_since(desk: Desk) -> None:
    async with desk.person(path="/console/clients") as page:
        first = page.locator("tbody tr").first
        await expect(first).to_contain_text("acme")
        await expect(first.locator("td[data-label=Reason]")).to_contain_text("HTTP 503")
        await expect(first.locator("td[data-label^=Since] time")).to_have_count(1)
        await expect(page.locator("tbody tr").last).to_contain_text("delivering")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375)])
async def test_rates_and_what_died_show_in_each_theme_and_on_a_phone(
    desk: Desk, scheme: Any, width: int, screenshots: Path
) -> None:
    updates, died = SHIPMENTS * len(STORY), len(REJECTED) * len(STORY)
    async with desk.person(path="/console/", scheme=scheme, width=width) as page:
        acme = page.get_by_role("region", name="Rates: Clients").locator("tbody tr", has_text="acme")
        for label, least in (("Received 7 d", updates), ("Delivered 24 h", updates - died), ("Dead 24 h", died)):
            shown = await acme.locator(f"td[data-label='{label}']").text_content()
            assert int(str(shown)) >= least, label
        clickpost = page.get_by_role("region", name="Updates by aggregator").locator("tbody tr", has_text="Clickpost")
        await expect(clickpost.locator("td[data-label='Share 7 d']")).to_have_text("100 %")
        delivered = page.get_by_role("region", name="Updates by status").locator("tbody tr", has_text="DELIVERED")
        assert int(str(await delivered.locator("td[data-label='24 h']").text_content())) >= SHIPMENTS
        finding = page.locator(".findings tbody tr", has_text="PushesDied")
        await expect(finding).to_contain_text(f"{died} pushes died in the last 24 hours; dead now: {died}.")
        assert await page.evaluate(ACCESSIBLE) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.screenshot(path=screenshots / f"overview-{scheme}-{width}.png", full_page=True)
        await finding.get_by_role("link").click()
        await expect(page.locator("tbody tr")).to_have_count(died)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def fresh(
    chromium_program: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Desk, HeldSource]]:
    """A server without an update; the test holds its configuration."""
    del chromium_program
    folder = tmp_path_factory.mktemp("fresh")
    await asyncio.to_thread((folder / "operate").write_text, TOKENS["operate"])
    given = table(
        account(Aggregator.CLICKPOST, "k", destinations=["acme/oms"]),
        destinations=[Destination(name="acme/oms", url="http://127.0.0.1:9/")],
        hosts=[Host(host="hooks.example.com", aggregators=frozenset({Aggregator.CLICKPOST}))],
    )
    source = HeldSource(given)
    async with (
        open_sink() as sink,
        serving(folder, source=source, admin_token_file=folder / "operate") as server,
        browser() as started,
    ):
        yield Desk(server, started, sink), source


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375)])
async def test_a_fresh_server_shows_the_url_to_paste_in_each_theme_and_on_a_phone(
    fresh: tuple[Desk, HeldSource], scheme: Any, width: int, screenshots: Path
) -> None:
    desk, _ = fresh
    async with desk.person(path="/console/", scheme=scheme, width=width) as page:
        await expect(page.get_by_role("heading", name="What to do next")).to_be_visible()
        await expect(page.locator("#next ~ ol")).to_contain_text(
            "acme/clickpost (Clickpost): https://hooks.example.com/rms/in/api/clickpost/notify"
        )
        await expect(page.get_by_role("status")).to_have_text("Nothing is wrong.")
        assert await page.evaluate(ACCESSIBLE) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.screenshot(path=screenshots / f"overview-fresh-{scheme}-{width}.png", full_page=True)


async def test_problems_of_the_configuration_appear_without_a_reload(fresh: tuple[Desk, HeldSource]) -> None:
    desk, source = fresh
    async with desk.person(path="/console/") as page:
        await page.evaluate("window.same = true")
        source.loaded = Loaded(table=None, problems=("acme.yaml:8: PushConfig acme/oms spec.url: is missing; set it",))
        row = page.locator(".findings tbody tr")
        await expect(row).to_contain_text("BrokenConfig")
        await expect(row).to_contain_text("acme.yaml:8: PushConfig acme/oms spec.url: is missing; set it")
        assert await page.evaluate("window.same")
