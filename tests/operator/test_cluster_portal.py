"""On a real API server: changes from the portal become a Secret and a PushConfig; others' objects stay as they are."""

import base64
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from kube.rig.processes import free_ports
from support import objects
from support.deadline import until_found
from support.kubelet import mounted
from support.objects import Body
from support.operating import Client, FakePod, fake_pod
from support.rows import every_row
from support.sink import open_sink
from trackpush_api.portal_change import PortalChange, PortalFilter, PortalHeader
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
NAME = "portal-oms"
SECRET = f"trackpush-portal-{NAME}"
SIGNING = f"whsec_{'N' * 40}"
_IDS = itertools.count(1)


@pytest.fixture
async def uid(cluster: Client, namespace: str) -> str:
    """The namespace object's; the operator of one namespace reads it, too."""
    return str((await cluster.get("Namespace", None, namespace) or {})["metadata"]["uid"])


@pytest.fixture
async def pod(cluster: Client, namespace: str, within: Within) -> AsyncIterator[FakePod]:
    """A ready pod of a server whose portal allows changes; the PushConfig that the account names is missing."""
    async with fake_pod(f"{namespace}/main") as made:
        await cluster.create(
            within(objects.server(portal={"host": "portal.example.com", "edit": True})),
            within(objects.secret("keys", **{"in": "k-1-long-enough-now"})),
            within(objects.webhook("clickpost", pushConfigRefs=[{"name": NAME}])),
        )
        await cluster.pod(within(objects.pod("fake-a", ip="127.0.0.1", port=made.port)))
        yield made


@pytest.fixture
def asked(namespace: str, uid: str) -> Callable[..., PortalChange]:
    """A change of the test's client."""

    def make(**fields: Any) -> PortalChange:
        base = PortalChange(
            id=f"chg_{next(_IDS):032x}",
            client=namespace,
            namespace_uid=uid,
            name=NAME,
            url="https://oms.acme.example/hooks",
            headers=(PortalHeader(name="X-Key", value="a-credential"),),
        )
        return msgspec.structs.replace(base, **fields)

    return make


def waiting(change: PortalChange) -> dict[str, Any]:
    return {"id": change.id, "pushConfig": change.full_name, "change": msgspec.to_builtins(change)}


async def ended(cluster: Client, pod: FakePod, change: PortalChange) -> tuple[str, str]:
    """Have the operator apply a change; the state and message that it reported."""
    pod.changes = [waiting(change)]

    async def is_ended() -> bool:
        return change.id in pod.outcomes

    await cluster.until(is_ended, wanted=True, seconds=40)
    outcome = pod.outcomes[change.id][0]
    return outcome["state"], outcome["message"]


async def written(cluster: Client, namespace: str) -> tuple[Body, dict[str, str]]:
    """The PushConfig, and the values of its headers and signing secrets by the keys that it names."""
    body = await cluster.get("PushConfig", namespace, NAME)
    assert body is not None
    secret = await cluster.get("Secret", namespace, SECRET) or {}
    values = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    sources = [(header["name"], header["valueFrom"]) for header in body["spec"].get("headers", [])]
    sources += [
        (f"signing {place}", source)
        for place, source in enumerate((body["spec"].get("signing") or {}).get("secrets", []))
    ]
    named = {name: source["secretKeyRef"] for name, source in sources}
    assert all(reference["name"] == SECRET for reference in named.values())
    assert values.keys() == {reference["key"] for reference in named.values()}
    return body, {name: values[reference["key"]] for name, reference in named.items()}


async def test_a_change_creates_changes_and_keeps_what_it_says(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange]
) -> None:
    async with start():
        assert await ended(cluster, pod, asked(signing="Replace", signing_secret=SIGNING)) == ("applied", "")
        body, values = await written(cluster, namespace)
        assert values == {"X-Key": "a-credential", "signing 0": SIGNING}
        assert body["metadata"]["labels"] == {"trackpush.dev/managed-by": "portal"}
        managers = {
            (entry["manager"], entry["operation"])
            for entry in body["metadata"]["managedFields"]
            if not entry.get("subresource")
        }
        assert managers == {("trackpush-portal", "Apply")}
        await cluster.until_condition("PushConfig", namespace, NAME, Accepted="True Accepted")

        kept = (PortalHeader(name="X-Key"), PortalHeader(name="X-Source", value="rms"))
        second = asked(
            url="https://other.acme.example/",
            headers=kept,
            filter=PortalFilter(statuses=("DELIVERD",)),
            suspend=True,
        )
        state, note = await ended(cluster, pod, second)
        assert state == "applied"
        assert "did you mean DELIVERED?" in note
        body, values = await written(cluster, namespace)
        assert values == {"X-Key": "a-credential", "X-Source": "rms", "signing 0": SIGNING}
        assert (body["spec"]["url"], body["spec"]["suspend"]) == ("https://other.acme.example/", True)

        last = asked(url="https://other.acme.example/", headers=(), signing="Off")
        assert await ended(cluster, pod, last) == ("applied", "")
        body, values = await written(cluster, namespace)
        assert values == {}
        assert not {"headers", "signing", "filter"} & {name for name, part in body["spec"].items() if part}


