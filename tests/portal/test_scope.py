"""A visitor sees what belongs to their client, and nothing of another one: every read, every change, either journal."""

import re
from urllib.parse import quote

import pytest

from portal.conftest import PERSON, ZEN_WORDS, Clients, Zen, story
from support.deadline import until_found
from support.portal import Page, Visitor
from support.postgres_fixtures import EITHER_STORAGE

NOBODY = Zen(
    delivered=f"psh_{'1' * 32}-{'1' * 8}",
    dead=f"psh_{'2' * 32}-{'2' * 8}",
    pending=f"psh_{'3' * 32}-{'3' * 8}",
    inbox=f"unr_{'4' * 32}",
    replay="replay_555555555555",
    cursor="999999.9",
    update="999999",
    link=f"lnk_{'6' * 32}",
    test=f"psh_{'7' * 32}-{'7' * 8}",
)
"""What does not exist at all, in the same shapes."""


def comparable(page: Page, *names: str) -> tuple[int, dict[str, str], str]:
    """An answer in which the visitor's own words are replaced: a form shows again what was typed in."""
    text = re.sub(r"<time .*?</time>", "TIME", page.text)  # some are relative to now
    if page.status >= 400:
        names = ()  # such a page repeats nothing
    for name in sorted(names, key=len, reverse=True):
        for spelled in {name, quote(name, safe=""), quote(name)}:
            text = text.replace(spelled, "ASKED")
    headers = {name: value for name, value in page.headers.items() if name not in {"Date", "Content-Length"}}
    return page.status, headers, text


async def both(visitor: Visitor, theirs: str, absent: str, path: str) -> None:
    """Ask for what is another client's and for what does not exist: the answers must be the same."""
    given, none = (path.replace("{}", quote(name, safe="")) for name in (theirs, absent))
    found, nothing = await visitor.get(given), await visitor.get(none)
    assert comparable(found, theirs) == comparable(nothing, absent), given
    assert found.status in {200, 400, 404}, given
    for word in ZEN_WORDS:
        assert word not in comparable(found, theirs)[2], (given, word)


async def both_posted(visitor: Visitor, path: str, theirs: dict[str, str], absent: dict[str, str]) -> None:
    one, other = (path.format(**fields) for fields in (theirs, absent))
    found, nothing = await visitor.post(one, **theirs), await visitor.post(other, **absent)
    assert comparable(found, *theirs.values()) == comparable(nothing, *absent.values()), one
    assert found.status in {400, 403, 404}, (one, found.status)


@EITHER_STORAGE
async def test_what_another_client_has_is_answered_as_what_does_not_exist(clients: Clients) -> None:
    zen = await story(clients)
    pushes = "/portal/pushes"
    for role in ("operate", "view"):
        async with clients.portal.visitor("acme", role) as visitor:
            for name in ("delivered", "dead", "pending"):
                await both(visitor, getattr(zen, name), getattr(NOBODY, name), f"{pushes}/{{}}")
                await both(visitor, getattr(zen, name), getattr(NOBODY, name), "/portal/find?q={}")
            for theirs, absent in (("ZEN-1", "ABSENT-1"), ("kettle-2", "absent-2"), (zen.inbox, NOBODY.inbox)):
                await both(visitor, theirs, absent, "/portal/find?q={}")
                await both(visitor, theirs, absent, "/portal/shipments/{}")
                await both(visitor, theirs, absent, f"{pushes}?awb={{}}")
                await both(visitor, theirs, absent, f"{pushes}?orderId={{}}")
                await both(visitor, theirs, absent, f"{pushes}?awb={{}}&state=dead")
            for theirs, absent in (("zen/shop", "absent/shop"), ("zen/erp", "acme/none"), ("zen/clickpost", "no/one")):
                await both(visitor, theirs, absent, f"{pushes}?pushConfig={{}}")
                await both(visitor, theirs, absent, f"{pushes}?pushConfig={{}}&state=pending&status=IN_TRANSIT")
                await both(visitor, theirs, absent, f"{pushes}?account={{}}")
                await both(visitor, theirs, absent, "/portal/test?pushConfig={}")
            await both(visitor, "zen", "absent", f"{pushes}?client={{}}&awb=ABSENT-1")
            for path in (
                f"{pushes}?cursor={{}}",
                f"{pushes}?cursor={{}}&newer=true",
                "/portal/shipments/ACME-1?after={}",
            ):
                await both(visitor, zen.cursor, NOBODY.cursor, path)
            for name in ("update", "link", "test", "replay"):
                theirs, absent = getattr(zen, name), getattr(NOBODY, name)
                for path in ("find?q={}", "pushes/{}", "shipments/{}", "links/{}", "replays/{}", "changes/{}"):
                    await both(visitor, theirs, absent, f"/portal/{path}")
            await both(visitor, zen.update, NOBODY.update, "/portal/shipments/ACME-1?after={}")
            await both(visitor, zen.inbox, NOBODY.inbox, "/portal/inbox/{}")
            for path in (f"{pushes}/export?client={{}}", "/portal/clients/{}", "/portal/api/v1/pushes?client={}"):
                await both(visitor, "zen", "absent", path)


