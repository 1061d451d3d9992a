"""On a real API server: of Secrets only those are read that a resource names, and no large one is kept."""

import secrets
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from kube.rig.control_plane import ControlPlane
from support import objects
from support.objects import Body
from support.operating import Client, OperatorProcess, client
from trackpush_operator.app import Operator
from trackpush_operator.kube.api import Api
from trackpush_operator.kube.client import KubernetesCluster
from trackpush_operator.kube.kinds import SECRETS

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
LABELS = {
    "app.kubernetes.io/managed-by": "trackpush-operator",
    "app.kubernetes.io/instance": "main",
    "app.kubernetes.io/component": "routing",
}
RESOURCES = (("AggregatorWebhook", "clickpost"), ("PushConfig", "oms"))
MEBIBYTE = 1024 * 1024


class Recording(KubernetesCluster):
    """Records which Secrets are read as a whole, and whether a list showed values."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.read: set[str] = set()

    async def get(self, api: Api, namespace: str | None, name: str) -> Body:
        """Record the request, and send it."""
        if api is SECRETS:
            self.read.add(name)
        return await super().get(api, namespace, name)


async def test_only_secrets_that_a_resource_names_are_read(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    used: list[Recording] = []

    def connect(*given: Any) -> KubernetesCluster:
        used.append(Recording(*given))
        return used[-1]

    labelled = within(objects.secret("labelled", x="1"))
    labelled["metadata"]["labels"] = LABELS
    strangers = [within(objects.secret(f"stranger-{number}", x="1")) for number in range(5)]
    keys = within(objects.secret("keys", **{"in": "key-of-acme-0001", "out": "s-1"}))
    resources = [within(body) for body in (objects.server(), objects.push(), objects.webhook())]
    await cluster.create(*strangers, labelled, keys, *resources)
    async with start(connect):
        await cluster.until_condition("PushConfig", namespace, "oms", ResolvedRefs="True ResolvedRefs")
        await cluster.secret(namespace, "stranger-0", x="2")
        await cluster.secret(namespace, "labelled", x="2")
        await cluster.secret(namespace, "keys", **{"in": "key-of-acme-0002"})
        await cluster.patch("AggregatorWebhook", namespace, "clickpost", spec={"statuses": ["8"]})
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", ResolvedRefs="True ResolvedRefs")
    read = {name for recording in used for name in recording.read}
    assert "keys" in read
    assert {name for name in read if not name.startswith("main-")} == {"keys"}


async def refusals(cluster: Client, namespace: str, reason: str) -> list[str]:
    """Wait until both resources are refused for this reason; the messages."""
    for kind, name in RESOURCES:
        await cluster.until_condition(kind, namespace, name, ResolvedRefs=f"False {reason}")
    return [await cluster.message(kind, namespace, name, "ResolvedRefs") for kind, name in RESOURCES]


async def test_a_large_secret_is_refused_by_each_resource_that_names_it(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    values = {"in": "key-of-acme-0001", "out": "s-1"}
    fits = "x" * (64 * 1024 - len("key-of-acme-0001") - len("s-1") - len("inoutmore"))
    await cluster.create(within(objects.secret("keys", **values, more=fits + "x")))
    await cluster.create(*(within(body) for body in (objects.server(), objects.push(), objects.webhook())))
    async with start():
        for message in await refusals(cluster, namespace, "SecretTooLarge"):
            assert 'Secret "keys" has 65537 bytes, and at most 65536 are read; move key "' in message
        await cluster.secret(namespace, "keys", more=fits)
        for kind, name in RESOURCES:
            await cluster.until_condition(kind, namespace, name, ResolvedRefs="True ResolvedRefs")
        await cluster.secret(namespace, "keys", more="x" * 500_000)
        await cluster.until_condition("PushConfig", namespace, "oms", ResolvedRefs="False SecretTooLarge")


async def test_a_secret_without_the_required_label_is_refused_by_each_resource_that_names_it(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    label = {"name": "trackpush.dev/readable", "value": "yes"}
    server = within(objects.server(secrets={"requiredLabel": label}))
    keys = within(objects.secret("keys", **{"in": "key-of-acme-0001", "out": "s-1"}))
    await cluster.create(keys, server, within(objects.push()), within(objects.webhook()))
    async with start():
        for message in await refusals(cluster, namespace, "SecretNotAllowed"):
            assert 'Secret "keys" does not carry the label "trackpush.dev/readable: yes"' in message
            assert "label the Secret, or name another one" in message
        for value, wanted in (("no", "False SecretNotAllowed"), ("yes", "True ResolvedRefs")):
            await cluster.patch("Secret", namespace, "keys", metadata={"labels": {label["name"]: value}})
            for kind, name in RESOURCES:
                await cluster.until_condition(kind, namespace, name, ResolvedRefs=wanted)
        await cluster.patch("Secret", namespace, "keys", metadata={"labels": {label["name"]: None}})
        await cluster.until_condition("PushConfig", namespace, "oms", ResolvedRefs="False SecretNotAllowed")
        await cluster.patch("WebhookServer", namespace, "main", spec={"secrets": None})
        await cluster.until_condition("PushConfig", namespace, "oms", ResolvedRefs="True ResolvedRefs")


def peak_mebibytes(pid: int) -> float:
    """The most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


MOST_MEBIBYTES = 256
"""Half of the chart's limit. Without the Secrets the operator has about 100."""


@pytest.mark.long
@pytest.mark.timeout(400)  # half a gigabyte is written to etcd first
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_five_hundred_secrets_of_a_mebibyte_dont_fill_the_operators_memory(
    own_api_server: ControlPlane, tmp_path: Path
) -> None:
    """Most of them are strangers, 50 are named by PushConfigs, and some carry the operator's own labels."""
    namespace = "tenant"
    own_api_server.kubectl("create", "namespace", namespace)
    own_api_server.kubectl("create", "namespace", "trackpush")
    async with client(own_api_server.kubeconfig) as cluster:
        await cluster.create(objects.server("main", namespace))
        await cluster.create(objects.secret("keys", namespace, **{"in": "key-of-acme-0001", "out": "s-1"}))
        await cluster.create(objects.webhook(namespace=namespace))
        for number in range(500):
            body = objects.secret(f"large-{number}", namespace, out=secrets.token_hex(MEBIBYTE // 2 - 500))
            body["metadata"]["labels"] = LABELS if number % 10 == 1 else {}
            await cluster.create(body)
            if number % 10 == 0:
                await cluster.create(objects.push(f"p-{number}", namespace, held_in=f"large-{number}"))
        process = OperatorProcess(own_api_server.kubeconfig, namespace, log=tmp_path / "log")
        await process.start()
        try:
            for number in range(0, 500, 10):
                await cluster.until(
                    lambda name=f"p-{number}": cluster.conditions("PushConfig", namespace, name),
                    {"ResolvedRefs": "False SecretTooLarge"},
                    seconds=240,
                )
            for number in range(100):  # watches show changes, too
                await cluster.patch("Secret", namespace, f"large-{number}", metadata={"annotations": {"a": "b"}})
            await cluster.secret(namespace, "keys", out="s-2")
            peak = peak_mebibytes(process.pid)
            assert peak < MOST_MEBIBYTES, f"{peak:.0f} MiB"
        finally:
            await process.end(signal.SIGKILL)
