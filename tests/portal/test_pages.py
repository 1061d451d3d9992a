"""What a visitor can do: search, see why and what was sent, replay, try, reopen, test; and what the role view can't."""

import base64
import hashlib
import hmac
import html
import re
import time

import pytest

from portal.conftest import PERSON, Clients, story
from support.deadline import until_found
from support.portal import Page
from support.postgres_fixtures import EITHER_STORAGE


def main(page: Page) -> str:
    """The text of a page's content, without its markup."""
    content = page.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())


@EITHER_STORAGE
async def test_the_overview_says_what_is_wrong_and_how_each_endpoint_is(clients: Clients) -> None:
    await story(clients)
    async with clients.portal.visitor("acme", "view") as visitor:
        page = await until_found(
            lambda: visitor.get("/portal/"),
            lambda found: all(word in found.text for word in ("EndpointGone", "EndpointFailing", "PushesDied")),
            seconds=90,  # the sums of rates are read at most every ten seconds, more rarely on a busy machine
        )
        shown = main(page)
        for words in (
            "acme/warehouse",
            "EndpointFailing",
            "HTTP 503",
            "1 push died in the last 24 hours",
            "Unrecognised",
        ):
            assert words in shown, words
        for name in ("acme-oms", "acme-returns", "acme-warehouse"):
            assert f'id="{name}"' in page.text
        assert "clickpost" in shown
        assert "trackpush " not in shown, "no command that a visitor can't run"


@EITHER_STORAGE
async def test_pushes_are_found_by_awb_order_status_state_and_time(clients: Clients) -> None:
    await story(clients)
    await clients.post("acme", 77, "DELIVERED", order="bottle-77")
    await clients.pushes("acme", "delivered", 4)
    async with clients.portal.visitor() as visitor:
        for query in ("awb=ACME-77", "orderId=bottle-77", "status=DELIVERED", "awb=ACME-77%2C%20ABSENT"):
            for more in ("", "&pushConfig=acme%2Foms", "&since=2020-01-01T00%3A00", "&until=2099-01-01T00%3A00"):
                found = await visitor.get(f"/portal/pushes?{query}{more}")
                assert "/portal/shipments/ACME-77" in found.text, (query, more)
                assert "/portal/shipments/ACME-1" not in found.text, (query, more)
        for query in ("state=dead&awb=ACME-77", "awb=ACME-77&until=2020-01-01T00%3A00", "error=422&awb=ACME-77"):
            assert "No pushes match." in (await visitor.get(f"/portal/pushes?{query}")).text, query
        assert "/portal/shipments/ACME-4" in (await visitor.get("/portal/pushes?state=dead")).text
        for text, place in (
            ("ACME-77", "/portal/shipments/ACME-77"),
            ("bottle-77", "/portal/pushes?orderId=bottle-77"),
        ):
            assert (await visitor.get(f"/portal/find?q={text}")).headers["Location"] == place


@EITHER_STORAGE
async def test_a_push_shows_why_the_attempts_the_request_and_the_answer_without_secrets(clients: Clients) -> None:
    await story(clients)
    (dead,) = await clients.pushes("acme", "dead", 1)
    (sent,) = {arrival.body for arrival in clients.acme.arrivals if arrival.webhook_id == dead["id"]}
    async with clients.portal.visitor() as visitor:
        page = await visitor.get(f"/portal/pushes/{dead['id']}")
        shown = html.unescape(page.text)
        assert "the last answer: HTTP 422: no" in shown
        assert sent.decode() in shown, "the exact body"
        assert f"POST {clients.acme.url}" in shown
        assert "X-Acme-Key: •••" in shown
        assert '-H "X-Acme-Key: ${X_ACME_KEY}"' in shown, "curl names a variable for each credential"
        assert "pass-1" not in shown
        assert "<summary>Its headers and text</summary>" in page.text
        story_page = await visitor.get(f"/portal/shipments/{dead['awb']}")
        assert {"acme/oms", "acme/warehouse"} <= set(main(story_page).split())
    async with clients.portal.visitor("acme", "view") as visitor:
        page = await visitor.get(f"/portal/pushes/{dead['id']}")
        assert PERSON not in page.text
        assert "As curl" not in page.text
        assert "Your role is view: personal data is masked." in page.text


