"""On a real API server, with pods that answer on loopback: Programmed and Delivering are read back, never assumed."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from support import objects
from support.objects import Body
from support.operating import Client, FakePod, fake_pod
from trackpush_api.shards import SETTINGS
from trackpush_operator.app import Operator
from trackpush_operator.kube.kinds import PODS
from trackpush_operator.reconcile import readback
from trackpush_operator.reconcile.shard_writer import ANNOTATION

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
PROGRAMMED = "True Programmed"


@pytest.fixture
async def resources(cluster: Client, within: Within) -> None:
    """A server and a client."""
    await cluster.create(
        within(objects.server()),
        within(objects.secret("keys", **{"in": "k-1-long-enough-now", "out": "s-1"})),
        within(objects.push("oms")),
        within(objects.webhook("clickpost")),
    )


@pytest.fixture
async def pod(namespace: str) -> AsyncIterator[FakePod]:
    """A pod's admin port."""
    async with fake_pod(f"{namespace}/main") as made:
        yield made


async def serve(cluster: Client, namespace: str, *pods: FakePod) -> None:
    """Have pods serve what stands in the Secrets, as kubelet and server do."""
    shards = await cluster.shards(namespace, "main")
    for pod in pods:
        pod.files = {shard.name: shard.revision for shard in shards.values()}


async def ready(cluster: Client, within: Within, pod: FakePod, name: str = "fake-a") -> None:
    """Make the pod known as ready."""
    await cluster.pod(within(objects.pod(name, ip="127.0.0.1", port=pod.port)))


async def until_shards(cluster: Client, namespace: str) -> None:
    """Wait until the table is written."""

    async def written() -> set[str]:
        shards = (await cluster.shards(namespace, "main")).values()  # two names may share one
        entries = {entry.name for shard in shards for entry in (*shard.accounts, *shard.destinations)}
        return entries | {SETTINGS for shard in shards if shard.settings is not None}

    await cluster.until(written, {f"{namespace}/clickpost", f"{namespace}/oms", SETTINGS})


async def until_served(cluster: Client, namespace: str, within: Within, pod: FakePod) -> None:
    """Wait for the shards, and have a ready pod that serves all of them."""
    await until_shards(cluster, namespace)
    await serve(cluster, namespace, pod)
    await ready(cluster, within, pod)


@pytest.mark.usefixtures("resources")
async def test_programmed_when_and_only_when_every_ready_pod_serves_it(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    kinds = (("AggregatorWebhook", "clickpost"), ("PushConfig", "oms"), ("WebhookServer", "main"))
    async with start(), fake_pod(f"{namespace}/main") as second:
        await ready(cluster, within, pod)
        for kind, name in kinds:
            await cluster.until_condition(kind, namespace, name, Programmed="False Pending")
        await until_shards(cluster, namespace)
        await serve(cluster, namespace, pod)
        for kind, name in kinds:
            await cluster.until_condition(kind, namespace, name, Programmed=PROGRAMMED, Ready="True Ready")
        await cluster.until_condition("PushConfig", namespace, "oms", Delivering="True Delivering")
        await ready(cluster, within, second, "fake-b")
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed="False Pending")
        await serve(cluster, namespace, second)
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed=PROGRAMMED)


@pytest.mark.usefixtures("resources")
async def test_a_change_is_pending_until_it_is_served_and_its_neighbours_arent(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async with start():
        await until_served(cluster, namespace, within, pod)
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed=PROGRAMMED)
        stale = dict(pod.files)
        await cluster.patch("PushConfig", namespace, "oms", spec={"url": "https://b.example"})
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed="False Pending")
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Programmed=PROGRAMMED)
        assert pod.files == stale
        await serve(cluster, namespace, pod)
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed=PROGRAMMED)


@pytest.mark.usefixtures("resources")
async def test_pods_are_read_with_the_servers_token_and_touched_after_a_write(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async def annotation() -> str | None:
        body = await cluster.get("Pod", namespace, "fake-a") or {"metadata": {}}
        found: str | None = (body["metadata"].get("annotations") or {}).get("trackpush.dev/routing")
        return found

    async with start():
        await ready(cluster, within, pod)
        await until_shards(cluster, namespace)
        await serve(cluster, namespace, pod)
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed=PROGRAMMED)
        token = (await cluster.get("Secret", namespace, "main-admin-token") or {})["data"]["token"]
        assert all(token.startswith("Bearer ") and len(token) > 32 for token in pod.tokens)
        assert token
        before = await annotation()
        await cluster.secret(namespace, "keys", out="s-2")

        async def is_touched() -> bool:
            return await annotation() not in (None, before)

        await cluster.until(is_touched, wanted=True)


