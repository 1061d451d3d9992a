"""The console in a real Chromium: what a support person looks for at 2 a.m., and what nobody else may see or do."""

import asyncio
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect

from browser.conftest import PAGES, PERSON, REJECTED, SHIPMENTS, STORY, TOKENS, Desk, awb

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=30_000)
ON_EITHER_STORAGE = pytest.mark.parametrize("desk", ["sqlite", "postgres"], indirect=True)


@ON_EITHER_STORAGE
async def test_pushes_are_found_by_awb_client_status_and_state_without_a_page_load(desk: Desk) -> None:
    async with desk.person() as page:
        await page.evaluate("window.same = true")
        await page.get_by_label("AWB", exact=True).fill(awb(3))
        await page.get_by_label("AWB", exact=True).press("Enter")
        await expect(page.locator("#results tbody tr")).to_have_count(2 * len(STORY))
        assert "awb=190414003" in page.url
        await page.get_by_label("Push", exact=True).select_option("delivered")
        await expect(page.locator("#results tbody tr")).to_have_count(len(STORY))
        await page.get_by_label("Status").select_option("DELIVERED")
        await expect(page.locator("#results tbody tr")).to_have_count(1)
        await page.get_by_label("Client").fill("zen")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#results")).to_contain_text("No pushes match")
        assert await page.evaluate("window.same")


@ON_EITHER_STORAGE
async def test_a_pasted_list_of_awbs_a_class_of_errors_and_the_time_of_death_narrow_the_search(desk: Desk) -> None:
    async with desk.person() as page:
        await page.get_by_label("AWB", exact=True).fill(f"{awb(3)}\n{awb(1)}")
        await page.get_by_label("AWB", exact=True).press("Enter")
        await expect(page.locator("#results tbody tr")).to_have_count(2 * 2 * len(STORY))
        await page.get_by_role("link", name="Clear").click()
        await page.get_by_label("Error").select_option("4xx")
        await expect(page.locator("#results tbody tr")).to_have_count(len(REJECTED) * len(STORY))
        await page.get_by_label("Ended until (UTC)").fill("2020-01-01T00:00")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#results")).to_contain_text("No pushes match.")
        await page.goto("/console/search?client=acm")
        await expect(page.locator("#results")).to_contain_text("the client acm has no pushes; did you mean acme?")


async def test_all_matches_are_downloaded_as_csv_and_as_ndjson(desk: Desk) -> None:
    async with desk.person() as page:
        await page.goto(f"/console/search?awb={awb(3)}&limit=1")
        for form, lines in (("CSV", 1 + 2 * len(STORY)), ("NDJSON", 2 * len(STORY))):
            async with page.expect_download() as download:
                await page.get_by_role("link", name=form, exact=True).click()
            file = await (await download.value).path()
            text = await asyncio.to_thread(file.read_text)
            assert len(text.splitlines()) == lines


async def test_the_chosen_time_zone_is_shown_beside_utc_and_remembered(desk: Desk) -> None:
    async with desk.person() as page:
        when = page.locator("#results tbody time").first
        await expect(when).to_contain_text(re.compile(r"\d\d:\d\d:\d\d.* IST, .*(ago|now)"))
        await page.get_by_label("Time zone beside UTC").select_option("Asia/Dubai")
        await expect(when).to_contain_text("+04, ")
        await page.goto("/console/dead?client=acme")
        await expect(page.locator("tbody time").first).to_contain_text("+04, ")


async def test_a_search_is_kept_by_name_in_this_browser(desk: Desk) -> None:
    async with desk.person() as page:
        await page.goto("/console/search?client=acme&state=dead")
        await page.get_by_label("Name of this search").fill("acme's dead")
        await page.get_by_role("button", name="Keep").click()
        await page.goto("/console/search")
        await page.get_by_role("link", name="acme's dead").click()
        await expect(page.locator("#results tbody tr")).to_have_count(len(REJECTED) * len(STORY))
        await page.get_by_role("button", name="Remove acme's dead").click()
        await expect(page.get_by_role("link", name="acme's dead")).to_have_count(0)


@ON_EITHER_STORAGE
async def test_many_pushes_come_in_pages_both_ways(desk: Desk) -> None:
    async with desk.person() as page:
        first = await page.locator("#results tbody tr td a").first.get_attribute("href")
        seen = await page.locator("#results tbody tr").count()
        while await page.get_by_role("link", name="Older").count():
            await page.get_by_role("link", name="Older").click()
            await expect(page.get_by_role("link", name="Newer")).to_be_visible()
            seen += await page.locator("#results tbody tr").count()
        assert seen >= 2 * SHIPMENTS * len(STORY)
        for _ in range(2):
            shown = await page.locator("#results tbody tr td a").first.get_attribute("href")
            await page.get_by_role("link", name="Newer").click()
            await expect(page.locator("#results tbody tr td a").first).not_to_have_attribute("href", str(shown))
        await expect(page.locator("#results tbody tr td a").first).to_have_attribute("href", str(first))