@EITHER_STORAGE
async def test_dead_pushes_are_replayed_and_the_audit_log_names_the_link(clients: Clients) -> None:
    await story(clients)
    (dead,) = await clients.pushes("acme", "dead", 1)
    async with clients.portal.visitor() as visitor:
        assert "Send all again…" in (await visitor.get("/portal/pushes?state=dead")).text
        asked = await visitor.post("/portal/replays/check", states="dead", ids=dead["id"])
        assert "Send 1 push again?" in asked.text
        assert ("ids", dead["id"]) in hidden_fields(asked)
        before = len(clients.acme.arrivals)
        started = await visitor.post("/portal/replays", **dict(hidden_fields(asked)))
        progress = started.headers["Location"]
        await until_found(lambda: visitor.get(progress), lambda page: "Replay done" in page.text)
        await until_found(
            lambda: clients.admin(f"/api/v1/pushes/{dead['id']}"), lambda push: push["push"]["state"] == "delivered"
        )
        assert [arrival.webhook_id for arrival in clients.acme.arrivals[before:]].count(dead["id"]) == 1
        assert (f"portal {visitor.link.id}", "replay.start") in {entry[:2] for entry in await clients.audits()}
        async with clients.portal.visitor("zen") as other:
            assert (await other.get(progress)).status == 404
        refused = await visitor.post("/portal/replays", states="delivered", ids=dead["id"])
        assert (refused.status, "Only dead pushes" in refused.text) == (400, True)


def hidden_fields(page: Page) -> list[tuple[str, str]]:
    form = page.text.partition('action="/portal/replays"')[2].partition("</form>")[0]
    return [(name, html.unescape(value)) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)]


@EITHER_STORAGE
async def test_a_waiting_push_is_tried_and_a_gone_endpoint_reopened(clients: Clients) -> None:
    await clients.post("acme", 1)
    pending = await clients.pushes("acme", "pending", 2)
    waiting = {push["pushConfig"]: push["id"] for push in pending}
    async with clients.portal.visitor() as visitor:
        tried = await visitor.post(f"/portal/pushes/{waiting['acme/warehouse']}/try")
        assert (tried.status, tried.headers["Location"]) == (303, f"/portal/pushes/{waiting['acme/warehouse']}")
        await until_found(lambda: visitor.get("/portal/"), lambda page: "EndpointGone" in page.text)
        reopened = await visitor.post("/portal/push-configs/acme/returns/reopen")
        assert (reopened.status, reopened.headers["Location"]) == (303, "/portal/#acme-returns")
        again = await visitor.post("/portal/push-configs/acme/oms/reopen")
        assert (again.status, "did not answer 410" in again.text) == (409, True)
        (done,) = (await clients.pushes("acme", "delivered", 1))[:1]
        ended = await visitor.post(f"/portal/pushes/{done['id']}/try")
        assert (ended.status, "This push has ended: it is delivered." in ended.text) == (409, True)
        actor = f"portal {visitor.link.id}"
        assert {
            (actor, "push.try", waiting["acme/warehouse"]),
            (actor, "endpoint.reopen", "PushConfig acme/returns"),
        } <= set(await clients.audits())


async def test_a_test_push_arrives_signed_and_marked_and_its_answer_is_shown(clients: Clients) -> None:
    async with clients.portal.visitor() as visitor:
        page = await visitor.post("/portal/test", pushConfig="acme/oms", status="OUT_FOR_DELIVERY")
        assert "acme/oms accepted the test push." in main(page)
        (arrival,) = clients.acme.arrivals
        assert arrival.headers["trackpush-test"] == "1"
        assert arrival.headers["webhook-signature"].startswith("v1,")
        assert arrival.webhook_id in page.text
        failed = await visitor.post("/portal/test", pushConfig="acme/warehouse", status="DELIVERED")
        assert "acme/warehouse did not accept the test push: HTTP 503" in main(failed)
        assert (f"portal {visitor.link.id}", "push.test", "PushConfig acme/oms, status OUT_FOR_DELIVERY") in (
            await clients.audits()
        )


