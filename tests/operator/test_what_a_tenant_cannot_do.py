"""On a real API server, with a tenant's own credentials: each attempt to harm another is refused with a sentence.

The tenant may write the four kinds in its own namespace and nothing else. Another tenant and the platform's
WebhookServer are in namespaces of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.fixtures import ApiServer
from support import objects
from support.objects import Body
from support.operating import Client, client
from trackpush_operator.app import Operator
from trackpush_operator.kube.errors import ForbiddenError, InvalidError
from trackpush_operator.kube.kinds import NAMESPACES, PODS, PUSH_CONFIGS, SERVERS, WEBHOOKS
from trackpush_operator.store.namespace_uids import TAKES_OVER

Start = Callable[..., AbstractAsyncContextManager[Operator]]
KEY = "key-of-acme-0001"
LABEL = {"name": "trackpush.dev/readable", "value": "true"}
HOSTS = [{"host": "saas.increff.com"}]
INGRESS = {"ingress": {"className": "traefik", "tlsSecretName": "tls"}}


@pytest.fixture
async def rival(cluster: Client, namespace: str) -> AsyncIterator[str]:
    """The tenant's namespace, with Secrets that an administrator put there."""
    async with cluster.another_namespace(f"rival-{namespace}") as name:
        labelled = {"labels": {LABEL["name"]: LABEL["value"]}}
        keys = objects.secret("keys", name, **{"in": "key-of-rival-0001", "out": "s-2", "acmes": KEY})
        large = objects.secret("large", name, out="x" * 500_000)
        for body in (keys, large):
            body["metadata"] |= labelled
        await cluster.create(keys, large, objects.secret("registry-password", name, out="s-3"))
        yield name


