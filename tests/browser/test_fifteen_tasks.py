"""The table of docs/console.md: each task is done in a real Chromium and a shell, and its steps are counted."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import expect

from browser.office import REJECTED_ALSO, WAITING, Office, open_office
from browser.person import Done, Person
from browser.rig import browser
from browser.tasks import TASKS, performed
from support.page import table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)
PAGE: Final = Path(__file__).parents[2] / "docs" / "console.md"
NAME: Final = "fifteen tasks"
_HEAD: Final = "| # | who | wants | does | steps | seconds |\n|---|---|---|---|---|---|\n"
_MEASURED: Final = 20_000
"""Updates in the journal when `make tasks` measures."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(
    chromium_program: str,  # noqa: ARG001  marks the test
    processes: None,  # noqa: ARG001  marks the test
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Office]:
    updates = _MEASURED if "TRACKPUSH_TASKS" in os.environ else 100
    async with browser() as chromium, open_office(tmp_path_factory.mktemp("office"), chromium, updates=updates) as made:
        yield made


def row(number: int, done: Done) -> str:
    task = TASKS[number - 1]
    return f"| {number} | {task.who} | {task.wish} | {task.how} | {done.steps} | {done.seconds:.1f} |\n"


def without_seconds(rows: str) -> list[str]:
    return [re.sub(r" [\d.]+ \|$", "", line) for line in rows.splitlines()]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_console_leads_from_a_missing_update_to_cause_and_replay_as_the_runbook_says(office: Office) -> None:
    """docs/runbooks/where-is-my-update.md, "With the console"."""
    page = office.page
    await page.goto("/console/search")
    await page.get_by_label("AWB", exact=True).fill(f"{REJECTED_ALSO}\n{WAITING}")
    await page.get_by_label("AWB", exact=True).press("Enter")
    await expect(page.locator("#results tbody tr")).to_have_count(2)
    await page.get_by_label("Push", exact=True).select_option("pending")
    row = page.locator("#results tbody tr")
    await expect(row).to_have_count(1)
    await expect(row.locator("td[data-label=Why]")).to_contain_text("The endpoint fails: HTTP 503")

    person = Person(page, office.server.admin_url)
    await person.find(WAITING)
    await expect(page.locator(".why")).to_contain_text("The endpoint fails: HTTP 503: maintenance until six")
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator("main")).to_contain_text("503")

    await person.find(REJECTED_ALSO)
    await expect(page.locator(".why")).to_contain_text("HTTP 422: unknown order")
    await page.get_by_role("button", name="Send again…").click()
    await page.get_by_role("button", name="Send 1 again").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Replay done")
    await person.find(REJECTED_ALSO)
    await expect(page.locator(".timeline summary")).to_contain_text("delivered")

    await person.find("no-such-awb")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Nothing found")
    await page.goto("/console/clients/quiet")
    await expect(page.get_by_role("region", name="Accounts", exact=True)).to_contain_text("silent")


@pytest.mark.asyncio(loop_scope="module")
async def test_each_task_takes_the_steps_that_the_page_states(office: Office) -> None:
    """With TRACKPUSH_TASKS the table is written (`make tasks`)."""
    done = [await performed(office, task) for task in TASKS]
    found = _HEAD + "".join(row(number, each) for number, each in enumerate(done, 1))
    if "TRACKPUSH_TASKS" in os.environ:
        text = await asyncio.to_thread(PAGE.read_text, encoding="utf-8")
        await asyncio.to_thread(PAGE.write_text, text.replace(table(PAGE, NAME), found), encoding="utf-8")
    assert without_seconds(await asyncio.to_thread(table, PAGE, NAME)) == without_seconds(found)


def test_each_measured_task_took_less_than_a_minute_and_most_less_than_ten_seconds() -> None:
    seconds = [float(line.split("|")[-2]) for line in table(PAGE, NAME).splitlines()[2:]]
    assert len(seconds) == len(TASKS)
    assert max(seconds) < 60
    assert sum(each < 10 for each in seconds) > len(seconds) / 2
