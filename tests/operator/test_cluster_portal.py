"""On a real API server: changes from the portal become a Secret and a PushConfig; others' objects stay as they are."""

import base64
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from support import objects
from support.objects import Body
from support.operating import Client, FakePod, fake_pod
from support.rows import every_row
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