@pytest.fixture
def tenant_file(api_server: ApiServer, rival: str, tmp_path: Path) -> Path:
    """A kubeconfig with the tenant's own token."""
    kinds = ["webhookservers", "aggregatorwebhooks", "pushconfigs", "aggregatordefinitions"]
    rule = {"apiGroups": ["trackpush.dev"], "resources": kinds, "verbs": ["*"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": [rule]}
    binding: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": rival}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    made = [body | {"metadata": {"name": "tenant", "namespace": rival}} for body in (account, role, binding)]
    api_server.apply(yaml.safe_dump_all(made))
    found = yaml.safe_load(api_server.kubeconfig.read_text())
    token = api_server.kubectl("-n", rival, "create", "token", "tenant").stdout.strip()
    found["users"][0]["user"] = {"token": token}
    file = tmp_path / "tenant"
    file.write_text(yaml.safe_dump(found))
    return file


@pytest.fixture
async def tenant(tenant_file: Path) -> AsyncIterator[Client]:
    """Acts with the tenant's own token."""
    async with client(tenant_file) as acting:
        yield acting


@pytest.fixture
async def platform(cluster: Client, namespace: str) -> None:
    """A WebhookServer and another tenant, served by it."""
    keys = objects.secret("keys", namespace, **{"in": KEY, "out": "s-1"})
    keys["metadata"]["labels"] = {LABEL["name"]: LABEL["value"]}
    server = objects.server("main", namespace, hosts=HOSTS, expose=INGRESS, secrets={"requiredLabel": LABEL})
    await cluster.create(server, keys, objects.push("oms", namespace))
    await cluster.create(objects.webhook("clickpost", namespace, serverRef={"name": "main"}))
    await cluster.next_second(namespace)


@pytest.mark.usefixtures("platform")
async def test_the_tenant_cannot_touch_what_is_not_its_own(
    tenant: Client, tenant_file: Path, api_server: ApiServer, namespace: str, rival: str
) -> None:
    await tenant.create(objects.push("oms", rival))
    api = tenant.cluster
    url, suspend, status = {"url": "https://mine.example/"}, {"suspend": True}, {"status": {"conditions": []}}
    refused: dict[str, tuple[Any, str]] = {
        "make a pod": (api.create(PODS, objects.pod("p", namespace=rival)), 'create resource "pods"'),
        "take another tenant's pushes": (
            api.patch(PUSH_CONFIGS, namespace, "oms", {"spec": url}), 'patch resource "pushconfigs"'),
        "stop another tenant's key": (
            api.patch(WEBHOOKS, namespace, "clickpost", {"spec": suspend}), 'patch resource "aggregatorwebhooks"'),
        "stop the platform's server": (
            api.patch(SERVERS, namespace, "main", {"spec": suspend}), 'patch resource "webhookservers"'),
        "take over the pushes of a former namespace": (
            api.patch(NAMESPACES, "", rival, {"metadata": {"annotations": {TAKES_OVER: "6f1c"}}}),
            'patch resource "namespaces"'),
        "write its own status": (
            api.patch(PUSH_CONFIGS, rival, "oms", status, subresource="status"), 'patch resource "pushconfigs/status"'),
        "write another tenant's status": (
            api.patch(PUSH_CONFIGS, namespace, "oms", status, subresource="status"),
            'patch resource "pushconfigs/status"'),
    }  # fmt: skip
    for what, (coroutine, sentence) in refused.items():
        with pytest.raises(ForbiddenError) as error:
            await coroutine
        assert f"cannot {sentence}" in str(error.value), what

    def read(*arguments: str) -> str:
        done = api_server.kubectl(f"--kubeconfig={tenant_file}", "get", *arguments, check=False)
        return "" if done.returncode == 0 else done.stderr

    hidden = {
        "a Secret of its own namespace": ("secret", "keys", "-n", rival),
        "the routing table": ("secret", "main-routing-00", "-n", namespace),
        "the admin token": ("secret", "main-admin-token", "-n", namespace),
        "all Secrets": ("secrets", "-A"),
        "another tenant's PushConfig": ("pushconfig", "oms", "-n", namespace),
    }
    for what, arguments in hidden.items():
        told = await asyncio.to_thread(read, *arguments)
        assert "is forbidden" in told, (what, told)
        assert "cannot" in told, (what, told)


@pytest.mark.usefixtures("platform")
async def test_a_definition_of_the_tenant_changes_no_account_of_another(
    cluster: Client, tenant: Client, namespace: str, rival: str, start: Start
) -> None:
    """It has the name and the path of an aggregator of the catalog, which the other tenant uses."""
    hostile = objects.definition("delhivery", rival, authentication={"signature": {"header": "X-Mine"}})
    with pytest.raises(ForbiddenError):
        await tenant.create(objects.definition("delhivery", namespace))
    await cluster.create(
        objects.webhook("delhivery", namespace, aggregator="delhivery", serverRef={"name": "main"}, pushConfigRefs=[])
    )
    await tenant.create(objects.server("grab", rival, hosts=[{"host": "rival.example"}]))

    async def served() -> tuple[Any, ...]:
        shards = (await cluster.shards(namespace, "main")).values()
        definitions = [shard.settings.definitions for shard in shards if shard.settings is not None]
        return *definitions, *(account for shard in shards for account in shard.accounts if "delh" in account.name)

    async with start(namespaces=(namespace, rival)):
        await cluster.until_condition("AggregatorWebhook", namespace, "delhivery", Accepted="True Accepted")
        before = await served()
        assert before[0] == ()
        assert before[1].secrets == ()
        await tenant.create(hostile)
        await cluster.until_condition("AggregatorDefinition", rival, "delhivery", Accepted="True Accepted")

        async def is_theirs() -> bool:
            shards = (await cluster.shards(rival, "grab")).values()
            return any(shard.settings is not None and bool(shard.settings.definitions) for shard in shards)

        await cluster.until(is_theirs, wanted=True)
        assert await served() == before


@pytest.mark.usefixtures("platform")
async def test_the_tenant_cannot_name_what_is_in_another_namespace(tenant: Client, namespace: str, rival: str) -> None:
    push = objects.push("theirs", rival, held_in=f"{namespace}/keys")
    webhook = objects.webhook("theirs", rival, pushConfigRefs=[{"name": f"{namespace}/oms"}])
    for body in (push, webhook):
        with pytest.raises(InvalidError, match=r"\.name"):
            await tenant.create(body)


async def refusals(cluster: Client, rival: str, attempts: list[tuple[Body, str, str, str]]) -> None:
    """Each of the tenant's resources ends with its condition and a sentence that says what to do."""
    for body, condition, reason, sentence in attempts:
        kind, name = body["kind"], body["metadata"]["name"]
        await cluster.until(
            lambda k=kind, n=name: cluster.conditions(k, rival, n), {condition: f"False {reason}"}, seconds=60
        )
        message = await cluster.message(kind, rival, name, condition)
        assert sentence in message, (name, message)
        assert "acme" not in message, "other tenants are not named"


@pytest.mark.usefixtures("platform")
async def test_each_resource_that_would_harm_another_is_refused_with_a_sentence(
    cluster: Client, tenant: Client, namespace: str, rival: str, start: Start
) -> None:
    to = {"serverRef": {"name": "main", "namespace": namespace}}
    root = {"spec": {"hostPID": True, "volumes": [{"name": "node", "hostPath": {"path": "/"}}]}}
    alias = {"ingress": {"annotations": {"nginx.ingress.kubernetes.io/server-alias": HOSTS[0]["host"]}}}
    attempts = [
        (objects.server("host", rival, hosts=HOSTS, expose=INGRESS), "Accepted", "HostConflict",
         "so it is not exposed here; use another host"),
        (objects.server("root", rival, hosts=[{"host": "rival.example"}], podTemplate=root), "Accepted",
         "PodTemplateNotAllowed", "spec.podTemplate.spec.hostPID is not allowed; remove it"),
        (objects.server("alias", rival, hosts=[{"host": "alias.example"}], expose=alias), "Accepted",
         "AnnotationNotAllowed", "annotations must not contain nginx.ingress.kubernetes.io/server-alias"),
        (objects.webhook("key", rival, key="acmes", **to), "Accepted", "KeyConflict", "use another key"),
        (objects.push("password", rival, held_in="registry-password"), "ResolvedRefs", "SecretNotAllowed",
         "label the Secret, or name another one"),
        (objects.push("memory", rival, held_in="large"), "ResolvedRefs", "SecretTooLarge", "into a Secret of its own"),
        (objects.push("metadata", rival, url="https://169.254.169.254/latest"), "Accepted", "Invalid",
         "pushes may not go to 169.254.169.254"),
        (objects.push("cluster", rival, url="https://10.96.0.1/api"), "Accepted", "Invalid",
         "pushes may not go to 10.96.0.1"),
    ]  # fmt: skip
    async with start(namespaces=(namespace, rival)):
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Programmed="False NoReadyPods")
        await tenant.create(objects.webhook("own", rival, **to))
        await tenant.create(*(body for body, *_ in attempts))
        await refusals(cluster, rival, attempts)
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="True Accepted")
        assert await cluster.get("StatefulSet", rival, "root") is None
        ingress = await cluster.get("Ingress", namespace, "main")
        assert ingress is not None, "the platform's server is exposed as before"
        assert await cluster.get("Ingress", rival, "host") is None
        assert await cluster.get("Ingress", rival, "alias") is None
        shards = await cluster.shards(namespace, "main")
        accounts = {account.name for shard in shards.values() for account in shard.accounts if account.key_digests}
        assert f"{namespace}/clickpost" in accounts
        assert f"{rival}/key" not in accounts


