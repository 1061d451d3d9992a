"""The section Push Config: who may change what, and that no credential is shown, logged or kept."""

import asyncio
import contextlib
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.deadline import until_found
from support.portal import Portal, Visitor, open_portal
from support.rows import every_row
from support.serving import account, serving, table
from support.sink import Sink, open_sink
from trackpush_api.routing import Destination, Tenant
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.resources import ResourceFolder
from trackpush_server.journal.portal_changes import MOST_WAITING, ChangeState
from trackpush_server.portal.edit_folder import PortalFolder
from trackpush_server.server import Server

CREDENTIAL, SIGNING = "a-credential-of-acme", f"whsec_{'N' * 40}"
LIST, EDIT = "/portal/push-configs", "/portal/push-configs/oms/edit"
GOOD = {"url": "https://oms.acme.example/hooks", "header-0": "X-Key", "value-0": CREDENTIAL}


class Folder(NamedTuple):
    """A server of a folder of resources, and its portal."""

    path: Path
    server: Server
    portal: Portal
    sink: Sink


SERVER = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  hosts: [{host: saas.increff.com}]
  allowedNamespaces: {from: All}
  storage: {sqlite: {size: 1Gi}}
  egress: {httpsOnly: false, allowedCIDRs: [127.0.0.0/8]}
