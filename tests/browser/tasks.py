"""Fifteen tasks of the people who work with Trackpush, each done as its person does it."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from browser.office import DELIVERED, REJECTED, REJECTED_TOO, SECRET, UNKNOWN, WAITING, Office
from browser.person import Done, Person
from support.deadline import until_found
from support.sink import Arrival, open_sink

_CHECK: Final = """
import json, sys
given = json.load(sys.stdin)
print("genuine" if verify(sys.argv[1], given["headers"], given["body"].encode()) else "forged")
"""
SUPPORT: Final = "support"
DEVELOPER: Final = "a client's developer"
SETUP: Final = "whoever sets up"


async def why_was_it_refused(_: Office, person: Person) -> None:
    await person.find(REJECTED)
    await person.sees(person.page.locator(".timeline"), "422 unknown order")


async def why_does_it_wait(office: Office, person: Person) -> None:
    await person.find(WAITING)
    await person.sees(person.page.locator(".why"), "503: maintenance until six")
    before = len(office.zen.arrivals)
    await person.click(person.page.get_by_role("button", name="Try now"))
    await person.sees(person.page.locator("main"), "503")
    assert len(office.zen.arrivals) > before


async def send_it_again(_: Office, person: Person) -> None:
    await person.find(REJECTED)
    await person.click(person.page.get_by_role("button", name="Send again…"))
    await person.click(person.page.get_by_role("button", name="Send 1 again"))
    await person.sees(person.page.get_by_role("heading", level=1), "Replay done")


async def which_client_fails(_: Office, person: Person) -> None:
    row = person.page.locator(".findings tbody tr", has_text="zen/push")
    await person.sees(row, "EndpointFailing")
    await person.sees(row, "503")
    assert await row.locator("time").count() == 1, "since when"


async def what_died(_: Office, person: Person) -> None:
    finding = person.page.locator(".findings tbody tr", has_text="PushesDied")
    await person.click(finding.get_by_role("link"))
    await person.sees(person.page.locator("tbody"), REJECTED_TOO)
    async with person.page.expect_download() as download:
        await person.click(person.page.get_by_role("link", name="CSV", exact=True))
    text = await asyncio.to_thread((await (await download.value).path()).read_text)
    assert REJECTED_TOO in text


async def what_was_received(office: Office, person: Person) -> None:
    await person.find(DELIVERED)
    await person.click(person.page.locator(".timeline summary").first)
    await person.click(person.page.get_by_role("link", name="Push with its bodies"))
    shown = await person.page.get_by_label("Body as it is sent").text_content()
    assert str(shown).encode() in [arrival.body for arrival in office.acme.arrivals]


async def has_an_aggregator_stopped(_: Office, person: Person) -> None:
    row = person.page.locator(".findings tbody tr", has_text="quiet/clickpost")
    await person.sees(row, "Silent")
    assert await row.locator("time").count() == 1, "since when"


async def which_codes_are_unknown(_: Office, person: Person) -> None:
    await person.tab("Aggregators")
    await person.sees(person.page.locator("tr", has_text=str(UNKNOWN["clickpost_status_code"])), "1")


async def what_changed(_: Office, person: Person) -> None:
    await person.tab("Configuration")
    await person.click(person.page.get_by_role("link", name="What changed, and when"))
    row = person.page.locator("tbody tr", has_text="shop/push").first
    await person.sees(row, "delivery.timeout: 10s → 20s")


async def get_pushes_on_my_machine(office: Office, person: Person) -> None:
    async with open_sink() as mine, asyncio.TaskGroup() as group:
        options = ("--push-config", "acme/push", "--forward", mine.url, "--count", "1")
        listening = group.create_task(person.run("listen", *options))

        async def arrived() -> Sequence[Arrival]:
            await office.send("190414005")
            return mine.arrivals

        await until_found(arrived, bool)
        await listening
    assert "webhook-signature" in mine.arrivals[0].headers


async def get_a_test_push(office: Office, person: Person) -> None:
    await person.tab("Test push")
    await person.click(person.page.get_by_role("button", name="Send", exact=True))
    await person.sees(person.page.get_by_role("status"), "200")
    assert office.acme.arrivals[-1].headers["trackpush-test"] == "1"


async def is_the_signature_genuine(office: Office, person: Person) -> None:
    arrival = office.acme.arrivals[-1]
    await person.tab("Verify signatures")
    snippet = person.page.locator("details", has_text="def verify")
    if not await snippet.locator("pre").is_visible():
        await person.click(snippet.locator("summary"))
    program = await snippet.locator("pre").text_content()
    person.copies()
    person.types()
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"{program}{_CHECK}",
        SECRET,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    given = {"headers": arrival.headers, "body": arrival.body.decode()}
    out, _ = await started.communicate(json.dumps(given).encode())
    assert out == b"genuine\n"


async def which_of_mine_died(_: Office, person: Person) -> None:
    await person.tab("Dead pushes")
    row = person.page.locator("tbody tr", has_text=REJECTED_TOO)
    await person.sees(row, "HTTP 422: unknown order")
    await person.click(person.page.get_by_role("button", name="Send all again…"))
    await person.click(person.page.get_by_role("button", name=re.compile(r"^Send \d+ again$")))
    await person.sees(person.page.get_by_role("heading", level=1), "Replay done")


async def add_a_client(office: Office, person: Person) -> None:
    file = office.server.resources / "bazaar.yaml"
    url = ("--url", office.acme.url, "--aggregator", "clickpost", "--host", "saas.example.test")
    done = await person.run("client", "add", "bazaar", *url, "-f", str(file))
    assert "Key: the value of" in done.stderr

    async def served() -> str:
        return json.dumps(await office.ask("/push-configs"))

    await until_found(served, lambda found: "bazaar/oms" in found)
    done = await person.run("test", "push", "--push-config", "bazaar/oms")
    assert "HTTP 200" in done.stdout


async def set_up_a_panel(office: Office, person: Person) -> None:
    await person.tab("Configuration")
    account = person.page.locator("tr", has_text="bazaar/clickpost")
    url = await account.locator("td[data-label='URL to paste']").text_content()
    assert str(url) == "https://saas.example.test/rms/in/api/clickpost/notify"
    text = await asyncio.to_thread((office.server.resources / "bazaar.yaml").read_text)
    key = re.findall(r"^  clickpost: (.+)$", text, re.MULTILINE)[0]
    where = ("--url", office.server.url, "--aggregator", "clickpost", "--key", key)
    await person.run("send", *where, "--awb", "190414006")
    await person.find("190414006")
    await person.sees(person.page.locator(".timeline"), "bazaar/oms")


class Task(NamedTuple):
    """What somebody wants to know or to do, and how."""

    who: str
    wish: str
    how: str
    do: Callable[[Office, Person], Awaitable[None]]


TASKS: Final = (
    Task(SUPPORT, "Why was this update refused?", "paste the AWB", why_was_it_refused),
    Task(SUPPORT, "Why does it wait? Try it now", "paste the AWB; *Try now*", why_does_it_wait),
    Task(SUPPORT, "Send a dead push again", "paste the AWB; *Send again…*; confirm", send_it_again),
    Task(SUPPORT, "Which client fails, why, since when?", "Overview", which_client_fails),
    Task(SUPPORT, "Which pushes died? As CSV", "Overview: *PushesDied*; *CSV*", what_died),
    Task(SUPPORT, "What exactly did the client receive?", "paste the AWB; open the push; its page", what_was_received),
    Task(SUPPORT, "Has an aggregator stopped?", "Overview", has_an_aggregator_stopped),
    Task(SUPPORT, "Which codes are unknown?", "Aggregators", which_codes_are_unknown),
    Task(SUPPORT, "What changed in the configuration?", "Configuration: *What changed, and when*", what_changed),
    Task(
        DEVELOPER,
        "Which of my pushes died, why? Send them again",
        "Portal: *Dead pushes*; *Send all again…*; confirm",
        which_of_mine_died,
    ),
    Task(DEVELOPER, "Get real pushes on my machine", "`listen --forward`", get_pushes_on_my_machine),
    Task(DEVELOPER, "Get a signed test push", "Portal: *Test push*; *Send*", get_a_test_push),
    Task(
        DEVELOPER,
        "Is the signature genuine?",
        "Portal: *Verify signatures*; copy the function; run it",
        is_the_signature_genuine,
    ),
    Task(SETUP, "Add a client", "`client add`, `test push`", add_a_client),
    Task(SETUP, "Set up an aggregator's panel", "Configuration: the URL; `send`; paste the AWB", set_up_a_panel),
)


async def performed(office: Office, task: Task) -> Done:
    """Do a task from the first page of the console or the portal, and count."""
    page, start = (office.portal, "/portal/") if task.who == DEVELOPER else (office.page, "/console/")
    await page.goto(start)
    person = Person(page, office.server.admin_url)
    await task.do(office, person)
    return person.done()
