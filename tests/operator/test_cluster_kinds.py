"""On an API server of its own: CustomResourceDefinitions that are deleted and come back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from kube.fixtures import ROOT, install_kinds
from kube.rig.control_plane import ControlPlane
from support import objects
from support.operating import Client, client, operating, options
from trackpush_operator.app import Operator

NAMESPACE = "trackpush"
ALL = {f"{NAMESPACE}/clickpost", f"{NAMESPACE}/oms"}


@pytest.fixture
async def plane(own_api_server: ControlPlane) -> AsyncIterator[tuple[Client, ControlPlane]]:
    """A client of it, and the namespace."""
    async with client(own_api_server.kubeconfig) as cluster:
        await cluster.create(objects.namespace(NAMESPACE))
        yield cluster, own_api_server


async def create(cluster: Client) -> None:
    bodies = [
        objects.server(namespace=NAMESPACE),
        objects.push("oms", NAMESPACE),
        objects.webhook("clickpost", NAMESPACE),
    ]
    await cluster.create(*bodies)


async def served(cluster: Client) -> set[str]:
    """Names of what the Secrets hold."""
    found = await cluster.shards(NAMESPACE, "main")
    return {entry.name for shard in found.values() for entry in (*shard.accounts, *shard.destinations)}


async def readiness(operator: Operator) -> tuple[int, str]:
    """What the kubelet's probe gets."""
    assert operator.health_address is not None
    host, port = operator.health_address
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/readyz") as answer:
        return answer.status, await answer.text()


async def watched(operator: Operator) -> dict[str, float]:
    """The metric, by kind."""
    found = operator.metrics.kind_watched.collect()
    return {sample.labels["kind"]: sample.value for metric in found for sample in metric.samples}


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["all", "one"])
async def test_after_the_kinds_went_and_came_back_everything_is_reconciled_within_seconds(
    plane: tuple[Client, ControlPlane], gone: str
) -> None:
    cluster, server = plane
    await cluster.create(objects.secret("keys", NAMESPACE, **{"in": "k-1-long-enough-now", "out": "s-1"}))
    await create(cluster)
    async with operating(options(server.kubeconfig, NAMESPACE, lease_seconds=120.0)) as operator:
        await cluster.until(lambda: served(cluster), ALL)
        assert (await readiness(operator))[0] == 200
        names = ["pushconfigs", "aggregatorwebhooks", "webhookservers"][: 3 if gone == "all" else 1]
        for name in names:
            await asyncio.to_thread(server.kubectl, "delete", "crd", f"{name}.trackpush.dev", "--timeout=60s")

        async def is_unready() -> bool:
            status, text = await readiness(operator)
            return status == 503 and "PushConfig isn't watched" in text

        await cluster.until(is_unready, wanted=True, seconds=60)
        assert (await watched(operator))["PushConfig"] == 0
        assert operator.metrics.watching.collect()
        await asyncio.to_thread(install_kinds, server)
        if gone == "all":
            await create(cluster)
        else:
            await cluster.create(objects.push("oms", NAMESPACE))
        await cluster.until(lambda: served(cluster), ALL, seconds=60)
        await cluster.until_condition("PushConfig", NAMESPACE, "oms", Accepted="True Accepted")

        async def is_ready() -> bool:
            return (await readiness(operator))[0] == 200

        await cluster.until(is_ready, wanted=True, seconds=60)
        assert set((await watched(operator)).values()) == {1}
        await cluster.patch("PushConfig", NAMESPACE, "oms", spec={"url": "https://other.example/hook"})

        async def url() -> set[str]:
            found: Any = await cluster.shards(NAMESPACE, "main")
            return {destination.url for shard in found.values() for destination in shard.destinations}

        await cluster.until(url, {"https://other.example/hook"}, seconds=60)


@pytest.mark.slow
async def test_kinds_that_are_replaced_at_once_are_followed(plane: tuple[Client, ControlPlane]) -> None:
    cluster, server = plane
    await cluster.create(objects.secret("keys", NAMESPACE, **{"in": "k-1-long-enough-now", "out": "s-1"}))
    await create(cluster)
    async with operating(options(server.kubeconfig, NAMESPACE, lease_seconds=120.0)):
        await cluster.until(lambda: served(cluster), ALL)
        files = sorted((ROOT / "crds").glob("*.yaml"))
        for file in files:
            await asyncio.to_thread(server.kubectl, "delete", "-f", str(file), "--timeout=60s")
            await asyncio.to_thread(server.kubectl, "apply", "--server-side", "-f", str(file))
        await asyncio.to_thread(install_kinds, server)
        await create(cluster)
        await cluster.until(lambda: served(cluster), ALL, seconds=60)
        await cluster.until_condition("AggregatorWebhook", NAMESPACE, "clickpost", Accepted="True Accepted")