"""


def client(name: str, push_config: str) -> str:
    return f"""
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {{name: clickpost, namespace: {name}}}
spec:
  aggregator: Clickpost
  keys: [{{secretKeyRef: {{name: keys, key: clickpost}}}}]
  pushConfigRefs: [{{name: {push_config}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: keys, namespace: {name}}}
stringData: {{clickpost: a-key-of-{name}-0001}}
"""


@contextlib.asynccontextmanager
async def serving_folder(path: Path, data: Path) -> AsyncIterator[tuple[Server, PortalFolder]]:
    source = ResourceFolder(path)
    async with serving(data, source=source) as server:
        yield server, PortalFolder(path, source.places_of)


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    path = tmp_path / "resources"
    path.mkdir()
    (path / "server.yaml").write_text(SERVER)
    (path / "acme.yaml").write_text(client("acme", "oms"))
    (path / "zen.yaml").write_text(client("zen", "shop"))
    async with (
        open_sink() as sink,
        serving_folder(path, tmp_path) as (server, writes),
        open_portal(server, edits=True, folder=writes) as portal,
    ):
        yield Folder(path, server, portal, sink)


async def changes(server: Server) -> list[tuple[str, str]]:
    """State and message of acme's changes, the newest first."""
    found = await server._journal.portal_changes.recent("acme", namespace_uid="", limit=99)
    return [(row.state.value, row.message) for row in found]


async def served(server: Server, **wanted: Any) -> Destination:
    """Wait until the server uses such a PushConfig of acme."""

    async def found() -> Destination | None:
        current = server._tables.table
        return None if current is None else current.destination_by_name.get("acme/oms")

    result = await until_found(
        found, lambda found: found is not None and all(getattr(found, name) == wanted[name] for name in wanted)
    )
    assert result is not None
    return result


async def audits(server: Server) -> list[tuple[str, str, str]]:
    rows = await server._journal.search.audits(before=None, limit=100)
    return [(row.actor, row.action, row.target) for row in rows if row.action != "portal.enter"]


def file_of(folder: Folder) -> Path:
    return folder.path / "portal/acme/oms.yaml"


async def test_a_change_becomes_a_file_and_takes_effect_and_keeps_what_is_left_empty(folder: Folder) -> None:
    async with folder.portal.visitor() as person:
        assert "oms" in (await person.get(LIST)).text
        answer = await person.post(EDIT, **GOOD | {"signing": "Replace", "signing-secret": SIGNING})
        assert (answer.status, answer.headers["Location"]) == (303, LIST)
        wanted = {"url": GOOD["url"], "headers": (("X-Key", CREDENTIAL),), "signing": (SIGNING,), "portal": True}
        await served(folder.server, **wanted)
        file = file_of(folder)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [entry.name for entry in file.parent.iterdir()] == ["oms.yaml"]
        second = {"url": folder.sink.url, "header-0": "X-Key", "header-1": "X-Source", "value-1": "rms"}
        more = {"status": "DELIVERED", "codes": "8", "direction": "Forward", "suspend": "yes"}
        assert (await person.post(EDIT, **second | more)).status == 303
        found = await served(folder.server, url=folder.sink.url, suspended=True)
        assert found.headers == (("X-Key", CREDENTIAL), ("X-Source", "rms"))
        assert (found.signing, found.filter.statuses) == ((SIGNING,), {"DELIVERED", "8"})
        assert await changes(folder.server) == [("applied", ""), ("applied", "")]
        page = (await person.get(LIST)).text
        assert page.count("applied") >= 2
        assert folder.sink.url in page
        tested = await person.post("/portal/test", pushConfig="acme/oms")
        assert "accepted the test push" in tested.text
        assert folder.sink.arrivals[0].headers["x-key"] == CREDENTIAL


async def test_no_page_log_or_audit_entry_shows_a_credential(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    async with folder.portal.visitor() as person:
        await person.post(EDIT, **GOOD | {"signing": "Replace", "signing-secret": SIGNING})
        await served(folder.server, url=GOOD["url"])
        refused = await person.post(EDIT, **GOOD | {"url": "ftp://x", "signing": "Rotate", "signing-secret": SIGNING})
        pages = [refused.text, (await person.get(LIST)).text, (await person.get(EDIT)).text]
        log = await audits(folder.server)
    assert refused.status == 422
    assert [action for _, action, _ in log] == ["portal.change"]
    actor, _, target = log[0]
    assert actor.startswith("portal lnk_")
    assert re.fullmatch(
        r"PushConfig acme/oms, chg_[0-9a-f]{32}, url https://oms.acme.example, header X-Key set, signing replace",
        target,
    )
    shown = "".join(capfd.readouterr())
    for text in (*pages, str(log), shown):
        assert CREDENTIAL not in text
        assert SIGNING not in text


async def test_the_section_exists_only_where_it_is_allowed_and_for_the_role_operate(folder: Folder) -> None:
    async with folder.portal.visitor(role="view") as person:
        for path in (LIST, EDIT):
            assert (await person.get(path)).status == 403
        assert (await person.post(EDIT, **GOOD)).status == 403
        assert "Push Config</a>" not in (await person.get("/portal/")).text
    async with open_portal(folder.server) as off, off.visitor() as person:
        for path in (LIST, EDIT):
            assert (await person.get(path)).status == 404
        assert (await person.post(EDIT, **GOOD)).status == 404
        assert "Push Config</a>" not in (await person.get("/portal/")).text
    assert await changes(folder.server) == []
    assert not (folder.path / "portal").exists()


async def test_what_another_client_has_is_answered_as_what_does_not_exist(folder: Folder) -> None:
    async with folder.portal.visitor() as person:
        unknown = await person.get(f"{LIST}/no-such-name/edit")
        for name in ("shop", "zen", "..%2Fzen%2Fshop", "%2e%2e", "oms%00", "zen%2Fshop", "oms.yaml", "OMS"):
            path = f"{LIST}/{name}/edit"
            for answer in (await person.get(path), await person.post(path, **GOOD)):
                assert answer.status == 404
                assert answer.text.replace(name, "x") == unknown.text.replace("no-such-name", "x")
        forged = GOOD | {"client": "zen", "namespace": "zen", "name": "shop", "namespaceUid": "x", "id": "chg_x"}
        assert (await person.post(EDIT, **forged)).status == 303
        assert "zen" not in (await person.get(LIST)).text
    assert [str(file.relative_to(folder.path)) for file in (folder.path / "portal").rglob("*.yaml")] == [
        "portal/acme/oms.yaml"
    ]


@every_row(
    ("fields", "wanted"),
    [
        ({"url": ""}, "URL: is missing"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "URL: pushes may not go to 169.254.169.254"),
        ({"url": "http://10.1.2.3/"}, "URL: pushes may not go to 10.1.2.3"),
        ({"url": "https://user:secret@x.example/"}, "URL: the URL contains a user or password"),
        ({"url": "https://x.example/\r\nX: y"}, "URL:"),
        ({"url": "https://x.example/" + "a" * 2100}, "2048"),
        ({"value-0": "a\r\nX-Evil: 1"}, "Header X-Key: character 2 of 12 is a line break"),
        ({"header-0": "X-A\r\nX-B"}, "write a header name"),
        ({"header-0": "Host"}, "the header Host is set by Trackpush"),
        ({"header-0": "webhook-signature"}, "is set by Trackpush"),
        ({"header-0": "X-New", "value-0": ""}, "the header X-New has no value"),
        ({"header-1": "x-key", "value-1": "2"}, "duplicate header"),
        ({"value-0": "v" * 9000}, "8192"),
        ({"signing": "Replace"}, "the new signing secret is missing"),
        ({"signing": "Replace", "signing-secret": "short"}, "Signing secret: the value is not a signing secret"),
        ({"signing": "Whatever"}, "signing"),
        ({"expression": "raw.("}, "Expression:"),
        ({"direction": "Sideways"}, "Directions"),
    ],
)
async def test_a_change_with_a_mistake_is_explained_and_changes_nothing(
    folder: Folder, fields: dict[str, str], wanted: str
) -> None:
    async with folder.portal.visitor() as person:
        answer = await person.post(EDIT, **GOOD | fields)
        assert (answer.status, "Nothing was changed" in answer.text, wanted in answer.text) == (422, True, True), (
            answer.text[:3000]
        )
        assert CREDENTIAL not in answer.text
    assert await changes(folder.server) == []
    assert await audits(folder.server) == []
    assert not (folder.path / "portal").exists()


async def test_a_form_without_the_sessions_token_from_another_site_or_too_large_changes_nothing(folder: Folder) -> None:
    async with folder.portal.visitor() as person, folder.portal.visitor() as other:
        assert (await person.post(EDIT, csrf="x" * 43, **GOOD)).status == 403
        assert (await person.post(EDIT, csrf=await other.csrf(), **GOOD)).status == 403
        data = GOOD | {"csrf": await person.csrf()}
        foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        async with person._session.post(EDIT, data=data, headers=foreign, allow_redirects=False) as answer:
            assert answer.status == 403
        large = GOOD | {f"value-{number}": "v" * 8000 for number in range(1, 12)}
        assert (await person.post(EDIT, **large)).status == 413
    assert await changes(folder.server) == []


async def test_somebody_elses_push_config_and_secret_in_the_folder_stay_as_they_are(folder: Folder) -> None:
    push_config = "{name: oms, namespace: acme}"
    theirs = f"apiVersion: trackpush.dev/v1alpha1\nkind: PushConfig\nmetadata: {push_config}\nspec: {{url: ftp://x}}\n"
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: trackpush-portal-oms, namespace: acme}\nstringData: {a: b}\n"
    )
    for number, text in enumerate((theirs, secret)):
        file = folder.path / "zz-theirs.yaml"
        file.write_text(text)
        await until_found(lambda: _places(folder, "zz-theirs.yaml"), bool)
        async with folder.portal.visitor() as person:
            assert (await person.post(EDIT, **GOOD)).status == 303
            assert "was not created in the portal, so only its owner changes it" in (await person.get(LIST)).text
        assert (await changes(folder.server))[0][0] == "refused"
        assert len(await changes(folder.server)) == number + 1
        assert file.read_text() == text
        assert not file_of(folder).exists()
        file.unlink()