@ON_EITHER_STORAGE
async def test_one_box_finds_awb_order_and_push_id_and_says_when_there_is_nothing(desk: Desk) -> None:
    async with desk.person() as page:
        box = page.get_by_role("searchbox", name="AWB, order or push id")
        for text, heading in (
            (awb(3), f"Shipment {awb(3)}"),
            ("SO-1003", "Pushes"),
            ("nothing-like-it", "Nothing found"),
        ):
            await box.fill(text)
            await box.press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        identity = desk.sink.arrivals[0].webhook_id
        await box.fill(identity)
        await box.press("Enter")
        await expect(page.locator(".id")).to_have_text(identity)


@ON_EITHER_STORAGE
async def test_a_timeline_shows_what_came_what_was_pushed_and_each_answer(desk: Desk) -> None:
    async with desk.person() as page:
        await page.goto(f"/console/shipments/{awb(4)}")
        await expect(page.locator(".timeline h2")).to_have_text(list(STORY))
        update = page.locator(".timeline li").first
        await expect(update).to_contain_text(PERSON)
        oms, warehouse = update.locator("details", has_text="acme/oms"), update.locator("details", has_text="warehouse")
        await expect(oms.locator("summary")).to_contain_text("dead")
        assert await oms.locator("tbody tr").count() >= 3  # how many depends on what succeeded meanwhile
        await expect(oms.locator("tbody tr").first).to_contain_text("422 unknown order")
        await expect(warehouse.locator("summary")).to_contain_text("pending")


@ON_EITHER_STORAGE
async def test_a_clients_health_shows_what_fails_why_and_when_it_is_tried_next(desk: Desk) -> None:
    async with desk.person() as page:
        await page.goto("/console/clients")
        await expect(page.locator("tbody tr", has_text="acme")).to_contain_text("failing")
        await page.get_by_role("link", name="acme").click()
        warehouse = page.locator("#acme-warehouse")
        await expect(warehouse).to_contain_text("HTTP 503")
        await expect(warehouse.locator("dt:has-text('Success rate') + dd")).to_have_text("0.0 %")
        await expect(warehouse.locator("dt:has-text('Next try') + dd time")).to_have_count(1)
        await warehouse.locator("summary").click()
        await expect(warehouse.locator("svg")).to_have_count(4)


@ON_EITHER_STORAGE
async def test_dead_pushes_are_sent_again_after_a_count_and_a_yes(desk: Desk) -> None:
    dead = len(REJECTED) * len(STORY)
    async with desk.person() as page:
        await page.goto("/console/dead?client=acme")
        await expect(page.locator("tbody tr")).to_have_count(dead)
        before = len(desk.sink.arrivals)
        await page.get_by_role("button", name="Send all again…").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"Send {dead} pushes again?")
        assert len(desk.sink.arrivals) == before
        await page.get_by_role("button", name=f"Send {dead} again").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Replay done")
        await expect(page.get_by_role("status")).to_contain_text(f"{dead} of {dead}")
        await page.goto("/console/dead?client=acme")
        await expect(page.get_by_role("status")).to_have_text("No dead pushes.")
        await page.goto("/console/audit")
        await expect(page.locator("tbody tr").first).to_contain_text("replay.start")
        await expect(page.locator("tbody tr").first).to_contain_text("client acme")
        await page.goto(f"/console/shipments/{awb(4)}")
        await expect(page.locator(".timeline li").first).to_contain_text("replayed")


async def test_an_unrecognised_body_is_parsed_again_after_a_count_and_a_yes(desk: Desk) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://{desk.server.address}/rms/in/api/clickpost/notify"
        content = b'{"event": "return_created", "payload": [1]}'
        async with session.post(url, data=content, headers={"webhook_key": "k"}) as answer:
            assert (await answer.json())["unrecognised"] == 1
    for options in ({}, {"width": 375}, {"scripts": False}):
        async with desk.person(**options) as page:
            await page.goto("/console/inbox")
            await page.get_by_role("button", name="Retry…").first.click()
            await expect(page.get_by_role("heading", name="Parse 1 body again?")).to_be_visible()
            await page.get_by_role("button", name="Parse 1 again").click()
            await expect(page.get_by_role("heading", name="Retry done")).to_be_visible()
            await expect(page.get_by_role("status")).to_contain_text("1 of 1 body: 0 recognised")
            await expect(page.locator("#progress tbody tr")).to_contain_text("still unrecognised")
            if options.get("scripts", True):
                assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_without_scripts_search_and_replay_work_as_well(desk: Desk) -> None:
    async with desk.person(scripts=False) as page:
        await page.get_by_label("AWB", exact=True).fill(awb(3))
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#results tbody tr")).to_have_count(2 * len(STORY))
        await page.locator("tbody tr", has_text="acme/oms").first.locator("td a").first.click()
        await page.get_by_role("button", name="Send again…").click()
        await page.get_by_role("button", name="Send 1 again").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Replay")


