"""On a real API server: another WebhookServer takes no AggregatorWebhook out of service."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_api.routing import digest_key
from trackpush_operator.operator import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]


@pytest.fixture
async def other(cluster: Client, namespace: str) -> AsyncIterator[str]:
    """Another tenant's namespace."""
    async with cluster.another_namespace(f"{namespace}-other") as name:
        yield name


def tenant(namespace: str) -> list[Body]:
    keys = objects.secret("keys", namespace, **{"in": f"key-of-{namespace}", "out": "s-1"})
    return [keys, objects.push("oms", namespace), objects.webhook("clickpost", namespace)]


async def served(cluster: Client, namespace: str, server: str = "main") -> set[str]:
    """Names of what a server's Secrets hold."""
    found = await cluster.shards(namespace, server)
    return {entry.name for shard in found.values() for entry in (*shard.accounts, *shard.destinations)}


async def digests(cluster: Client, namespace: str) -> set[str]:
    """Digests of the keys that are served."""
    found = (await cluster.shards(namespace, "main")).values()
    return {digest for shard in found for account in shard.accounts for digest in account.key_digests}


async def test_a_server_for_its_own_namespace_concerns_nobody_else(
    cluster: Client, namespace: str, other: str, start: Start
) -> None:
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *tenant(namespace))
    all_of_it = {f"{namespace}/clickpost", f"{namespace}/oms"}
    async with start(namespaces=(namespace, other)):
        await cluster.until(lambda: served(cluster, namespace), all_of_it)
        mine = objects.server("mine", other, hosts=[], allowedNamespaces={"from": "Same"})
        await cluster.create(mine, objects.webhook("late", namespace, held_in="keys", key="out"))
        await cluster.until_condition("WebhookServer", other, "mine", Accepted="True Accepted")
        await cluster.until(lambda: served(cluster, namespace), all_of_it | {f"{namespace}/late"})
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="True Accepted")


async def test_what_is_served_stays_while_the_choice_is_ambiguous_also_through_a_restart(
    cluster: Client, namespace: str, other: str, start: Start
) -> None:
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *tenant(namespace))
    all_of_it = {f"{namespace}/clickpost", f"{namespace}/oms"}
    place = ("AggregatorWebhook", namespace, "clickpost")
    async with start(namespaces=(namespace, other)):
        await cluster.until(lambda: served(cluster, namespace), all_of_it)
        await cluster.create(objects.server("rival", other, hosts=[]), *tenant(other))
        await cluster.until_condition(*place, Accepted="False ServerAmbiguous", Programmed="False NoReadyPods")
        assert f"until then {namespace}/main serves it as before" in await cluster.message(*place, "Accepted")
        assert await served(cluster, namespace) == all_of_it
        new = ("AggregatorWebhook", other, "clickpost")
        await cluster.until_condition(*new, Accepted="False ServerAmbiguous", Programmed="False NotServed")
    async with start(namespaces=(namespace, other)) as operator:
        await cluster.until(lambda: _is_complete(operator), wanted=True)
        assert await served(cluster, namespace) == all_of_it
        await cluster.secret(namespace, "keys", **{"in": "another-key-of-it"})
        await cluster.until(lambda: digests(cluster, namespace), {digest_key("another-key-of-it")})
        assert await served(cluster, namespace) == all_of_it
        assert await served(cluster, other, "rival") == set()
        await cluster.patch("WebhookServer", other, "rival", spec={"allowedNamespaces": {"from": "Same"}})
        await cluster.until_condition(*place, Accepted="True Accepted")


async def _is_complete(operator: Operator) -> bool:
    return operator.state.complete and operator.state.queues.decide.is_idle
