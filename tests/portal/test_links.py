"""Links to the portal by the admin API, the console and the command line: created, listed, revoked, audited."""

import json
import re
from functools import partial
from pathlib import Path

import aiohttp

from admin.test_operations import ask
from admin.test_resuming import audited, press
from portal.visits import Portal, portal
from support.command import trackpush
from support.deadline import until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import role_tokens, table
from trackpush_api.routing import Postgres, Storage

LINKS = "/api/v1/portal/links"


@EITHER_STORAGE
async def test_links_are_created_listed_and_revoked_and_the_audit_log_has_no_token(
    tmp_path: Path, storage: Storage
) -> None:
    async with portal(tmp_path, table(storage=storage)) as visited:
        server = visited.server
        link_id, token = await visited.link(role="operate")
        _, found = await ask(server, "GET", f"{LINKS}?client=acme")
        (listed,) = found["links"]
        assert (listed["id"], listed["client"], listed["role"], listed["state"], listed["createdBy"]) == (
            link_id,
            "acme",
            "operate",
            "live",
            "local",
        )
        assert token not in json.dumps(found)
        assert (await ask(server, "GET", f"{LINKS}?client=zen")) == (200, {"links": []})
        for _ in range(2):
            status, revoked = await ask(server, "DELETE", f"{LINKS}/{link_id}")
            assert (status, revoked["state"]) == (200, "revoked")
        log = await audited(server)
        assert [action for action, _ in log] == ["portal.link", "portal.revoke", "portal.revoke"]
        assert link_id in log[0][1]
        assert "role operate" in log[0][1]
        assert token not in str(log)


async def test_what_cannot_be_created_or_revoked_is_refused_and_not_audited(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        for wanted, status in (
            ({"client": "nobody", "role": "view"}, 404),
            ({"client": "acme", "role": "admin"}, 400),
            ({"client": "acme"}, 400),
            ({"client": "", "role": "view"}, 400),
            ({"client": "acme", "role": "view", "expiresInSeconds": 5}, 400),
            ({"client": "acme", "role": "view", "expiresInSeconds": 10**12}, 400),
            ({"client": "acme", "role": "view", "more": 1}, 400),
        ):
            assert ((await ask(visited.server, "POST", LINKS, wanted))[0], wanted) == (status, wanted)
        for link_id in ("lnk_" + "0" * 32, "lnk_", "x"):
            assert await visited.revoke(link_id) == 404
        assert await audited(visited.server) == []


async def test_the_role_view_lists_links_and_changes_none(tmp_path: Path) -> None:
    tokens = role_tokens(tmp_path)
    async with (
        portal(tmp_path, admin_token_file=tokens.operate, admin_view_token_file=tokens.view) as visited,
        aiohttp.ClientSession(
            f"http://{visited.server.admin_address}",
            headers={"Authorization": f"Bearer {tokens.view.read_text()}"},
        ) as viewer,
    ):
        async with viewer.get(LINKS) as answer:
            assert answer.status == 200
        async with viewer.post(LINKS, json={"client": "acme", "role": "view"}) as answer:
            assert answer.status == 403
        async with viewer.delete(f"{LINKS}/lnk_{'0' * 32}") as answer:
            assert answer.status == 403
        async with viewer.post("/console/clients/acme/portal", data={"role": "view"}) as answer:
            assert answer.status == 403


async def test_the_console_creates_a_link_shows_its_url_once_and_revokes_it(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        server, here = visited.server, "/console/clients/acme/portal"
        status, made = await press(server, here, here)
        assert status == 400, made
        base = f"http://{server.admin_address}"
        async with aiohttp.ClientSession(base, headers={"Origin": base}) as session:
            async with session.get(here) as answer:
                csrf = re.search(r'name="csrf" value="([^"]+)"', await answer.text())
            assert csrf is not None
            form = {"csrf": csrf[1], "role": "operate", "expiresInSeconds": "86400"}
            async with session.post(here, data=form) as answer:
                found = re.search(r"portal/enter#(tpl_[^<]+)<", await answer.text())
            assert found is not None
            assert (await visited.ask(token=found[1])).status == 200
            async with session.get(here) as answer:
                page = await answer.text()
        assert "tpl_" not in page
        revoke = re.search(r'action="(/console/portal/links/lnk_[0-9a-f]+/revoke)"', page)
        assert revoke is not None
        assert await press(server, here, revoke[1]) == (303, here)
        assert (await visited.ask(token=found[1])).status == 401
        assert (await press(server, here, "/console/portal/links/x/revoke"))[0] == 404
        assert [action for action, _ in await audited(server)] == ["portal.link", "portal.revoke"]


async def test_the_command_line_creates_lists_and_revokes(tmp_path: Path) -> None:
    async with portal(tmp_path) as visited:
        admin = ("--admin", visited.server.admin_address)
        made = await trackpush("portal", "link", "--client", "acme", "--expires", "2d", *admin)
        assert made.exit_code == 0, made
        url, _, token = made.stdout.strip().partition("#")
        assert url == f"{visited.url}/portal/enter"
        assert (await visited.ask(token=token)).status == 200
        link_id = made.stderr.partition(":")[0]
        listed = await trackpush("portal", "links", "--client", "acme", "-o", "json", *admin)
        assert [link["id"] for link in json.loads(listed.stdout)["links"]] == [link_id]
        table_ = await trackpush("portal", "links", *admin)
        assert (link_id in table_.stdout, token in table_.stdout) == (True, False)
        revoked = await trackpush("portal", "revoke", link_id, *admin)
        assert (revoked.exit_code, "is revoked" in revoked.stdout) == (0, True)
        for wrong in (("revoke", "lnk_none"), ("link", "--client", "nobody")):
            refused = await trackpush("portal", *wrong, *admin)
            assert (refused.exit_code, wrong[-1] in refused.stderr) == (1, True)


async def test_two_replicas_share_links_sessions_and_revocations(tmp_path: Path, journal_dsn: str) -> None:
    given = table(storage=Postgres(dsn=journal_dsn))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with portal(tmp_path / "a", given) as first, portal(tmp_path / "b", given) as second:
        link_id, token = await first.link()
        assert [(await replica.ask(token=token)).status for replica in (first, second)] == [200, 200]
        _, other = await second.link()
        assert (await first.ask(token=other)).status == 200
        assert await first.revoke(link_id) == 200
        assert (await first.ask(token=token)).status == 401
        await until_found(partial(_status, second, token), lambda status: status == 401, seconds=5)
        assert (await second.ask(token=other)).status == 200


async def _status(replica: Portal, token: str) -> int:
    return (await replica.ask(token=token)).status