@pytest.mark.usefixtures("resources")
async def test_a_failing_endpoint_is_reported_and_its_end_too(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async with start() as operator:
        await until_served(cluster, namespace, within, pod)
        await cluster.until_condition("PushConfig", namespace, "oms", Delivering="True Delivering")
        failing = {
            "name": f"{namespace}/oms",
            "reason": "EndpointFailing",
            "since": 1767225600,
            "message": "it is down",
        }
        pod.failing = [failing]
        operator.state.queues.readback.add(f"{namespace}/main")
        wanted = {"Delivering": "False EndpointFailing", "Ready": "True Ready", "Programmed": PROGRAMMED}
        await cluster.until_condition("PushConfig", namespace, "oms", **wanted)
        message = await cluster.message("PushConfig", namespace, "oms", "Delivering")
        assert message == "since 2026-01-01T00:00:00Z: it is down"
        pod.failing = []
        operator.state.queues.readback.add(f"{namespace}/main")
        await cluster.until_condition("PushConfig", namespace, "oms", Delivering="True Delivering")

        async def events() -> set[tuple[str, str]]:
            return set(await cluster.events(namespace)) & {("Warning", "EndpointFailing"), ("Normal", "Delivering")}

        await cluster.until(events, {("Warning", "EndpointFailing"), ("Normal", "Delivering")})


@pytest.mark.usefixtures("resources")
async def test_an_account_whose_sender_is_refused_by_all_pods_together_is_reported_and_its_end_too(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    account = f"{namespace}/clickpost"

    async def conditions() -> dict[str, str]:
        body = await cluster.get("AggregatorWebhook", namespace, "clickpost") or {}
        found = (body.get("status") or {}).get("conditions") or []
        return {entry["type"]: f"{entry['status']} {entry['reason']}" for entry in found}

    async def is_receiving() -> bool:
        return "Receiving" not in await conditions()

    async with start() as operator, fake_pod(f"{namespace}/main") as second:
        await until_served(cluster, namespace, within, pod)
        await serve(cluster, namespace, second)
        await ready(cluster, within, second, "fake-b")
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Programmed=PROGRAMMED)
        pod.refused, second.refused = {account: 12}, {account: 9}
        operator.state.queues.readback.add(f"{namespace}/main")
        wanted = {"Receiving": "False SenderRefused", "Ready": "True Ready"}
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", **wanted)
        assert "the last 20 or more requests" in await cluster.message(
            "AggregatorWebhook", namespace, "clickpost", "Receiving"
        )
        pod.refused = second.refused = {}
        operator.state.queues.readback.add(f"{namespace}/main")
        await cluster.until(is_receiving, wanted=True)


@pytest.mark.usefixtures("resources")
async def test_a_silent_account_is_reported_with_its_last_update_and_the_next_update_ends_it(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readback, "ACCOUNTS_EVERY", 0.0)
    account, last = {"name": f"{namespace}/clickpost"}, 1_764_500_000_000
    await cluster.patch("AggregatorWebhook", namespace, "clickpost", spec={"expectEvery": "1d12h"})

    async def last_update_time() -> Any:
        body = await cluster.get("AggregatorWebhook", namespace, "clickpost") or {}
        return (body.get("status") or {}).get("lastUpdateTime")

    async with start() as operator:
        await until_served(cluster, namespace, within, pod)
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Receiving="Unknown NotReported")
        for reported, wanted in (
            ({"state": "waiting"}, "Unknown NoUpdateYet"),
            ({"state": "silent", "lastUpdate": last, "silentSince": last}, "False Silent"),
            ({"state": "receiving", "lastUpdate": last + 400_000}, "True Receiving"),
        ):
            pod.accounts = [account | reported]
            operator.state.queues.readback.add(f"{namespace}/main")
            conditions = {"Receiving": wanted, "Ready": "True Ready"}
            await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", **conditions)
            if wanted == "False Silent":
                message = await cluster.message("AggregatorWebhook", namespace, "clickpost", "Receiving")
                assert message.startswith("no update since 2025-11-30T10:53:20Z; spec.expectEvery is 1d12h")
        assert await last_update_time() == "2025-11-30T11:00:00Z"

        async def events() -> set[tuple[str, str]]:
            return set(await cluster.events(namespace)) & {("Warning", "Silent"), ("Normal", "Receiving")}

        await cluster.until(events, {("Warning", "Silent"), ("Normal", "Receiving")})
        pod.accounts = [account | {"state": "receiving", "lastUpdate": last + 800_000}]
        operator.state.queues.readback.add(f"{namespace}/main")
        await cluster.until(last_update_time, "2025-11-30T11:06:40Z")


