"""The portal admits people with a valid link, and nobody else; strangers can't hold it, and learn nothing from it."""

import asyncio
import contextlib
import json
from pathlib import Path

import aiohttp
import msgspec
import pytest

from portal.visits import portal
from receiver.raw import connect
from support.serving import account, table
from trackpush_api.routing import PortalSettings, RoutingTable
from trackpush_server.admin import connections
from trackpush_server.portal.guard import COOKIE, PortalRates


def hosted(host: str = "portal.example") -> RoutingTable:
    """A routing table whose server has a portal with a host name."""
    given = table()
    return msgspec.structs.replace(
        given, server=msgspec.structs.replace(given.server, portal=PortalSettings(host=host))
    )


async def test_a_link_admits_its_recipient_who_stays_until_they_leave(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        link_id, token = await visited.link()
        assert (await visited.ask()).status == 401
        entered = await visited.ask("/portal/enter", "POST", data={"token": token})
        assert (entered.status, entered.headers["Location"]) == (303, "/portal/")
        cookie = entered.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}={token};")
        assert {"HttpOnly", "SameSite=Strict", "Path=/portal/"} <= set(cookie.split("; "))
        home = await visited.ask(token=token)
        assert (home.status, "acme" in home.text) == (200, True)
        left = await visited.ask("/portal/leave", "POST", token=token)
        assert f'{COOKIE}=""' in left.headers["Set-Cookie"]
        found = await visited.server._desk.lookup.audits(before=None, limit=10)
        assert [(entry.actor, entry.action, entry.target, entry.address) for entry in found[:1]] == [
            (f"portal {link_id}", "portal.enter", "client acme", "127.0.0.1")
        ]