async def _places(folder: Folder, name: str) -> bool:
    source = folder.server._watcher._source
    assert isinstance(source, ResourceFolder)
    kinds = (("PushConfig", "oms"), ("Secret", "trackpush-portal-oms"))
    return any(name in source.places_of(kind, "acme", resource) for kind, resource in kinds)


async def test_a_file_that_was_changed_by_hand_is_not_replaced(folder: Folder) -> None:
    async with folder.portal.visitor() as person:
        await person.post(EDIT, **GOOD)
        await served(folder.server, url=GOOD["url"])
        file = file_of(folder)
        by_hand = file.read_text().replace("trackpush.dev/managed-by: portal", "owner: us", 1)
        file.write_text(by_hand)
        answer = await person.post(EDIT, **GOOD | {"url": "https://other.acme.example/"})
        assert answer.status in (303, 404)  # 404 as soon as the server has read the file
        assert file.read_text() == by_hand


async def test_a_change_that_waited_when_the_server_was_killed_is_written_after_its_restart(tmp_path: Path) -> None:
    path = tmp_path / "resources"
    path.mkdir()
    (path / "server.yaml").write_text(SERVER)
    (path / "acme.yaml").write_text(client("acme", "oms"))
    async with serving_folder(path, tmp_path) as (server, _), open_portal(server, edits=True) as portal:
        async with portal.visitor() as person:  # this portal has no folder, so the change waits
            assert (await person.post(EDIT, **GOOD)).status == 303
            assert "waits to be applied" in (await person.get(LIST)).text
        assert await changes(server) == [("waiting", "")]
    async with serving_folder(path, tmp_path) as (server, writes):
        from trackpush_server.portal.editing import ConfigEditor  # noqa: PLC0415  one use

        desk = server._admin._desk
        assert desk is not None
        await ConfigEditor(desk, writes).resume()
        await served(server, url=GOOD["url"], headers=(("X-Key", CREDENTIAL),))
        assert await changes(server) == [("applied", "")]


