"""On a real API server: a key stays its owner's while the owner's AggregatorWebhook is created again."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_operator.app import Operator
from trackpush_operator.kube.kinds import EVENTS

Start = Callable[..., AbstractAsyncContextManager[Operator]]
KEY = "the-same-long-key"


@pytest.fixture
async def rival(cluster: Client, namespace: str) -> AsyncIterator[str]:
    """Another tenant's namespace."""
    async with cluster.another_namespace(f"{namespace}-rival") as name:
        yield name


def tenant(namespace: str, server: str) -> list[Body]:
    keys = objects.secret("keys", namespace, **{"in": KEY, "out": "s-1"})
    return [keys, objects.push("oms", namespace), webhook(namespace, server)]


def webhook(namespace: str, server: str, name: str = "clickpost") -> Body:
    return objects.webhook(name, namespace, serverRef={"name": "main", "namespace": server})


async def owners(cluster: Client, namespace: str) -> set[str]:
    """Names of the accounts with a key."""
    found = (await cluster.shards(namespace, "main")).values()
    return {account.name for shard in found for account in shard.accounts if account.key_digests}


async def notes(cluster: Client, namespace: str, reason: str) -> list[str]:
    """The notes of the Events about the WebhookServer, with this reason."""
    found = await cluster.objects(EVENTS, namespace)
    return [
        event["note"] for event in found if (event["reason"], event["regarding"]["kind"]) == (reason, "WebhookServer")
    ]


@pytest.mark.parametrize("how", ["deleted", "without its Secret"])
async def test_a_claimant_that_waits_does_not_get_the_key_also_through_a_restart_of_the_operator(
    cluster: Client, namespace: str, rival: str, start: Start, how: str
) -> None:
    mine, others = f"{namespace}/clickpost", f"{rival}/clickpost"
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *tenant(namespace, namespace))
    watched = (namespace, rival)
    async with start(namespaces=watched):
        await cluster.until(lambda: owners(cluster, namespace), {mine})
        await cluster.create(*tenant(rival, namespace))
        await cluster.until_condition("AggregatorWebhook", rival, "clickpost", Accepted="False KeyConflict")
        message = await cluster.message("AggregatorWebhook", rival, "clickpost", "Accepted")
        assert namespace not in message.replace(rival, ""), "a tenant is not told whose key it is"

        async def names_both() -> bool:
            return any(mine in note and others in note for note in await notes(cluster, namespace, "KeyConflict"))

        await cluster.until(names_both, wanted=True)
        if how == "deleted":
            await cluster.delete("AggregatorWebhook", namespace, "clickpost")
        else:
            await cluster.delete("Secret", namespace, "keys")
        await cluster.until(lambda: owners(cluster, namespace), set())
        await cluster.patch("AggregatorWebhook", rival, "clickpost", metadata={"labels": {"look": "again"}})
        await cluster.patch("AggregatorWebhook", rival, "clickpost", spec={"statuses": ["8"]})
        await cluster.until_condition("AggregatorWebhook", rival, "clickpost", Accepted="False KeyConflict")
    async with start(namespaces=watched) as operator:
        await cluster.until(lambda: _is_settled(operator), wanted=True)
        assert await owners(cluster, namespace) == set()
        body = webhook(namespace, namespace) if how == "deleted" else tenant(namespace, namespace)[0]
        await cluster.create(body)
        await cluster.until(lambda: owners(cluster, namespace), {mine})
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="True Accepted")
        await cluster.until_condition("AggregatorWebhook", rival, "clickpost", Accepted="False KeyConflict")


async def test_the_key_is_free_after_a_while_and_an_event_names_both(
    cluster: Client, namespace: str, rival: str, start: Start
) -> None:
    mine, others = f"{namespace}/clickpost", f"{rival}/clickpost"
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *tenant(namespace, namespace))
    async with start(namespaces=(namespace, rival), key_memory_seconds=3.0):
        await cluster.until(lambda: owners(cluster, namespace), {mine})
        await cluster.create(*tenant(rival, namespace))
        await cluster.until_condition("AggregatorWebhook", rival, "clickpost", Accepted="False KeyConflict")
        await cluster.delete("AggregatorWebhook", namespace, "clickpost")
        await cluster.until(lambda: owners(cluster, namespace), set())
        await cluster.until(lambda: owners(cluster, namespace), {others}, seconds=60)

        async def names_both() -> bool:
            return any(mine in note and others in note for note in await notes(cluster, namespace, "KeyTakenOver"))

        await cluster.until(names_both, wanted=True)
        found = (await cluster.shards(namespace, "main")).values()
        assert [shard.reserved for shard in found if shard.reserved] == []


async def _is_settled(operator: Operator) -> bool:
    return operator.state.lists_synced and operator.state.queues.decide.is_idle and operator.state.queues.shards.is_idle
