"""The chart's admission policy, on the API server: it refuses what the operator refuses, with the field's name."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import yaml

from kube.fixtures import ApiServer
from support import objects
from support.operating import Client, client
from support.pod_templates import ACCEPTED, REFUSED, Template
from trackpush_operator.kube.errors import ClusterError
from trackpush_operator.kube.kinds import SERVERS

Render = Callable[..., list[dict[str, Any]]]
_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def policies(objects_made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [made for made in objects_made if made["kind"] in _KINDS]


@pytest.fixture(scope="module")
def guarded(api_server: ApiServer) -> Iterator[str]:
    """A namespace for which the policy is in force."""
    name = f"guarded-{secrets.token_hex(4)}"
    api_server.kubectl("create", "namespace", name)
    yield name
    api_server.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def tenant(api_server: ApiServer, guarded: str, render: Render) -> AsyncIterator[Client]:
    """Applies WebhookServers, once the policy is in force."""
    made = policies(render({"watch": {"namespaces": [guarded]}}))
    api_server.apply(yaml.safe_dump_all(made))
    async with client(api_server.kubeconfig) as acting:

        async def is_refused() -> bool:
            return await refusal(acting, guarded, {"spec": {"hostNetwork": True}}) is not None

        await acting.until(is_refused, wanted=True, seconds=60)
        yield acting


async def refusal(tenant: Client, namespace: str, template: Template) -> str | None:
    """What the API server says to a WebhookServer with this podTemplate; None when it takes it."""
    body = objects.server(f"s-{secrets.token_hex(4)}", namespace, podTemplate=template)
    try:
        await tenant.create(body)
    except ClusterError as error:
        return str(error)
    await tenant.delete("WebhookServer", namespace, body["metadata"]["name"])
    return None


async def test_the_policy_agrees_with_the_operator_about_every_pod_template(tenant: Client, guarded: str) -> None:
    answers = await asyncio.gather(*(refusal(tenant, guarded, template) for template in ACCEPTED.values()))
    assert {name: answer for name, answer in zip(ACCEPTED, answers, strict=True) if answer} == {}
    answers = await asyncio.gather(*(refusal(tenant, guarded, template) for template, _ in REFUSED.values()))
    for (name, (_, word)), answer in zip(REFUSED.items(), answers, strict=True):
        assert answer is not None, name
        assert "ValidatingAdmissionPolicy" in answer, name
        assert word in answer, name
        assert "spec.podTemplate." in answer, name


async def test_an_update_is_checked_and_a_server_without_pod_template_is_none_of_its_business(
    tenant: Client, guarded: str
) -> None:
    await tenant.create(objects.server("plain", guarded))
    with pytest.raises(ClusterError, match=r"spec.podTemplate.spec.hostPID is not allowed; remove it"):
        await tenant.cluster.patch(SERVERS, guarded, "plain", {"spec": {"podTemplate": {"spec": {"hostPID": True}}}})


def test_the_policy_is_on_by_default_and_gone_where_every_field_is_allowed(render: Render) -> None:
    assert [made["kind"] for made in policies(render())] == list(_KINDS)
    (_, binding) = policies(render())
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert "matchResources" not in binding["spec"]
    assert policies(render({"podTemplate": {"admissionPolicy": False}})) == []
    made = render({"podTemplate": {"allowAll": True}})
    assert policies(made) == []
    (operator,) = [body for body in made if body["kind"] == "Deployment"]
    assert "--allow-any-pod-template" in operator["spec"]["template"]["spec"]["containers"][0]["args"]
    (operator,) = [body for body in render() if body["kind"] == "Deployment"]
    assert "--allow-any-pod-template" not in operator["spec"]["template"]["spec"]["containers"][0]["args"]