async def test_an_outcome_that_is_lost_is_reported_again_and_changes_nothing(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange]
) -> None:
    change = asked()
    pod.loses_outcomes = True
    async with start():
        assert await ended(cluster, pod, change) == ("applied", "")
        before, values = await written(cluster, namespace)
    pod.outcomes.clear()
    async with start():  # after a restart, too
        assert await ended(cluster, pod, change) == ("applied", "")

        async def is_reported_again() -> bool:
            return len(pod.outcomes[change.id]) >= 3

        await cluster.until(is_reported_again, wanted=True, seconds=40)
        assert {outcome["state"] for outcome in pod.outcomes[change.id]} == {"applied"}
        after, same = await written(cluster, namespace)
        assert (after["metadata"]["generation"], same) == (before["metadata"]["generation"], values)


async def test_a_change_that_was_half_written_is_completed(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange]
) -> None:
    async with start():
        assert (await ended(cluster, pod, asked()))[0] == "applied"
        body, _ = await written(cluster, namespace)
    # killed after the new values were added to the Secret: the PushConfig still names the old ones
    data = {"header-0-half": base64.b64encode(b"new").decode()}
    await cluster.cluster.apply(
        *_secret(namespace, data | (await cluster.get("Secret", namespace, SECRET) or {})["data"]),
        manager="trackpush-portal",
        force=False,
    )
    async with start():
        kept = asked(headers=(PortalHeader(name="X-Key"),), url="https://new.acme.example/")
        assert await ended(cluster, pod, kept) == ("applied", "")
        body, values = await written(cluster, namespace)
        assert (body["spec"]["url"], values) == ("https://new.acme.example/", {"X-Key": "a-credential"})


def _secret(namespace: str, data: dict[str, str]) -> tuple[Any, Body]:
    from trackpush_operator.kube.kinds import SECRETS  # noqa: PLC0415  one use

    metadata = {"name": SECRET, "namespace": namespace, "labels": {"trackpush.dev/managed-by": "portal"}}
    return SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


@pytest.mark.parametrize("label", [{}, {"trackpush.dev/managed-by": "portal"}], ids=["unlabelled", "labelled"])
async def test_somebody_elses_push_config_of_that_name_stays_as_it_is(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange], *,
    within: Within, label: dict[str, str],
) -> None:  # fmt: skip
    theirs = within(objects.push(NAME))
    theirs["metadata"]["labels"] = label
    await cluster.create(theirs)
    before = (await cluster.get("PushConfig", namespace, NAME) or {})["spec"]
    async with start():
        state, message = await ended(cluster, pod, asked())
    assert (state, "was not created in the portal" in message) == ("refused", True), message
    assert (await cluster.get("PushConfig", namespace, NAME) or {})["spec"] == before
    assert await cluster.get("Secret", namespace, SECRET) is None


async def test_somebody_elses_secret_of_that_name_stays_as_it_is(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange], *, within: Within
) -> None:
    await cluster.create(within(objects.secret(SECRET, theirs="x")))
    before = (await cluster.get("Secret", namespace, SECRET) or {})["data"]
    async with start():
        state, message = await ended(cluster, pod, asked())
    assert (state, "was not created in the portal" in message) == ("refused", True), message
    assert (await cluster.get("Secret", namespace, SECRET) or {})["data"] == before
    assert await cluster.get("PushConfig", namespace, NAME) is None


async def test_a_field_that_somebody_else_changed_is_not_changed_back_and_other_fields_are_theirs(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange]
) -> None:
    async with start():
        assert (await ended(cluster, pod, asked()))[0] == "applied"
        await cluster.patch("PushConfig", namespace, NAME, spec={"delivery": {"timeout": "7s"}})
        assert (await ended(cluster, pod, asked(suspend=True)))[0] == "applied"
        body, _ = await written(cluster, namespace)
        assert (body["spec"]["delivery"]["timeout"], body["spec"]["suspend"]) == ("7s", True)
        await cluster.patch("PushConfig", namespace, NAME, spec={"url": "https://theirs.example/"})
        state, message = await ended(cluster, pod, asked())
        assert (state, "changed PushConfig portal-oms outside of the portal (url)" in message) == ("refused", True)
        body, _ = await written(cluster, namespace)
        assert body["spec"]["url"] == "https://theirs.example/"