@pytest.mark.usefixtures("platform")
async def test_a_server_of_the_tenant_gets_nobody_elses_updates_and_puts_nobody_out_of_service(
    cluster: Client, tenant: Client, namespace: str, rival: str, start: Start
) -> None:
    await tenant.create(objects.server("grab", rival, hosts=[{"host": "rival.example"}]))
    async with cluster.another_namespace(f"{namespace}-later") as later:
        labels = {"labels": {LABEL["name"]: LABEL["value"]}}
        keys = objects.secret("keys", later, **{"in": "key-of-later-0001", "out": "s-4"})
        keys["metadata"] |= labels
        await cluster.create(keys, objects.push("oms", later), objects.webhook("clickpost", later))
        async with start(namespaces=(namespace, rival, later)):
            await cluster.until_condition("AggregatorWebhook", later, "clickpost", Accepted="True Accepted")
            await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="True Accepted")
            found = await cluster.shards(namespace, "main")
            accounts = {account.name for shard in found.values() for account in shard.accounts}
            assert accounts == {f"{namespace}/clickpost", f"{later}/clickpost"}
            theirs = await cluster.shards(rival, "grab")
            assert [account.name for shard in theirs.values() for account in shard.accounts] == []


async def test_a_tenant_that_a_server_does_not_allow_is_refused(
    cluster: Client, tenant: Client, namespace: str, rival: str, start: Start
) -> None:
    await cluster.create(objects.server("main", namespace, allowedNamespaces={"from": "Same"}))
    await tenant.create(objects.webhook("own", rival, serverRef={"name": "main", "namespace": namespace}))
    async with start(namespaces=(namespace, rival)):
        await cluster.until_condition("AggregatorWebhook", rival, "own", Accepted="False NamespaceNotAllowed")
        assert "allow it there" in await cluster.message("AggregatorWebhook", rival, "own", "Accepted")