async def test_a_wrong_token_is_reported_and_a_log_out_ends_the_session(desk: Desk) -> None:
    async with desk.visitor() as page:
        await page.goto("/console/clients")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        await page.get_by_label("Admin token").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_have_text("This is not a token of this server.")
        desk.told.clear()  # the 401 of it
        await page.get_by_label("Admin token").fill(TOKENS["operate"])
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Clients")
        (cookie,) = await page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        await page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": desk.url}])
        await page.goto("/console/")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


async def test_the_role_view_sees_no_person_and_nothing_to_press(desk: Desk) -> None:
    async with desk.person("view") as page:
        for path in [*PAGES.values(), f"/console/pushes/{desk.sink.arrivals[0].webhook_id}"]:
            await page.goto(path)
            content = await page.content()
            assert "Rahul" not in content, path
            assert "9876543210" not in content, path
            assert await page.get_by_role("button", name=re.compile("again")).count() == 0, path
        await expect(page.get_by_role("note")).to_contain_text("masked")


async def test_a_change_without_the_pages_own_secret_or_by_the_role_view_is_refused(desk: Desk) -> None:
    form: dict[str, str | float | bool] = {"client": "acme", "states": "dead"}
    async with desk.person() as page:
        for path in ("/console/replays", "/console/replays/check", "/console/logout", "/api/v1/replays"):
            answer = await page.request.post(path, form=form)
            assert answer.status == 403, path
        assert (await page.request.get("/console/")).status == 200
    async with desk.person("view") as page:
        csrf = await page.locator("input[name=csrf]").first.get_attribute("value")
        answer = await page.request.post("/console/replays", form={**form, "csrf": csrf or ""})
        assert answer.status == 403
        assert "only the role operate" in await answer.text()


@ON_EITHER_STORAGE
async def test_the_live_tail_shows_what_happens_as_it_happens_and_can_pause(desk: Desk) -> None:
    async with desk.person() as page:
        await page.goto("/console/tail")
        await expect(page.locator("#tail-state")).to_have_text("Watching.")
        await desk.post(90, "IN_TRANSIT")
        row = page.locator("#tail tbody tr", has_text=awb(90))
        await expect(row.filter(has_text="received")).to_have_count(1)
        await expect(row.filter(has_text="delivered")).to_have_count(1)
        await page.get_by_role("button", name="Pause").click()
        await desk.post(91, "IN_TRANSIT")
        await expect(page.locator("#tail-state")).to_contain_text("came since")
        await expect(page.locator("#tail tbody tr", has_text=awb(91))).to_have_count(0)


async def background(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


async def test_light_and_dark_follow_the_system_until_one_chooses(desk: Desk) -> None:
    async with desk.person(scheme="dark") as page:
        dark = await background(page)
        await page.get_by_role("button", name="Change between light and dark").click()
        light = await background(page)
        assert light == "rgb(255, 255, 255)"
        assert dark != light
        await page.goto("/console/clients")
        assert await background(page) == light


async def test_a_phone_shows_each_page_without_scrolling_sideways(desk: Desk) -> None:
    async with desk.person(width=375) as page:
        for path in PAGES.values():
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 375, path


async def test_the_keyboard_alone_is_enough(desk: Desk) -> None:
    async with desk.visitor() as page:
        await page.goto("/console/login")
        await expect(
            page.locator("#token")
        ).to_be_focused()  # autofocus comes with the first frame, after the load event
        await page.keyboard.type(TOKENS["operate"])
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/")
        await page.get_by_role("link", name="Search", exact=True).focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/search")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("AWB", exact=True)).to_be_focused()
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.type(awb(3))
        await page.keyboard.press("Enter")
        await expect(page.locator("#results tbody tr")).to_have_count(2 * len(STORY))


ACCESSIBLE = Path(__file__).with_name("accessible.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_each_page_has_names_labels_captions_headings_and_contrast(desk: Desk, scheme: Any) -> None:
    wrong: dict[str, list[str]] = {}
    async with desk.visitor(scheme=scheme) as page:
        await page.goto("/console/login")
        wrong["login"] = await page.evaluate(ACCESSIBLE)
    async with desk.person(scheme=scheme) as page:
        for name, path in {**PAGES, "push": f"/console/pushes/{desk.sink.arrivals[0].webhook_id}"}.items():
            await page.goto(path)
            wrong[name] = await page.evaluate(ACCESSIBLE)
    assert {name: found for name, found in wrong.items() if found} == {}


async def test_no_page_breaks_its_own_content_security_policy_or_fails(desk: Desk) -> None:
    desk.told.clear()
    async with desk.person() as page:
        for path in PAGES.values():
            await page.goto(path)
            await expect(page.locator("h1")).to_be_visible()
    assert desk.told == []