async def test_a_folder_that_cannot_be_written_refuses_the_change_and_says_so(folder: Folder) -> None:
    (folder.path / "portal").write_text("a file in the place of the folder")
    async with folder.portal.visitor() as person:
        assert (await person.post(EDIT, **GOOD)).status == 303
        assert "the server can&#39;t write it" in (await person.get(LIST)).text
    assert (await changes(folder.server))[0][0] == "refused"


async def wait_for_outcome(person: Visitor, wanted: str) -> None:
    await until_found(lambda: person.get(LIST), lambda page: wanted in page.text)


async def test_in_a_cluster_a_change_waits_for_the_operator_and_its_outcome_is_shown(tmp_path: Path) -> None:
    tenant = Tenant(uid="u-1")
    given = table(
        account(Aggregator.CLICKPOST, "k", name="acme/clickpost", destinations=["acme/oms", "acme/crm"]),
        account(Aggregator.SHIPROCKET, "s", name="zen/shiprocket", destinations=["zen/shop"]),
        destinations=[Destination(name="acme/crm", url="https://crm.example", tenant=tenant)],
    )
    async with serving(tmp_path, given) as server, open_portal(server, edits=True) as portal:
        store = server._journal.portal_changes
        async with portal.visitor() as person:
            page = (await person.get(LIST)).text
            assert ("Set up" in page, "crm" in page) == (True, False)  # the platform's own is not offered
            assert (await person.get(f"{LIST}/crm/edit")).status == 404
            assert (await person.post(EDIT, **GOOD)).status == 303
            assert "waits to be applied" in (await person.get(LIST)).text
            (waiting,) = await store.waiting(limit=9)
            assert (waiting.row.client, waiting.row.namespace_uid) == ("acme", "u-1")
            assert CREDENTIAL.encode() in waiting.content
            await store.settle(waiting.row.id, ChangeState.REFUSED, "<b>no</b>", now=waiting.row.created_at)
            page = (await person.get(LIST)).text
            assert "refused" in page
            assert "&lt;b&gt;no&lt;/b&gt;" in page
        async with portal.visitor("zen") as other:
            assert "refused" not in (await other.get(LIST)).text


async def test_a_client_whose_accounts_name_no_push_config_is_offered_one(tmp_path: Path) -> None:
    given = table(account(Aggregator.CLICKPOST, "k", name="acme/clickpost", destinations=[]))
    async with (
        serving(tmp_path, given) as server,
        open_portal(server, edits=True) as portal,
        portal.visitor() as person,
    ):
        assert (await person.post(f"{LIST}/portal/edit", **GOOD)).status == 303
        assert [row.row.push_config for row in await server._journal.portal_changes.waiting(limit=9)] == ["portal"]


async def test_too_many_waiting_changes_are_refused(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(MOST_WAITING + 1)]
    given = table(
        account(Aggregator.CLICKPOST, "k", name="acme/clickpost", destinations=[f"acme/{name}" for name in names])
    )
    async with (
        serving(tmp_path, given) as server,
        open_portal(server, edits=True) as portal,
        portal.visitor() as person,
    ):
        answers = [(await person.post(f"{LIST}/{name}/edit", **GOOD)).status for name in names]
        assert answers == [303] * MOST_WAITING + [422]


async def test_changes_of_one_push_config_at_once_leave_one_whole_file(folder: Folder) -> None:
    async with folder.portal.visitor() as person:
        await person.csrf()
        urls = [f"https://host-{number}.acme.example/" for number in range(8)]
        await asyncio.gather(*(person.post(EDIT, **GOOD | {"url": url}) for url in urls))
        await served(folder.server, headers=(("X-Key", CREDENTIAL),))
    assert [state for state, _ in await changes(folder.server)].count("waiting") == 0
    assert [entry.name for entry in file_of(folder).parent.iterdir()] == ["oms.yaml"]