async def test_the_signed_example_of_the_own_data_verifies_with_the_functions_that_the_page_shows(
    clients: Clients,
) -> None:
    await clients.post("acme", 1)
    await clients.pushes("acme", "delivered", 1)
    async with clients.portal.visitor() as visitor:
        page = await visitor.post("/portal/verify", pushConfig="acme/oms")
        shown = [html.unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", page.text, re.DOTALL)]
        python, headers, body = shown[0], dict(line.split(": ", 1) for line in shown[-2].splitlines()), shown[-1]
        namespace: dict[str, object] = {"base64": base64, "hashlib": hashlib, "hmac": hmac, "time": time}
        exec(python, namespace)  # noqa: S102  the function that the page shows
        verify = namespace["verify"]
        assert callable(verify)
        secret = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
        assert verify(secret, headers, body.encode())
        assert not verify(secret, headers, body.encode() + b" ")
        assert secret not in page.text
        for name in ("verify.py", "verify.mjs", "verify.php", "Verify.java", "verify.go"):
            assert name in page.text
        nothing = await visitor.post("/portal/verify", pushConfig="acme/warehouse")
        assert nothing.status == 200, "it has a push, although no signature"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/portal/test", {"pushConfig": "acme/oms"}),
        ("/portal/verify", {"pushConfig": "acme/oms"}),
        ("/portal/replays", {"states": "dead"}),
        ("/portal/replays/check", {"states": "dead"}),
        ("/portal/replays/replay_1/end", {}),
        ("/portal/push-configs/acme/oms/reopen", {}),
        (f"/portal/pushes/psh_{'0' * 32}-{'0' * 8}/try", {}),
    ],
)
async def test_the_role_view_changes_nothing(clients: Clients, path: str, fields: dict[str, str]) -> None:
    async with clients.portal.visitor("acme", "view") as visitor:
        refused = await visitor.post(path, **fields)
        assert (refused.status, "ask for a link with the role operate" in refused.text) == (403, True)
        for page in ("/portal/", "/portal/pushes?state=dead", "/portal/test", "/portal/verify"):
            shown = await visitor.get(page)
            posts = set(re.findall(r'method="post" action="([^"]+)"', shown.text))
            assert posts == {"/portal/zone", "/portal/leave"}, page


async def test_visitors_run_few_replays_at_a_time_and_a_new_count_replaces_the_last_one(clients: Clients) -> None:
    await clients.post("acme", 1)
    async with clients.portal.visitor() as visitor:
        for _ in range(6):
            assert (await visitor.post("/portal/replays/check", states="dead")).status == 200


async def test_the_time_zone_is_chosen_and_kept_for_the_portal(clients: Clients) -> None:
    await clients.post("acme", 1)
    async with clients.portal.visitor() as visitor:
        chosen = await visitor.post("/portal/zone", zone="Europe/Berlin", back="/portal/pushes?state=pending")
        assert chosen.headers["Location"] == "/portal/pushes?state=pending"
        assert "Path=/portal/" in chosen.headers["Set-Cookie"]
        assert "<option selected>Europe/Berlin</option>" in (await visitor.get("/portal/pushes")).text
        for back in ("//evil.example/", "https://evil.example/", "/console/", "/portal/\\evil"):
            assert (await visitor.post("/portal/zone", zone="UTC", back=back)).headers["Location"] == "/portal/"


async def test_every_other_page_is_the_same_nothing_found(clients: Clients) -> None:
    async with clients.portal.visitor() as visitor:
        pages = [await visitor.get(path) for path in ("/portal/nosuch", "/portal/pushes/nosuch", "/portal/find?q=none")]
        assert {(page.status, page.text) for page in pages} == {(404, pages[0].text)}
        assert "Nothing found" in pages[0].text
