"""The volume of a server on SQLite: grown where its storage class allows that, else reported."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from support import objects
from support.claims import bound_claim
from support.objects import Body
from support.operating import Client, fake_pod
from trackpush_operator.app import Operator
from trackpush_operator.kube.kinds import VOLUME_CLAIMS
from trackpush_operator.store.objects import Key, Kind

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
PATIENCE = 60.0
RESTARTED = "kubectl.kubernetes.io/restartedAt"
GROWING = pytest.mark.parametrize("running", ["growing"], indirect=True)
FIXED = pytest.mark.parametrize("running", ["fixed"], indirect=True)


class Running:
    """An operator whose server has one ready pod that serves everything."""

    def __init__(self, cluster: Client, namespace: str, operator: Operator, pod: Any) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._operator = operator
        self._pod = pod

    async def resize(self, **sqlite: str) -> None:
        """Change the storage, as a person does."""
        await self._cluster.patch("WebhookServer", self._namespace, "main", spec={"storage": {"sqlite": sqlite}})

    async def shows(self, programmed: str, words: str = "") -> None:
        """Wait for the condition, with these words in its message."""

        async def condition() -> tuple[str | None, bool]:
            shards = await self._cluster.shards(self._namespace, "main")
            self._pod.files = {name: shard.revision for name, shard in shards.items()}
            self._operator.state.queues.readback.add(f"{self._namespace}/main")
            self._operator.state.queues.servers.add(Key(Kind.SERVER, self._namespace, "main"))
            found = (await self._cluster.conditions("WebhookServer", self._namespace, "main")).get("Programmed")
            message = await self._cluster.message("WebhookServer", self._namespace, "main", "Programmed")
            return found, words in message

        await self._cluster.until(condition, (programmed, True), seconds=PATIENCE)

    async def claim(self) -> Body:
        """The volume's claim."""
        return await self._cluster.cluster.get(VOLUME_CLAIMS, self._namespace, "data-main-0")

    async def stateful_set(self) -> Body:
        """The server's StatefulSet."""
        found = await self._cluster.get("StatefulSet", self._namespace, "main")
        assert found is not None
        return found


@pytest.fixture
async def running(
    cluster: Client, namespace: str, start: Start, within: Within, request: pytest.FixtureRequest
) -> AsyncIterator[Running]:
    """A server of 10Gi; the claim is there before it, as after a WebhookServer was deleted and made again."""
    await bound_claim(cluster, namespace, can_grow=request.param == "growing")
    await cluster.create(within(objects.server()))
    async with start() as operator, fake_pod(f"{namespace}/main") as pod:
        await cluster.pod(objects.pod("one", namespace=namespace, port=pod.port, ip="127.0.0.1"))
        yield Running(cluster, namespace, operator, pod)


@GROWING
async def test_a_volume_grows_where_its_storage_class_allows_it(
    cluster: Client, namespace: str, running: Running
) -> None:
    await running.shows("True Programmed")
    await running.resize(size="20Gi")
    await running.shows("False VolumeSize", "data-main-0 is being grown from 10Gi to 20Gi")
    assert (await running.claim())["spec"]["resources"]["requests"]["storage"] == "20Gi"
    grown = {"status": {"capacity": {"storage": "20Gi"}}}  # as the provisioner and the kubelet do
    await cluster.cluster.patch(VOLUME_CLAIMS, namespace, "data-main-0", grown, subresource="status")
    await running.shows("True Programmed")


@FIXED
async def test_a_volume_that_can_not_grow_is_reported_with_what_to_do(running: Running) -> None:
    await running.shows("True Programmed")
    await running.resize(size="20Gi")
    await running.shows("False VolumeSize", "size is 20Gi, and the volume data-main-0 has 10Gi and can't grow")
    await running.shows("False VolumeSize", "allowVolumeExpansion")
    assert (await running.claim())["spec"]["resources"]["requests"]["storage"] == "10Gi"
    await running.resize(size="10240Mi")
    await running.shows("True Programmed")


@GROWING
async def test_a_smaller_volume_and_another_storage_class_are_reported(namespace: str, running: Running) -> None:
    await running.resize(size="5Gi")
    await running.shows("False VolumeSize", "can't shrink; set it to 10Gi")
    await running.resize(size="10Gi", storageClassName="other")
    await running.shows("False VolumeSize", "is of the class")
    await running.resize(size="10Gi", storageClassName=f"{namespace}-growing")
    await running.shows("True Programmed")


@GROWING
async def test_a_statefulset_that_is_made_again_keeps_the_annotation_of_a_restart_so_that_its_pod_stays(
    api_server: Any, cluster: Client, namespace: str, running: Running
) -> None:
    await running.shows("True Programmed")
    await asyncio.to_thread(api_server.kubectl, "-n", namespace, "rollout", "restart", "statefulset/main")
    before = await running.stateful_set()
    await running.resize(size="20Gi")
    await running.shows("False VolumeSize", "data-main-0 is being grown from 10Gi to 20Gi")
    after = await running.stateful_set()
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["template"] == before["spec"]["template"]
    await cluster.patch("WebhookServer", namespace, "main", spec={"podTemplate": {"annotations": {"mine": "1"}}})

    async def annotations() -> Any:
        found = (await running.stateful_set())["spec"]["template"]["metadata"]["annotations"]
        return {"mine", RESTARTED} <= found.keys()

    await cluster.until(annotations, True, seconds=PATIENCE)


@GROWING
async def test_a_standby_that_is_switched_off_goes(cluster: Client, namespace: str, running: Running) -> None:
    await running.shows("True Programmed")
    await running.resize(standby=True)

    async def has_standby() -> bool:
        return await cluster.get("Deployment", namespace, "main-standby") is not None

    await cluster.until(has_standby, True, seconds=PATIENCE)
    await running.resize(standby=False)
    await cluster.until(has_standby, False, seconds=PATIENCE)
    await running.shows("True Programmed")
