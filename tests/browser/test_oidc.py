"""Log-in at a real OpenID provider (Authlib, in oidc-provider-mock): groups become roles, and nothing else comes in."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser.rig import browser
from support.serving import serving
from trackpush_server.admin.console.oidc import challenge
from trackpush_server.options import ConsoleOptions, OidcOptions

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(300)]
PEOPLE = (
    {"sub": "olga", "claims": {"groups": ["support", "trackpush-admins"], "preferred_username": "olga@ops"}},
    {"sub": "vera", "claims": {"groups": ["support"]}},
    {"sub": "mallory", "claims": {"groups": ["sales"]}},
    {"sub": "nobody", "claims": {}},
)
PROVIDER = Path(__file__).with_name("provider.py")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider on loopback."""
    command = (sys.executable, "-W", "ignore", str(PROVIDER), json.dumps(PEOPLE))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://localhost:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.terminate()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium(chromium_program: str) -> AsyncIterator[Browser]:  # noqa: ARG001  marks the test
    async with browser() as started:
        yield started


@contextlib.asynccontextmanager
async def console(folder: Path, issuer: str, chromium: Browser, *, client: str = "trackpush") -> AsyncIterator[Page]:
    """A server that uses this provider, and a browser at its log-in page."""
    secret = folder / "secret"
    secret.write_text("any")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    url = f"http://localhost:{port}"
    oidc = OidcOptions(
        issuer=issuer,
        client_id=client,
        client_secret_file=secret,
        view=("support",),
        operate=("trackpush-admins",),
    )
    options = ConsoleOptions(url=url, oidc=oidc)
    async with serving(folder, console=options, admin_listen=("127.0.0.1", port)):
        context = await chromium.new_context(base_url=url)
        try:
            page = await context.new_page()
            await page.goto("/console/clients")
            yield page
        finally:
            await context.close()


async def enter(page: Page, who: str) -> None:
    """Log in as one of the people."""
    await page.get_by_role("link", name="Log in with localhost").click()
    await page.get_by_role("button", name=who, exact=True).click()


@pytest.mark.parametrize(("who", "shown"), [("olga", "olga@ops operate"), ("vera", "vera view")])
async def test_groups_become_roles_and_the_page_that_was_asked_for_opens(
    tmp_path: Path, issuer: str, chromium: Browser, who: str, shown: str
) -> None:
    async with console(tmp_path, issuer, chromium) as page:
        await enter(page, who)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Clients", timeout=30_000)
        await expect(page.locator(".who")).to_contain_text(shown)
        names = {cookie["name"]: cookie for cookie in await page.context.cookies()}
        assert names["trackpush_session"]["sameSite"] == "Strict"
        assert names["trackpush_session"]["httpOnly"]
        await page.get_by_role("button", name="Log out").click()
        await page.goto("/console/clients")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


@pytest.mark.parametrize("who", ["mallory", "nobody"])
async def test_a_person_in_no_configured_group_is_refused(
    tmp_path: Path, issuer: str, chromium: Browser, who: str
) -> None:
    async with console(tmp_path, issuer, chromium) as page:
        await enter(page, who)
        await expect(page.get_by_role("alert")).to_contain_text(f"{who} is in none of the groups", timeout=30_000)
        await page.goto("/console/")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


async def test_a_refusal_at_the_provider_is_reported(tmp_path: Path, issuer: str, chromium: Browser) -> None:
    async with console(tmp_path, issuer, chromium) as page:
        await page.get_by_role("link", name="Log in with localhost").click()
        await page.wait_for_url("**/oauth2/authorize?**")
        state = parse_qs(urlsplit(page.url).query)["state"][0]
        await page.goto(
            f"/console/oidc/callback?error=access_denied&state={state}"
        )  # this provider's own lacks a state
        await expect(page.get_by_role("alert")).to_contain_text("access_denied", timeout=30_000)


async def test_a_way_back_that_was_not_begun_in_this_browser_or_comes_twice_is_refused(
    tmp_path: Path, issuer: str, chromium: Browser
) -> None:
    async with console(tmp_path, issuer, chromium) as page:
        came: list[str] = []
        page.on(
            "request", lambda request: came.append(request.url) if "/console/oidc/callback" in request.url else None
        )
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if "/oauth2/authorize" in request.url else None)
        await enter(page, "olga")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Clients", timeout=30_000)
        query = parse_qs(urlsplit(sent[0]).query)
        assert query["code_challenge_method"] == ["S256"]
        assert len(query["code_challenge"][0]) == len(challenge("x"))
        await page.goto(came[0])
        await expect(page.get_by_role("alert")).to_contain_text("was not started here")
        assert page.context.browser is not None
        other = await page.context.browser.new_context()
        stranger = await other.new_page()
        await stranger.goto(came[0])
        await expect(stranger.get_by_role("alert")).to_contain_text("was not started here")
        await other.close()


async def test_a_provider_that_is_down_is_reported(tmp_path: Path, chromium: Browser) -> None:
    async with console(tmp_path, "http://localhost:1", chromium) as page:
        await page.get_by_role("link", name="Log in with localhost").click()
        await expect(page.get_by_role("alert")).to_contain_text("localhost can't be reached")