@pytest.mark.usefixtures("resources")
async def test_a_pod_that_lags_is_touched_again_until_it_serves_what_was_written(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readback, "NUDGE", 1.0)

    async def touch() -> str:
        found = await cluster.cluster.get(PODS, namespace, "fake-a")
        return str((found["metadata"].get("annotations") or {}).get(ANNOTATION, ""))

    async with start() as operator:
        await until_shards(cluster, namespace)
        await ready(cluster, within, pod)
        seen: set[str] = set()

        async def touches() -> bool:
            seen.add(await touch())
            return len(seen - {""}) >= 3

        await cluster.until(touches, wanted=True, seconds=60)
        await serve(cluster, namespace, pod)
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed=PROGRAMMED)
        await operator.state.queues.touch.until_idle()
        assert operator.state.pod_reports.lagging(operator.state.compiler.tables[f"{namespace}/main"]) == []


@pytest.mark.usefixtures("resources")
async def test_a_suspended_push_config_says_so(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async with start():
        await until_served(cluster, namespace, within, pod)
        await cluster.patch("PushConfig", namespace, "oms", spec={"suspend": True})
        await cluster.until_condition("PushConfig", namespace, "oms", Delivering="False Suspended")

        async def served() -> dict[str, str]:
            await serve(cluster, namespace, pod)
            return await cluster.conditions("PushConfig", namespace, "oms")

        await cluster.until(served, {"Ready": "True Ready", "Programmed": PROGRAMMED})
        assert "spec.suspend is true" in await cluster.message("PushConfig", namespace, "oms", "Ready")


@pytest.mark.usefixtures("resources")
async def test_a_suspended_server_leaves_its_clients_resources_ready(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async with start():
        await until_served(cluster, namespace, within, pod)
        await cluster.patch("WebhookServer", namespace, "main", spec={"suspend": True})
        await cluster.until_condition(
            "WebhookServer", namespace, "main", Programmed="False Suspended", Ready="True Ready"
        )
        wanted = {"Programmed": "False ServerSuspended", "Ready": "True Ready"}
        for kind, name in (("PushConfig", "oms"), ("AggregatorWebhook", "clickpost")):
            await cluster.until_condition(kind, namespace, name, **wanted)
            assert await kstatus(cluster, kind, namespace, name) == "Current"


async def kstatus(cluster: Client, kind: str, namespace: str, name: str) -> str:
    """What Flux and ``helm --wait`` make of it, by the rules of sigs.k8s.io/cli-utils (pkg/kstatus)."""
    body = await cluster.get(kind, namespace, name) or {}
    status = body["status"]
    if status["observedGeneration"] != body["metadata"]["generation"]:
        return "InProgress"
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "InProgress" if conditions.get("Reconciling") == "True" or conditions["Ready"] != "True" else "Current"


@pytest.mark.usefixtures("resources")
async def test_a_pod_that_restarts_changes_no_status_of_what_was_served(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async with start() as operator:
        await until_served(cluster, namespace, within, pod)
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed=PROGRAMMED)
        before = (await cluster.get("PushConfig", namespace, "oms") or {})["metadata"]["resourceVersion"]
        await cluster.pod_status(namespace, "fake-a", {"conditions": [{"type": "Ready", "status": "False"}]})
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed="False NoReadyPods")
        await cluster.pod_status(namespace, "fake-a", {"conditions": [{"type": "Ready", "status": "True"}]})
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed=PROGRAMMED)
        await operator.state.queues.reports.until_idle()
        assert (await cluster.get("PushConfig", namespace, "oms") or {})["metadata"]["resourceVersion"] == before


@pytest.mark.usefixtures("resources")
async def test_a_pod_that_doesnt_answer_is_named(cluster: Client, namespace: str, start: Start, within: Within) -> None:
    async with start():
        await until_shards(cluster, namespace)
        await cluster.pod(within(objects.pod("fake-a", ip="127.0.0.1", port=1)))
        await cluster.until_condition("PushConfig", namespace, "oms", Programmed="False Pending")

        async def is_named() -> bool:
            return "pod fake-a doesn't answer" in await cluster.message("PushConfig", namespace, "oms", "Programmed")

        await cluster.until(is_named, wanted=True)