@EITHER_STORAGE
async def test_no_change_reaches_another_client(clients: Clients) -> None:
    zen = await story(clients)
    before = len(clients.zen.arrivals)
    for role in ("operate", "view"):
        async with clients.portal.visitor("acme", role) as visitor:
            for name in ("pending", "dead", "delivered"):
                theirs, absent = {"id": getattr(zen, name)}, {"id": getattr(NOBODY, name)}
                await both_posted(visitor, "/portal/pushes/{id}/try", theirs, absent)
                for path in ("/portal/replays/check", "/portal/replays"):
                    await both_posted(visitor, path, {"ids": theirs["id"]}, {"ids": absent["id"]})
            for theirs, absent in (("zen/shop", "absent/shop"), ("zen/erp", "acme/none")):
                path = "/portal/push-configs/{pushConfig}/reopen"
                await both_posted(visitor, path, {"pushConfig": theirs}, {"pushConfig": absent})
                for path in ("/portal/replays/check", "/portal/replays", "/portal/test", "/portal/verify"):
                    await both_posted(visitor, path, {"pushConfig": theirs}, {"pushConfig": absent})
            for path in ("/portal/replays/check", "/portal/replays"):
                await both_posted(visitor, path, {"client": "zen"}, {"client": "absent"})
            await both_posted(visitor, "/portal/replays/{id}/end", {"id": zen.replay}, {"id": NOBODY.replay})
    audited = {(action, target) for actor, action, target in await clients.audits() if actor.startswith("portal")}
    assert audited == {("portal.enter", "client acme")}, "what was refused did not begin"
    assert len(clients.zen.arrivals) == before
    assert [push["id"] for push in await clients.pushes("zen", "dead", 1)] == [zen.dead]


@EITHER_STORAGE
async def test_a_replay_of_an_awb_or_of_everything_sends_only_the_own_dead_pushes(clients: Clients) -> None:
    zen = await story(clients)
    await clients.post("acme", 40, order="bottle-XX40")
    async with clients.portal.visitor() as visitor:
        counted = await visitor.post("/portal/replays/check", awb="ZEN-4")
        assert "Nothing to send again" in counted.text
        for fields in ({"awb": "ZEN-4"}, {"total": "1"}):
            started = await visitor.post("/portal/replays", **fields)
            assert started.status == 303, started
            shown = await until_found(
                lambda path=started.headers["Location"]: visitor.get(path), lambda page: "Replay done" in page.text
            )
            assert not any(word in shown.text for word in ZEN_WORDS)
    assert [push["id"] for push in await clients.pushes("zen", "dead", 1)] == [zen.dead]


