"""The section Push Config in a real Chromium, in a folder: from the empty form to a push with its header."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.axe_rules import source, violations
from browser.rig import browser
from portal.test_editing import CREDENTIAL, SERVER, client, serving_folder
from support.portal import open_portal
from support.sink import open_sink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CLIPPED = Path(__file__).with_name("clipped.js").read_text()


@pytest.mark.usefixtures("chromium_program")
async def test_a_person_sets_up_a_push_config_tests_it_and_changes_it(tmp_path: Path, screenshots: Path) -> None:
    expect.set_options(timeout=30_000)
    path = tmp_path / "resources"
    path.mkdir()
    (path / "server.yaml").write_text(SERVER)
    (path / "acme.yaml").write_text(client("acme", "oms"))
    async with (
        open_sink() as sink,
        serving_folder(path, tmp_path) as (server, folder),
        open_portal(server, edits=True, folder=folder) as portal,
        browser() as started,
    ):
        _, token = await portal.token("acme", "operate")
        page = await started.new_page(base_url=portal.url, viewport={"width": 390, "height": 860})
        told: list[str] = []
        page.on("pageerror", lambda error: told.append(str(error)))
        await page.goto(f"/portal/enter#{token}")
        await page.wait_for_url("**/portal/")
        await page.get_by_role("link", name="Push Config").click()
        await page.get_by_role("link", name="Set up").click()
        await page.get_by_label("URL").fill("https://169.254.169.254/")
        await page.get_by_role("button", name="Set up").click()
        await expect(page.get_by_role("alert")).to_contain_text("pushes may not go to 169.254.169.254")
        await page.get_by_label("URL").fill(sink.url)
        await page.get_by_label("Name of header 1", exact=True).fill("X-Key")
        await page.get_by_label("Value of header 1", exact=True).fill(CREDENTIAL)
        await page.get_by_role("button", name="Set up").click()
        section = page.get_by_role("region", name="oms")
        await expect(page.get_by_role("region", name="Changes", exact=True).first).to_contain_text("applied")
        await expect(section).to_contain_text(sink.url)  # the page notices by itself when it takes effect
        await section.get_by_role("link", name="Send a test push").click()
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("status")).to_contain_text("accepted the test push")
        assert sink.arrivals[-1].headers["x-key"] == CREDENTIAL
        await page.goto("/portal/push-configs/oms/edit")
        assert CREDENTIAL not in await page.content()
        await page.get_by_label("Suspend").check()
        await page.screenshot(path=screenshots / "portal-push-config-edit.png", full_page=True)
        assert await violations(page, source()) == []
        assert await page.evaluate(CLIPPED) == []
        await page.get_by_role("button", name="Change", exact=True).click()
        await expect(page.get_by_role("heading", name="oms")).to_contain_text("suspended")
        await page.screenshot(path=screenshots / "portal-push-configs.png", full_page=True)
        assert await violations(page, source()) == []
        assert await page.evaluate(CLIPPED) == []
        assert told == []
