"""On a real API server: servers learn which namespace object each client is in, and who takes over from whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest

from kube.fixtures import ApiServer
from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_api.routing import Tenant
from trackpush_operator.app import Operator
from trackpush_operator.store.namespace_uids import TAKES_OVER

Start = Callable[..., AbstractAsyncContextManager[Operator]]
KEY = "key-of-the-client"


@pytest.fixture
async def client(cluster: Client, namespace: str) -> AsyncIterator[str]:
    """A client's namespace."""
    async with cluster.another_namespace(f"{namespace}-client") as name:
        yield name


def resources(client: str, server: str, **push: object) -> list[Body]:
    """What a client has."""
    keys = objects.secret("keys", client, **{"in": KEY, "out": "s-1"})
    webhook = objects.webhook("clickpost", client, serverRef={"name": "main", "namespace": server})
    return [keys, objects.push("oms", client, **push), webhook]


async def uid(cluster: Client, name: str) -> str:
    """Of a namespace."""
    body = await cluster.get("Namespace", None, name)
    assert body is not None
    return str(body["metadata"]["uid"])


async def tenants(cluster: Client, namespace: str, client: str) -> dict[str, Tenant | None]:
    """What the servers know of the client's resources."""
    found = (await cluster.shards(namespace, "main")).values()
    entries = [entry for shard in found for entry in (*shard.accounts, *shard.destinations)]
    return {entry.name: entry.tenant for entry in entries if entry.name.startswith(f"{client}/")}


def both(client: str, tenant: Tenant) -> dict[str, Tenant | None]:
    """Of both resources."""
    return {f"{client}/clickpost": tenant, f"{client}/oms": tenant}


Replace = Callable[[str], Awaitable[str]]
"""Deletes a namespace with all that is in it, and creates it again; its UID then."""


@pytest.fixture
def replace(cluster: Client, api_server: ApiServer, tmp_path: Path) -> Replace:
    """No controller finalizes namespaces here."""

    async def replaced(name: str) -> str:
        for kind, resource in (("AggregatorWebhook", "clickpost"), ("PushConfig", "oms"), ("Secret", "keys")):
            await cluster.delete(kind, name, resource)
        await cluster.delete("Namespace", "", name)
        body = await cluster.get("Namespace", None, name)
        if body is not None:
            body["spec"]["finalizers"] = []
            file = tmp_path / "finalized.json"
            file.write_bytes(msgspec.json.encode(body))
            path = f"/api/v1/namespaces/{name}/finalize"
            await asyncio.to_thread(api_server.kubectl, "replace", "--raw", path, "-f", str(file))
        await cluster.until_exists("Namespace", None, name, exists=False)
        await cluster.create(objects.namespace(name))
        return await uid(cluster, name)

    return replaced


@pytest.mark.parametrize("watched", ["everything", "two namespaces"])
async def test_each_resource_carries_the_uid_of_its_own_namespace_object(
    cluster: Client, client: str, start: Start, replace: Replace, watched: str
) -> None:
    namespace = client.removesuffix("-client")
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *resources(client, namespace))
    async with start(namespaces=() if watched == "everything" else (namespace, client)):
        tenant = Tenant(uid=await uid(cluster, client))
        await cluster.until(lambda: tenants(cluster, namespace, client), both(client, tenant), seconds=60)
        after = await replace(client)
        assert tenant.uid != after
        await cluster.create(*resources(client, namespace, url="https://another.example/hook"))
        again = Tenant(uid=after)
        await cluster.until(lambda: tenants(cluster, namespace, client), both(client, again), seconds=60)
        served = {"Accepted": "True Accepted", "ResolvedRefs": "True ResolvedRefs"}
        await cluster.until_condition("PushConfig", client, "oms", **served)
        await cluster.until_condition("AggregatorWebhook", client, "clickpost", **served)


async def test_a_namespace_that_was_replaced_while_no_operator_ran_is_another_one(
    cluster: Client, namespace: str, client: str, start: Start, replace: Replace
) -> None:
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *resources(client, namespace))
    async with start(namespaces=()):
        tenant = Tenant(uid=await uid(cluster, client))
        await cluster.until(lambda: tenants(cluster, namespace, client), both(client, tenant), seconds=60)
    after = await replace(client)
    await cluster.create(*resources(client, namespace))
    async with start(namespaces=()):
        again = Tenant(uid=after)
        await cluster.until(lambda: tenants(cluster, namespace, client), both(client, again), seconds=60)


async def test_the_annotation_of_a_namespace_names_the_one_that_it_takes_over(
    cluster: Client, namespace: str, client: str, start: Start
) -> None:
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *resources(client, namespace))
    async with start(namespaces=()):
        mine = await uid(cluster, client)
        await cluster.until(lambda: tenants(cluster, namespace, client), both(client, Tenant(uid=mine)), seconds=60)
        for value, wanted in (("6f1c-0001", "6f1c-0001"), ("acme/oms", None), ("6f1c-0002", "6f1c-0002")):
            await cluster.patch("Namespace", "", client, metadata={"annotations": {TAKES_OVER: value}})
            tenant = Tenant(uid=mine, takes_over=wanted)
            await cluster.until(lambda: tenants(cluster, namespace, client), both(client, tenant), seconds=60)