@EITHER_STORAGE
async def test_no_page_that_links_lead_to_names_another_client(clients: Clients) -> None:
    await story(clients)
    for role in ("operate", "view"):
        async with clients.portal.visitor("acme", role) as visitor:
            seen: dict[str, Page] = {}
            waiting = ["/portal/"]
            while waiting:
                path = waiting.pop()
                seen[path] = page = await visitor.get(path)
                assert page.status == 200, path
                found = re.findall(r'(?:href|hx-get|action)="(/portal/[^"#]*)"', page.text)
                links = {link.replace("&amp;", "&") for link in found if "/static/" not in link}
                posted = re.compile(r"/(try|reopen|check|leave|zone|find|end)$|/portal/replays$")
                waiting += [link for link in links if link not in {*seen, *waiting} and not posted.search(link)]
            assert {"/portal/", "/portal/pushes", "/portal/help", "/portal/verify", "/portal/test"} <= set(seen)
            assert any("/portal/shipments/ACME-" in path for path in seen)
            for path, page in seen.items():
                for word in ZEN_WORDS:
                    assert word not in page.text, (role, path, word)
                    assert word not in str(page.headers), (role, path)
                assert (PERSON in page.text) <= (role == "operate"), (role, path)
                assert "pass-1" not in page.text, path
                assert SECRET_PART not in page.text, path
                assert "trackpush pushes" not in page.text, (path, "a command that a visitor can't run")


SECRET_PART = "QUJDREVGR0hJSktM"


@EITHER_STORAGE
async def test_cursors_are_encrypted_for_one_link_and_page_through_the_own_pushes(clients: Clients) -> None:
    for number in range(1, 36):
        await clients.post("zen", number)
        await clients.post("acme", number)
    await clients.pushes("acme", "delivered", 35)
    async with clients.portal.visitor() as visitor, clients.portal.visitor() as colleague:
        page = await visitor.get("/portal/pushes?pushConfig=acme%2Foms&since=2020-01-01T00%3A00")
        of_one_push_config = ids(page)
        page = await visitor.get("/portal/pushes")
        older = next_page(page)
        all_pushes = ids(page)
        while older is not None:
            page = await visitor.get(older)
            all_pushes += ids(page)
            last, older = older, next_page(page)
        pending = await clients.pushes("acme", "pending", 35)
        delivered = await clients.pushes("acme", "delivered", 35)
        assert sorted(all_pushes) == sorted(push["id"] for push in pending + delivered)
        assert len(of_one_push_config) == 35
        assert not re.search(r"cursor=\d+\.\d+", last), "not the journal's position"
        foreign = await colleague.get(last)
        garbage = await colleague.get("/portal/pushes?cursor=AAAA")
        assert (foreign.status, comparable(foreign)[2]) == (400, comparable(garbage)[2])


def ids(page: Page) -> list[str]:
    return re.findall(r'<td data-label="Received"><a href="/portal/pushes/(psh_[^"]+)"', page.text)


def next_page(page: Page) -> str | None:
    found = re.search(r'rel="next" href="([^"]+)"', page.text)
    return None if found is None else found[1].replace("&amp;", "&")


@EITHER_STORAGE
async def test_no_header_makes_a_visitor_another_client(clients: Clients) -> None:
    await story(clients)
    async with clients.portal.visitor("acme") as acme, clients.portal.visitor("zen") as zen:
        plain = await acme.get("/portal/pushes?state=delivered")
        for headers in (
            {"X-Forwarded-User": "zen"},
            {"X-Trackpush-Client": "zen"},
            {"X-Original-URL": "/portal/?client=zen"},
            {"X-Rewrite-URL": "/console/"},
            {"X-HTTP-Method-Override": "POST"},
        ):
            found = await acme.get("/portal/pushes?state=delivered", **headers)
            assert comparable(found) == comparable(plain), headers
        wrong = await acme.post("/portal/replays/check", csrf=await zen.csrf())
        assert wrong.status == 403
        for path in ("/console/", "/api/v1/pushes", "/metrics", "/config", "/undelivered"):
            assert (await acme.get(path)).status in {401, 404}, path
        for token in ("the-admin-token", "tpl_AAAA.AAAA"):
            assert (await acme.get("/portal/", Authorization=f"Bearer {token}")).status == 401


@pytest.mark.parametrize("role", ["operate", "view"])
async def test_an_unknown_parameter_is_refused_without_a_look_at_the_journal(clients: Clients, role: str) -> None:
    async with clients.portal.visitor("acme", "operate" if role == "operate" else "view") as visitor:
        page = await visitor.get("/portal/pushes?namespace=zen")
        assert (page.status, "zen" in page.text) == (400, False)