@every_row(
    ("fields", "wanted"),
    [
        ({"url": "https://169.254.169.254/"}, "URL: pushes may not go to 169.254.169.254"),
        ({"url": "http://oms.acme.example/"}, "URL: plain http is refused"),
        ({"headers": (PortalHeader(name="X-A", value="a\r\nb"),)}, "Header X-A: character 2 of 4 is a line break"),
        ({"headers": (PortalHeader(name="X-Kept"),)}, "the header X-Kept has no value"),
        ({"name": "not-referred-to"}, "no AggregatorWebhook of the client names the PushConfig"),
        ({"name": "../kube-system/x"}, "the name of the PushConfig is invalid"),
        ({"client": "kube-system"}, "this server does not serve the client"),
        ({"namespace_uid": "another"}, "the client's namespace was created again"),
    ],
)
async def test_a_change_that_is_not_allowed_writes_nothing(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange], *,
    fields: dict[str, Any], wanted: str,
) -> None:  # fmt: skip
    async with start():
        state, message = await ended(cluster, pod, asked(**fields))
        assert (state, wanted in message) == ("refused", True), message
    assert await cluster.get("PushConfig", namespace, NAME) is None
    assert await cluster.get("Secret", namespace, SECRET) is None


async def test_nothing_is_asked_while_the_server_does_not_allow_changes(
    cluster: Client, namespace: str, start: Start, pod: FakePod, asked: Callable[..., PortalChange]
) -> None:
    await cluster.patch("WebhookServer", namespace, "main", spec={"portal": {"edit": False}})
    pod.changes = [waiting(asked())]
    async with start() as operator:
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="True Accepted")
        await operator.state.queues.readback.until_idle()
        await operator.state.queues.portal.until_idle()
        assert pod.outcomes == {}
        await cluster.patch("WebhookServer", namespace, "main", spec={"portal": {"edit": True}})
        change = asked()
        assert (await ended(cluster, pod, change))[0] == "applied"


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_from_the_form_of_a_visitor_to_a_push_with_their_header(
    cluster: Client, namespace: str, start: Start, within: Within, tmp_path: Path
) -> None:
    """The whole way, with a real server that knows only its shards, and a restart of the operator in the middle."""
    (port,) = free_ports(1)
    await cluster.create(
        within(
            objects.server(
                portal={"host": "portal.example.com", "edit": True},
                egress={"httpsOnly": False, "allowedCIDRs": ["127.0.0.0/8"]},
            )
        ),
        within(objects.secret("keys", **{"in": "k-1-long-enough-now"})),
        within(objects.webhook("clickpost", pushConfigRefs=[{"name": NAME}])),
    )
    portal = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(open_sink())
        operator = AsyncExitStack()
        await operator.enter_async_context(start())
        server = await stack.enter_async_context(
            mounted(cluster, namespace, tmp_path, ("--portal-listen", f"127.0.0.1:{port}"))
        )
        admin = {"Authorization": f"Bearer {(tmp_path / 'token').read_text()}"}
        person = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))

        async def link() -> dict[str, Any] | None:
            wanted = {"client": namespace, "role": "operate", "expiresInSeconds": 3600}
            async with person.post(f"{server.admin_url}/api/v1/portal/links", json=wanted, headers=admin) as answer:
                return await answer.json() if answer.status < 300 else None

        made = await until_found(link, bool, seconds=60)
        assert made is not None
        token = made["url"].rpartition("#")[2]
        async with person.post(f"{portal}/portal/enter", data={"token": token}) as answer:
            assert answer.status == 200
        await operator.aclose()  # the change waits until an operator runs again
        async with person.get(f"{portal}/portal/push-configs/{NAME}/edit") as answer:
            form = await answer.text()
        csrf = re.search(r'name="csrf" value="([^"]+)"', form)
        assert csrf is not None, form
        data = {"csrf": csrf[1], "url": sink.url, "header-0": "X-Key", "value-0": "a-credential"}
        async with person.post(f"{portal}/portal/push-configs/{NAME}/edit", data=data) as answer:
            assert "waits to be applied" in await answer.text()
        operator = await stack.enter_async_context(AsyncExitStack())
        await operator.enter_async_context(start())

        async def page() -> str:
            async with person.get(f"{portal}/portal/push-configs") as answer:
                return await answer.text()

        await until_found(page, lambda text: "applied</span>" in text and sink.url in text, seconds=90)
        _, values = await written(cluster, namespace)
        assert values == {"X-Key": "a-credential"}
        async with person.post(
            f"{portal}/portal/test", data={"csrf": csrf[1], "pushConfig": f"{namespace}/{NAME}"}
        ) as answer:
            assert "accepted the test push" in await answer.text()
        assert sink.arrivals[-1].headers["x-key"] == "a-credential"
        assert "a-credential" not in str(server.log) + await page()
