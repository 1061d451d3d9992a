"""On a real API server: a WebhookServer can't take a host that another one has."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_operator.app import Operator
from trackpush_operator.reconcile import children

Start = Callable[..., AbstractAsyncContextManager[Operator]]
NO_RANGE = "1:2:3:4:5::6:7:8:9/64"
"""Too many groups, which the operator sees and the rules of the CustomResourceDefinition don't."""
MAIN = [{"host": "saas.increff.com"}, {"host": "saas.nextscm.com"}]
INGRESS = {"ingress": {"className": "traefik", "tlsSecretName": "tls"}}


@pytest.fixture
async def tenant(cluster: Client, namespace: str) -> AsyncIterator[str]:
    """A tenant's namespace beside the test's, whose name comes first in the alphabet."""
    async with cluster.another_namespace(f"a-{namespace}") as name:
        yield name


def server(namespace: str, hosts: list[Body], **spec: object) -> Body:
    return objects.server("main", namespace, hosts=hosts, expose=INGRESS, **spec)


async def exposed(cluster: Client, namespace: str) -> list[str]:
    """The hosts of the namespace's Ingress."""
    body = await cluster.get("Ingress", namespace, "main")
    return [] if body is None else [rule["host"] for rule in body["spec"]["rules"]]


async def test_a_second_server_is_not_exposed_for_a_host_of_an_older_one(
    cluster: Client, namespace: str, tenant: str, start: Start
) -> None:
    await cluster.create(server(namespace, MAIN))
    await cluster.next_second(namespace)
    async with start(namespaces=(namespace, tenant)):
        await cluster.until(lambda: exposed(cluster, namespace), ["saas.increff.com", "saas.nextscm.com"])
        await cluster.create(server(tenant, [MAIN[0], {"host": "tenant.example"}]))
        await cluster.until_condition("WebhookServer", tenant, "main", Accepted="False HostConflict")
        await cluster.until(lambda: exposed(cluster, tenant), ["tenant.example"])
        assert "saas.increff.com" in await cluster.message("WebhookServer", tenant, "main", "Accepted")
        await cluster.patch("WebhookServer", tenant, "main", spec={"hosts": [MAIN[0]]})
        await cluster.until_exists("Ingress", tenant, "main", exists=False)
        assert await exposed(cluster, namespace) == ["saas.increff.com", "saas.nextscm.com"]
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="True Accepted")
        await cluster.patch("WebhookServer", namespace, "main", spec={"hosts": [MAIN[1]]})
        await cluster.until(lambda: exposed(cluster, tenant), ["saas.increff.com"])
        await cluster.until_condition("WebhookServer", tenant, "main", Accepted="True Accepted")


async def test_an_invalid_server_owns_no_host_however_old_it_is(
    cluster: Client, namespace: str, tenant: str, start: Start
) -> None:
    await cluster.create(server(tenant, MAIN, egress={"allowedCIDRs": [NO_RANGE]}))
    await cluster.next_second(namespace)
    await cluster.create(server(namespace, MAIN))
    async with start(namespaces=(namespace, tenant)):
        await cluster.until_condition("WebhookServer", tenant, "main", Accepted="False Invalid")
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="True Accepted")
        await cluster.until(lambda: exposed(cluster, namespace), ["saas.increff.com", "saas.nextscm.com"])
        await cluster.until_exists("Ingress", tenant, "main", exists=False)


@pytest.mark.parametrize("keeps_children", [False, True], ids=["whose spec is read", "whose children stay as they are"])
async def test_a_server_that_becomes_invalid_leaves_the_host_that_a_valid_one_wants(
    cluster: Client,
    namespace: str,
    tenant: str,
    start: Start,
    *,
    monkeypatch: pytest.MonkeyPatch,
    keeps_children: bool,
) -> None:
    await cluster.create(server(tenant, [MAIN[0], {"host": "tenant.example"}]))
    async with start(namespaces=(namespace, tenant)):
        await cluster.until(lambda: exposed(cluster, tenant), ["saas.increff.com", "tenant.example"])
        if keeps_children:  # as for a spec that a newer CustomResourceDefinition would refuse
            monkeypatch.setattr(
                children, "makes_children", lambda snapshot: len(snapshot.spec.egress.allowed_cidrs) == 0
            )
        await cluster.patch("WebhookServer", tenant, "main", spec={"egress": {"allowedCIDRs": [NO_RANGE]}})
        await cluster.until_condition("WebhookServer", tenant, "main", Accepted="False Invalid")
        assert await exposed(cluster, tenant) == ["saas.increff.com", "tenant.example"], "nobody else wants them"
        await cluster.create(server(namespace, MAIN))
        await cluster.until(lambda: exposed(cluster, namespace), ["saas.increff.com", "saas.nextscm.com"])
        await cluster.until(lambda: exposed(cluster, tenant), ["tenant.example"])


async def ports(cluster: Client, namespace: str) -> list[tuple[str, int]]:
    """Name and number of the Service's ports."""
    body = await cluster.get("Service", namespace, "main")
    return [] if body is None else [(port["name"], port["port"]) for port in body["spec"]["ports"]]


async def policed(cluster: Client, namespace: str) -> list[int]:
    """The ports that the NetworkPolicy opens to everybody."""
    body = await cluster.get("NetworkPolicy", namespace, "main")
    rules = [] if body is None else body["spec"]["ingress"]
    return [port["port"] for rule in rules if not rule.get("from") for port in rule["ports"]]


async def test_a_portal_is_exposed_under_its_own_host_and_taken_away_again(
    cluster: Client, namespace: str, tenant: str, start: Start
) -> None:
    await cluster.create(server(namespace, MAIN, portal={"host": "portal.example"}))
    await cluster.next_second(namespace)
    async with start(namespaces=(namespace, tenant)):
        hosts = ["saas.increff.com", "saas.nextscm.com", "portal.example"]
        await cluster.until(lambda: exposed(cluster, namespace), hosts)
        await cluster.until(lambda: ports(cluster, namespace), [("http", 80), ("portal", 8082)])
        await cluster.until(lambda: policed(cluster, namespace), [8080, 8082])
        await cluster.create(server(tenant, [{"host": "tenant.example"}], portal={"host": "portal.example"}))
        await cluster.until_condition("WebhookServer", tenant, "main", Accepted="False HostConflict")
        await cluster.until(lambda: exposed(cluster, tenant), ["tenant.example"])
        await cluster.patch("WebhookServer", namespace, "main", spec={"portal": None})
        await cluster.until(lambda: exposed(cluster, namespace), hosts[:2])
        await cluster.until(lambda: ports(cluster, namespace), [("http", 80)])
        await cluster.until(lambda: policed(cluster, namespace), [8080])
        await cluster.until(lambda: exposed(cluster, tenant), ["tenant.example", "portal.example"])
