"""On a real API server: what somebody deletes or edits comes back at once; what isn't ours stays as it is."""

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_api import shards
from trackpush_api.shards import SETTINGS, shard_name
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]


@pytest.fixture
async def server(cluster: Client, within: Within) -> None:
    """A server and a client."""
    await cluster.create(
        within(objects.server(expose={"ingress": {"className": "traefik", "tlsSecretName": "tls"}})),
        within(objects.secret("keys", **{"in": "k-1-long-enough-now", "out": "s-1"})),
        within(objects.push("oms")),
        within(objects.webhook("clickpost")),
    )


async def ports(cluster: Client, namespace: str) -> list[int]:
    """The public Service's ports."""
    body = await cluster.get("Service", namespace, "main") or {"spec": {"ports": []}}
    return [port["port"] for port in body["spec"]["ports"]]


async def uid(cluster: Client, kind: str, namespace: str, name: str) -> str:
    """Of an object, empty when there is none."""
    body = await cluster.get(kind, namespace, name)
    return "" if body is None else body["metadata"]["uid"]


@pytest.mark.parametrize("kind", ["StatefulSet", "Service", "ServiceAccount"])
@pytest.mark.usefixtures("server")
async def test_a_deleted_child_comes_back(cluster: Client, namespace: str, start: Start, kind: str) -> None:
    async with start():
        await cluster.until_exists(kind, namespace, "main")
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed="False NoReadyPods")
        before = await uid(cluster, kind, namespace, "main")
        await cluster.delete(kind, namespace, "main")

        async def is_another() -> bool:
            return await uid(cluster, kind, namespace, "main") not in ("", before)

        await cluster.until(is_another, wanted=True)


@pytest.mark.usefixtures("server")
async def test_an_edited_child_is_set_right(cluster: Client, namespace: str, start: Start) -> None:
    async with start():
        await cluster.until_exists("Service", namespace, "main")
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed="False NoReadyPods")
        right = await ports(cluster, namespace)
        await cluster.patch("Service", namespace, "main", spec={"ports": [{"name": "http", "port": 4444}]})
        await cluster.until(lambda: ports(cluster, namespace), right)


@pytest.mark.usefixtures("server")
async def test_a_child_that_lost_its_labels_gets_them_back(cluster: Client, namespace: str, start: Start) -> None:
    label = "app.kubernetes.io/managed-by"

    async def labels() -> dict[str, str]:
        body = await cluster.get("Service", namespace, "main") or {"metadata": {}}
        return dict(body["metadata"].get("labels") or {})

    async with start():
        await cluster.until(labels, {label: "trackpush-operator"})
        await cluster.patch("Service", namespace, "main", metadata={"labels": {label: None}})
        await cluster.until(labels, {label: "trackpush-operator"})


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("damage", ["deleted", "emptied", "edited"])
async def test_a_damaged_shard_is_written_again(cluster: Client, namespace: str, start: Start, damage: str) -> None:
    name = shard_name(f"{namespace}/oms")
    secret = f"main-routing-{name}"

    async def held() -> list[str]:
        try:
            shard = (await cluster.shards(namespace, "main"))[name]
        except (KeyError, shards.ShardError):
            return []
        return [destination.name for destination in shard.destinations]

    async with start():
        await cluster.until(held, [f"{namespace}/oms"])
        shard = (await cluster.shards(namespace, "main"))[name]
        if damage == "deleted":
            await cluster.delete("Secret", namespace, secret)
        elif damage == "emptied":
            await cluster.patch("Secret", namespace, secret, data={shards.FILE: ""})
        else:
            forged = shards.encode(msgspec.structs.replace(shard, destinations=()))
            await cluster.patch("Secret", namespace, secret, data={shards.FILE: base64.b64encode(forged).decode()})
        await cluster.until(held, [f"{namespace}/oms"])
        assert (await cluster.shards(namespace, "main"))[name].revision != shard.revision


@pytest.mark.usefixtures("server")
async def test_the_admin_token_is_made_once_and_again_when_it_is_deleted(
    cluster: Client, namespace: str, start: Start
) -> None:
    async def token() -> str:
        body = await cluster.get("Secret", namespace, "main-admin-token")
        return "" if body is None else base64.b64decode(body["data"]["token"]).decode()

    async def is_there() -> bool:
        return bool(await token())

    async with start():
        await cluster.until(is_there, wanted=True)
        first = await token()
        assert len(first) >= 32
    async with start():
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed="False NoReadyPods")
        assert await token() == first
        await cluster.delete("Secret", namespace, "main-admin-token")
        await cluster.until(is_there, wanted=True)
        assert await token() != first


async def test_an_object_of_somebody_elses_is_never_overwritten(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    foreign = {"name": "main", "namespace": namespace}
    spec = {"ports": [{"name": "mine", "port": 99}]}
    await cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": foreign, "spec": spec})
    await cluster.create(within(objects.server()))
    async with start():
        await cluster.until(lambda: _is_told(cluster, namespace), wanted=True)
        assert await ports(cluster, namespace) == [99]
        await cluster.delete("Service", namespace, "main")
        await cluster.patch("WebhookServer", namespace, "main", metadata={"labels": {"touched": "yes"}})


async def _is_told(cluster: Client, namespace: str) -> bool:
    body = await cluster.get("WebhookServer", namespace, "main") or {}
    conditions = (body.get("status") or {}).get("conditions") or []
    return any("isn't this WebhookServer's" in condition["message"] for condition in conditions)


@pytest.mark.usefixtures("server")
async def test_a_child_that_isnt_wanted_any_more_goes(cluster: Client, namespace: str, start: Start) -> None:
    async with start():
        await cluster.until_exists("Ingress", namespace, "main")
        await cluster.patch("WebhookServer", namespace, "main", spec={"expose": {"ingress": None, "none": {}}})
        await cluster.until_exists("Ingress", namespace, "main", exists=False)
        assert await cluster.get("Service", namespace, "main") is not None


@pytest.mark.usefixtures("server")
async def test_another_storage_class_keeps_pods_and_volumes(cluster: Client, namespace: str, start: Start) -> None:
    async def claimed() -> object:
        body = await cluster.get("StatefulSet", namespace, "main") or {"spec": {}}
        claims = body["spec"].get("volumeClaimTemplates") or [{"spec": {}}]
        return claims[0]["spec"].get("storageClassName")

    async with start():
        await cluster.until_exists("StatefulSet", namespace, "main")
        storage = {"sqlite": {"storageClassName": "fast"}}
        await cluster.patch("WebhookServer", namespace, "main", spec={"storage": storage})
        await cluster.until(claimed, "fast")


@pytest.mark.usefixtures("server")
async def test_settings_follow_the_server(cluster: Client, namespace: str, start: Start) -> None:
    async def path() -> str:
        shard = (await cluster.shards(namespace, "main")).get(SETTINGS)
        return "" if shard is None or shard.settings is None else shard.settings.base_path

    async with start():
        await cluster.until(path, "/rms/in/api")
        await cluster.patch("WebhookServer", namespace, "main", spec={"basePath": "/hooks"})
        await cluster.until(path, "/hooks")

        async def url() -> str:
            body = await cluster.get("AggregatorWebhook", namespace, "clickpost") or {}
            return str((body.get("status") or {}).get("url"))

        await cluster.until(url, "https://saas.increff.com/hooks/clickpost/notify")
