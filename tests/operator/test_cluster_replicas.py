"""On a real API server: servers on PostgreSQL, their number of pods, and who sets it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest

from support import objects
from support.objects import Body
from support.operating import Client, fake_pod
from trackpush_operator.app import Operator
from trackpush_operator.kube.api import Api

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
_STORAGE = {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}
DATABASE = objects.secret("db", dsn="postgresql://u:p@h/d")
KEYS = objects.secret("keys", **{"in": "key-of-acme-0001", "out": "s-1"})


@pytest.fixture
def replicas(cluster: Client, namespace: str) -> Callable[[], Any]:
    """The Deployment's number of pods."""

    async def number() -> int | None:
        found = await cluster.get("Deployment", namespace, "main")
        return None if found is None else found["spec"]["replicas"]

    return number


async def test_programmed_only_when_every_ready_pod_serves_it_and_there_are_enough(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    server = objects.server(storage=_STORAGE, replicas=2)
    await cluster.create(*(within(body) for body in (server, DATABASE, KEYS, objects.push(), objects.webhook())))
    async with start() as operator, AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(fake_pod(f"{namespace}/main")) for _ in range(2)]

        async def serve(*serving: Any) -> dict[str, str | None]:
            for pod in serving:
                pod.files = {name: shard.revision for name, shard in (await cluster.shards(namespace, "main")).items()}
            operator.state.queues.readback.add(f"{namespace}/main")
            return {
                kind: (await cluster.conditions(kind, namespace, name)).get("Programmed")
                for kind, name in (("WebhookServer", "main"), ("PushConfig", "oms"))
            }

        await cluster.until_condition("PushConfig", namespace, "oms", Programmed="False NoReadyPods")
        await cluster.pod(objects.pod("one", namespace=namespace, port=pods[0].port, ip="127.0.0.1"))
        wanted = {"WebhookServer": "False PodsNotReady", "PushConfig": "True Programmed"}
        await cluster.until(lambda: serve(pods[0]), wanted)
        await cluster.pod(objects.pod("two", namespace=namespace, port=pods[1].port, ip="127.0.0.1"))
        wanted = {"WebhookServer": "True Programmed", "PushConfig": "True Programmed"}
        await cluster.until(lambda: serve(*pods), wanted)

        async def counted() -> tuple[int, str]:
            status = (await cluster.get("WebhookServer", namespace, "main") or {})["status"]
            return status["readyReplicas"], status["selector"]

        selector = "app.kubernetes.io/instance=main,app.kubernetes.io/component=server"
        await cluster.until(counted, (2, selector))
        await cluster.secret(namespace, "keys", out="s-2")
        await cluster.until(lambda: serve(pods[0]), {"WebhookServer": "True Programmed", "PushConfig": "False Pending"})
        await cluster.until(lambda: serve(*pods), wanted)


async def test_with_autoscaling_the_number_of_pods_is_the_autoscalers_and_turning_it_on_changes_none(
    cluster: Client, namespace: str, start: Start, within: Within, replicas: Callable[[], Any]
) -> None:
    async def scale(number: int) -> None:
        """As the autoscaler's controller does."""
        api = Api("apps", "v1", "deployments", "Deployment")
        await cluster.cluster.patch(api, namespace, "main", {"spec": {"replicas": number}}, subresource="scale")

    await cluster.create(within(objects.server(storage=_STORAGE, replicas=5)), within(DATABASE))
    async with start() as operator:
        await cluster.until(replicas, 5)
        await cluster.patch("WebhookServer", namespace, "main", spec={"autoscaling": {"maxReplicas": 9}})
        await cluster.until_exists("HorizontalPodAutoscaler", namespace, "main")
        await cluster.until(lambda: _settled(operator), wanted=True)
        assert await replicas() == 5, "an apply that leaves the field out would set it to 1"
        await scale(7)
        image = {"image": "registry.example/trackpush:2"}
        await cluster.patch("WebhookServer", namespace, "main", spec=image)

        async def is_applied() -> bool:
            found = await cluster.get("Deployment", namespace, "main")
            (container,) = (found or {})["spec"]["template"]["spec"]["containers"]
            return bool(container["image"] == image["image"])

        await cluster.until(is_applied, wanted=True)
        assert await replicas() == 7
        await cluster.patch("WebhookServer", namespace, "main", spec={"autoscaling": None, "replicas": 3})
        await cluster.until(replicas, 3)
        await cluster.until_exists("HorizontalPodAutoscaler", namespace, "main", exists=False)


async def _settled(operator: Operator) -> bool:
    return all(queue.is_idle for queue in operator.state.queues.by_name().values())


async def test_a_suspended_server_has_no_pods_and_its_storage_may_change(
    cluster: Client, namespace: str, start: Start, within: Within, replicas: Callable[[], Any]
) -> None:
    await cluster.create(within(objects.server()), within(DATABASE))
    async with start():
        await cluster.until_exists("StatefulSet", namespace, "main")
        await cluster.patch("WebhookServer", namespace, "main", spec={"suspend": True})
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed="False Suspended")

        async def pods() -> int | None:
            found = await cluster.get("StatefulSet", namespace, "main")
            return None if found is None else found["spec"]["replicas"]

        await cluster.until(pods, 0)
        storage = {"storage": {"sqlite": None, **_STORAGE}}
        await cluster.patch("WebhookServer", namespace, "main", spec=storage)
        await cluster.until(replicas, 0)
        await cluster.until_exists("StatefulSet", namespace, "main", exists=False)
        await cluster.patch("WebhookServer", namespace, "main", spec={"suspend": False, "replicas": 2})
        await cluster.until(replicas, 2)