async def test_a_whole_link_may_be_pasted_into_the_form(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        pasted = f"  {visited.url}/portal/enter#{token}\n"
        assert (await visited.ask("/portal/enter", "POST", data={"token": pasted})).status == 303


async def test_wrong_tokens_are_refused_without_a_look_into_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        reads: list[str] = []
        monkeypatch.setattr(visited.links._store, "find", reads.append)
        _, _, mac = token.rpartition(".")
        wrong = [
            token[:-1],
            token[:-1] + ("A" if token[-1] != "A" else "B"),
            token.replace("tpl_", "tpl-"),
            token + "A",
            f"{token.partition('.')[0]}.",
            f"tpl_{'A' * 40}.{mac}",
            "x",
            "tpl_" + "A" * 4000,
            token.upper(),
        ]
        for text in wrong:
            for answer in (
                await visited.ask(token=text),
                await visited.ask(headers={"Authorization": f"Bearer {text}"}),
                await visited.ask("/portal/enter", "POST", data={"token": text}),
            ):
                assert (answer.status, "Set-Cookie" in answer.headers) == (401, False), text
        assert reads == []


async def test_expired_revoked_and_unknown_links_are_refused_with_words_that_help(tmp_path: Path) -> None:
    page = {"Accept": "text/html"}
    async with portal(tmp_path) as visited:
        expired = await visited.ask(token=await visited.signed(expires_at=1), headers=page)
        assert (expired.status, "has expired" in expired.text, "new one" in expired.text) == (401, True, True)
        unknown = await visited.ask(token=await visited.signed(), headers=page)
        assert (unknown.status, "was revoked" in unknown.text) == (401, True)
        link_id, token = await visited.link()
        assert (await visited.ask(token=token)).status == 200
        assert await visited.revoke(link_id) == 200
        revoked = await visited.ask(token=token, headers=page)
        assert (revoked.status, revoked.text) == (401, unknown.text)
        assert (await visited.ask("/portal/enter", "POST", data={"token": token})).status == 401


async def test_a_token_that_says_more_than_its_link_is_refused(tmp_path: Path) -> None:
    """Even with the key: the link in the journal decides."""
    async with portal(tmp_path) as visited:
        link_id, _ = await visited.link()
        for more in ({"role": "operate"}, {"role": "view", "client": "zen"}):
            assert (await visited.ask(token=await visited.signed(id=link_id, **more))).status == 401


async def test_a_session_survives_a_restart(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        assert (await visited.ask(token=token)).status == 200
    async with portal(tmp_path) as visited:
        assert (await visited.ask(token=token)).status == 200


async def test_a_change_needs_the_csrf_token_or_a_bearer_token(tmp_path: Path) -> None:
    """405 is the answer of a change that was admitted: this page takes none."""
    async with portal(tmp_path) as visited:
        _, token = await visited.link(role="operate")
        csrf = (await visited.links.check(token)).csrf
        _, other = await visited.link(role="operate")
        refused = [
            await visited.ask(method="POST", token=token),
            await visited.ask(method="POST", token=token, data={"csrf": ""}),
            await visited.ask(method="POST", token=other, data={"csrf": csrf}),
            await visited.ask(
                method="POST", token=token, data={"csrf": csrf}, headers={"Origin": "https://evil.example"}
            ),
            await visited.ask(method="POST", token=token, data={"csrf": csrf}, headers={"Origin": "null"}),
            await visited.ask(method="POST", token=token, data={"csrf": csrf}, headers={"Sec-Fetch-Site": "same-site"}),
        ]
        assert [answer.status for answer in refused] == [403] * len(refused)
        admitted = [
            await visited.ask(method="POST", token=token, data={"csrf": csrf}, headers={"Origin": visited.url}),
            await visited.ask(method="POST", token=token, headers={"X-CSRF-Token": csrf}),
            await visited.ask(method="POST", headers={"Authorization": f"Bearer {token}"}),
        ]
        assert [answer.status for answer in admitted] == [405] * len(admitted)


async def test_another_site_can_neither_log_people_in_nor_out(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        for path in ("/portal/enter", "/portal/leave"):
            for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                answer = await visited.ask(path, "POST", data={"token": token}, headers=headers)
                assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


async def test_only_its_own_host_and_loopback_are_answered(tmp_path: Path) -> None:
    async with portal(tmp_path, hosted()) as visited:
        for host, status in {
            "portal.example": 200,
            "portal.example:8443": 200,
            "PORTAL.example": 200,
            "127.0.0.1": 200,
            "localhost:1": 200,
            "[::1]:80": 200,
            "evil.example": 421,
            "portal.example.evil": 421,
            "10.0.0.1": 421,
            "[": 421,
            "a@portal.example@evil": 421,
        }.items():
            answer = await visited.ask("/portal/enter", headers={"Host": host})
            assert (host, answer.status) == (host, status)


async def test_a_cookie_is_secure_unless_the_host_is_loopback(tmp_path: Path) -> None:
    async with portal(tmp_path, hosted()) as visited:
        _, link = await visited.links.create("acme", "view", lifetime=60, created_by="x", record=_ignore)
        secure = await visited.ask("/portal/enter", "POST", data={"token": link}, headers={"Host": "portal.example"})
        assert "Secure" in secure.headers["Set-Cookie"].split("; ")
        local = await visited.ask("/portal/enter", "POST", data={"token": link})
        assert "Secure" not in local.headers["Set-Cookie"].split("; ")


async def _ignore(_: object) -> None:
    """Record nothing."""


async def test_every_answer_forbids_scripts_frames_caches_and_indexing_and_names_no_software(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        answers = [
            await visited.ask("/"),
            await visited.ask(),
            await visited.ask(token=token),
            await visited.ask("/portal/enter"),
            await visited.ask("/portal/static/enter.js"),
            await visited.ask("/robots.txt"),
            await visited.ask("/portal/nothing", token=token),
            await visited.ask("/portal/enter", "PUT"),
            await visited.ask(headers={"Host": "evil.example"}),
        ]
    assert [answer.status for answer in answers] == [303, 401, 200, 200, 200, 200, 404, 405, 421]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] in {"no-store", "no-cache"}
        assert "Server" not in answer.headers
    assert answers[5].text == "User-agent: *\nDisallow: /\n"


async def test_the_two_ports_share_nothing(tmp_path: Path) -> None:
    """No path of the admin port is on the portal, and no token of one port is valid on the other."""
    admin_token = tmp_path / "token"
    admin_token.write_text("a-token-of-the-admin-port")
    async with portal(tmp_path) as visited:
        _, token = await visited.link(role="operate")
        for path in ("/metrics", "/livez", "/config", "/api/v1/pushes", "/console/", "/undelivered"):
            assert (await visited.ask(path)).status == 401
            assert (await visited.ask(path, token=token)).status == 404
    async with portal(tmp_path, admin_token_file=admin_token) as visited:
        bearer = {"Authorization": "Bearer a-token-of-the-admin-port"}
        assert (await visited.ask(headers=bearer)).status == 401
        visited.url = f"http://{visited.server.admin_address}"
        for path in ("/api/v1/pushes", "/api/v1/portal/links"):
            assert (await visited.ask(path, headers={"Authorization": f"Bearer {token}"})).status == 401
            assert (await visited.ask(path, token=token)).status == 401


async def test_a_link_has_a_rate_and_its_visitors_are_asked_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.portal.app.PortalRates", lambda: PortalRates(clock=lambda: 0.0))
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        _, other = await visited.link()
        answers = [await visited.ask(token=token) for _ in range(130)]
        assert [answer.status for answer in answers] == [200] * 120 + [429] * 10
        assert answers[-1].headers["Retry-After"] == "1"
        assert (await visited.ask(token=other)).status == 200


async def test_strangers_are_asked_to_wait_and_visitors_of_the_same_address_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.portal.app.PortalRates", lambda: PortalRates(clock=lambda: 0.0))
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        assert (await visited.ask(token=token)).status == 200
        forged = [await visited.ask(token=token[:-4] + "AAAA") for _ in range(399)]
        assert {answer.status for answer in forged} == {401}
        await visited.ask("/portal/enter")
        assert (await visited.ask("/portal/enter")).status == 429
        assert (await visited.ask(token="tpl_forged")).status == 429
        assert (await visited.ask(token=token)).status == 200


async def test_huge_heads_bodies_and_forms_are_refused(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        _, token = await visited.link()
        long_path = await visited.ask(f"/portal/{'a' * 20_000}")
        assert long_path.status == 400
        long_cookie = await visited.ask(headers={"Cookie": f"{COOKIE}={'A' * 20_000}"})
        assert long_cookie.status == 400
        large = await visited.ask("/portal/enter", "POST", data={"token": "A" * 1_000_000})
        assert large.status == 413
        form = aiohttp.FormData({"token": token})
        form.add_field("file", b"x", filename="x")
        assert (await visited.ask("/portal/enter", "POST", data=form)).status == 415
        assert (await visited.ask(token=token)).status == 200


async def test_a_flood_of_headers_ends_its_connection_only(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        async with connect(visited.server.portal_address) as raw:
            await raw.send(b"GET /portal/ HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            await raw.send(b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(2000)) + b"\r\n")
            assert (await raw.rest()).startswith((b"HTTP/1.1 400", b""))
        assert (await visited.ask("/portal/enter")).status == 200


@pytest.mark.parametrize("sent", [b"", b"GET /portal/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "])
async def test_a_slow_head_ends_its_connection(tmp_path: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    async with portal(tmp_path) as visited, connect(visited.server.portal_address) as raw:
        await raw.send(sent)
        assert await raw.rest() == b""


async def test_a_slow_body_is_answered_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.2)
    async with portal(tmp_path) as visited, connect(visited.server.portal_address) as raw:
        await raw.send(
            b"POST /portal/enter HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken="
        )
        assert (await raw.head()).startswith(b"HTTP/1.1 408")


async def test_many_idle_connections_keep_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 10)
    async with portal(tmp_path) as visited, contextlib.AsyncExitStack() as stack:
        for _ in range(50):
            await stack.enter_async_context(connect(visited.server.portal_address))
        async with asyncio.timeout(20):
            assert (await visited.ask("/portal/enter")).status == 200


async def test_methods_and_bytes_that_are_not_http_are_refused(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            assert (await visited.ask(method=method)).status == 405
        for sent in (b"\x16\x03\x01\x00\xff" * 10, b"CONNECT\r\n\r\n", b"GET /portal/ HTTP/9.9\r\n\r\n"):
            async with connect(visited.server.portal_address) as raw:
                await raw.send(sent + b"\r\n\r\n")
                raw.writer.write_eof()
                assert (await raw.rest())[:12] in {b"HTTP/1.1 400", b"HTTP/1.0 400", b""}
        assert (await visited.ask("/portal/enter")).status == 200


async def test_programs_get_problem_documents_and_browsers_pages(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        program = await visited.ask()
        assert json.loads(program.text)["status"] == 401
        browser = await visited.ask(headers={"Accept": "text/html,*/*"})
        assert browser.text.startswith("<!doctype html>")


async def test_without_an_address_there_is_no_portal_and_no_link(tmp_path: Path) -> None:
    async with portal(tmp_path, portal_listen=None) as visited:
        assert visited.server.portal_address == ""
        with pytest.raises(AssertionError, match="no portal that people can reach"):
            await visited.link()


async def test_only_clients_of_this_server_get_links(tmp_path: Path) -> None:
    async with portal(tmp_path, table(account("Clickpost", "k"))) as visited:
        with pytest.raises(AssertionError, match="no client nobody"):
            await visited.link("nobody")
