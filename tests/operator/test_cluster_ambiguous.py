"""On a real API server: another WebhookServer takes no AggregatorWebhook out of service."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_api.routing import digest_key
from trackpush_operator.app import Operator

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


async def test_a_server_of_another_namespace_that_allows_all_gets_no_resource_that_does_not_name_it(
    cluster: Client, namespace: str, other: str, start: Start
) -> None:
    await cluster.create(objects.server("grab", other, hosts=[]))
    async with cluster.another_namespace(f"{namespace}-third") as third:
        await cluster.create(*tenant(third))
        place = ("AggregatorWebhook", third, "clickpost")
        async with start(namespaces=(namespace, other, third)):
            await cluster.until_condition(*place, Accepted="False ServerNotFound", Programmed="False NotServed")
            message = await cluster.message(*place, "Accepted")
            assert f"no WebhookServer in namespace {third} or {namespace}; set it, to choose {other}/grab" in message
            assert await served(cluster, other, "grab") == set()
            await cluster.create(objects.server(namespace=namespace, hosts=[]))
            await cluster.until(lambda: served(cluster, namespace), {f"{third}/clickpost", f"{third}/oms"})
            await cluster.until_condition(*place, Accepted="True Accepted")
            assert await served(cluster, other, "grab") == set()


async def test_a_namespace_with_a_server_of_its_own_gets_that_one(
    cluster: Client, namespace: str, other: str, start: Start
) -> None:
    await cluster.create(objects.server(namespace=namespace, hosts=[]), objects.server("own", other, hosts=[]))
    await cluster.create(*tenant(other), *tenant(namespace))
    async with start(namespaces=(namespace, other)):
        await cluster.until(lambda: served(cluster, other, "own"), {f"{other}/clickpost", f"{other}/oms"})
        await cluster.until(lambda: served(cluster, namespace), {f"{namespace}/clickpost", f"{namespace}/oms"})


async def test_what_is_served_stays_while_the_choice_is_ambiguous_also_through_a_restart(
    cluster: Client, namespace: str, other: str, start: Start
) -> None:
    await cluster.create(objects.server(namespace=namespace, hosts=[]), *tenant(namespace), *tenant(other))
    theirs, mine = {f"{other}/clickpost", f"{other}/oms"}, {f"{namespace}/clickpost", f"{namespace}/oms"}
    place = ("AggregatorWebhook", other, "clickpost")
    async with start(namespaces=(namespace, other)):
        await cluster.until(lambda: served(cluster, namespace), theirs | mine)
        await cluster.create(objects.server("rival", other, hosts=[]))
        await cluster.until_condition(*place, Accepted="False ServerAmbiguous", Programmed="False NoReadyPods")
        assert f"until then {namespace}/main serves it as before" in await cluster.message(*place, "Accepted")
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="True Accepted")
        assert await served(cluster, namespace) == theirs | mine
    async with start(namespaces=(namespace, other)) as operator:
        await cluster.until(lambda: _is_complete(operator), wanted=True)
        assert await served(cluster, namespace) == theirs | mine
        await cluster.secret(other, "keys", **{"in": "another-key-of-it"})
        wanted = {digest_key("another-key-of-it"), digest_key(f"key-of-{namespace}")}
        await cluster.until(lambda: digests(cluster, namespace), wanted)
        assert await served(cluster, other, "rival") == set()
        await cluster.delete("WebhookServer", other, "rival")
        await cluster.until_condition(*place, Accepted="True Accepted")
        assert await served(cluster, namespace) == theirs | mine


async def _is_complete(operator: Operator) -> bool:
    return operator.state.lists_synced and operator.state.queues.decide.is_idle
