"""On a real API server: the resources of a namespace that is no longer watched are served as before."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from structlog.testing import capture_logs

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
KEY = "key-of-the-forgotten"


@pytest.fixture
async def forgotten(cluster: Client, namespace: str) -> AsyncIterator[str]:
    """A tenant's namespace."""
    async with cluster.another_namespace(f"{namespace}-forgotten") as name:
        yield name


def tenant(namespace: str, server: str, key: str = KEY) -> list[Body]:
    keys = objects.secret("keys", namespace, **{"in": key, "out": "s-1"})
    reference = {"name": "main", "namespace": server}
    return [keys, objects.push("oms", namespace), objects.webhook("clickpost", namespace, serverRef=reference)]


async def served(cluster: Client, namespace: str) -> set[str]:
    """Names of what the Secrets hold."""
    found = (await cluster.shards(namespace, "main")).values()
    return {entry.name for shard in found for entry in (*shard.accounts, *shard.destinations)}


async def settled(cluster: Client, operator: Operator, namespace: str) -> None:
    """Wait until the operator decided about everything."""

    async def is_settled() -> bool:
        state = operator.state
        return state.lists_synced and state.queues.decide.is_idle and state.queues.shards.is_idle

    await cluster.until(is_settled, wanted=True)
    await cluster.until_condition("WebhookServer", namespace, "main", Accepted="True Accepted")


@pytest.fixture
async def all_of_it(cluster: Client, namespace: str, forgotten: str, start: Start) -> set[str]:
    """All is served by an operator that watched both namespaces and has ended."""
    bodies = [objects.server(namespace=namespace, hosts=[]), *tenant(forgotten, namespace)]
    await cluster.create(*bodies, *tenant(namespace, namespace, "key-of-the-watched"))
    names = {f"{where}/{name}" for where in (namespace, forgotten) for name in ("clickpost", "oms")}
    async with start(namespaces=(namespace, forgotten)):
        await cluster.until(lambda: served(cluster, namespace), names)
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="True Accepted")
    return names


async def test_entries_of_a_namespace_that_is_not_watched_stay_and_a_log_line_and_a_condition_say_so(
    cluster: Client, namespace: str, forgotten: str, start: Start, all_of_it: set[str]
) -> None:
    with capture_logs() as lines:
        async with start() as operator:
            await cluster.until_condition("WebhookServer", namespace, "main", Watched="False NamespacesNotWatched")
            await settled(cluster, operator, namespace)
            assert await served(cluster, namespace) == all_of_it
            assert forgotten in await cluster.message("WebhookServer", namespace, "main", "Watched")
            await cluster.create(objects.secret("stolen", namespace, **{"in": KEY}))
            await cluster.create(objects.webhook("thief", namespace, held_in="stolen"))
            await cluster.until_condition("AggregatorWebhook", namespace, "thief", Accepted="False KeyConflict")
            await cluster.secret(namespace, "keys", out="s-2")
            await settled(cluster, operator, namespace)
            assert await served(cluster, namespace) == all_of_it
    (line,) = [line for line in lines if line["event"] == "namespaces_not_watched"]
    assert (line["namespaces"], line["kept"], line["log_level"]) == ([forgotten], 2, "warning")
    async with start(namespaces=(namespace, forgotten)):

        async def conditions() -> set[str]:
            return set(await cluster.conditions("WebhookServer", namespace, "main"))

        await cluster.until(conditions, {"Ready", "Accepted", "ResolvedRefs", "Programmed"})
        await cluster.delete("PushConfig", forgotten, "oms")
        await cluster.until(lambda: served(cluster, namespace), all_of_it - {f"{forgotten}/oms"})


async def test_they_go_by_an_option(cluster: Client, namespace: str, start: Start, all_of_it: set[str]) -> None:
    assert all_of_it
    async with start(drop_unwatched=True):
        await cluster.until(lambda: served(cluster, namespace), {f"{namespace}/clickpost", f"{namespace}/oms"})


async def test_they_go_when_the_server_allows_its_own_namespace_only(
    cluster: Client, namespace: str, start: Start, all_of_it: set[str]
) -> None:
    async with start() as operator:
        await settled(cluster, operator, namespace)
        assert await served(cluster, namespace) == all_of_it
        await cluster.patch("WebhookServer", namespace, "main", spec={"allowedNamespaces": {"from": "Same"}})
        await cluster.until(lambda: served(cluster, namespace), {f"{namespace}/clickpost", f"{namespace}/oms"})


async def test_a_resource_whose_server_is_in_a_namespace_that_is_not_watched_says_so(
    cluster: Client, namespace: str, forgotten: str, start: Start, all_of_it: set[str]
) -> None:
    async with start(namespaces=(forgotten,)):
        place = ("AggregatorWebhook", forgotten, "clickpost")
        await cluster.until_condition(*place, Accepted="False ServerNotWatched")
        message = await cluster.message(*place, "Accepted")
        assert f"doesn't watch the namespace of WebhookServer {namespace}/main: what that serves stays" in message
        assert await served(cluster, namespace) == all_of_it
