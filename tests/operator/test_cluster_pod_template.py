"""On a real API server: no pod is made of a podTemplate that could harm the node; long annotations reach children."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
HOST_PATH = {"spec": {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}}
ARNS = ",".join(f"arn:aws:acm:eu-central-1:123456789012:certificate/{number:036d}" for number in range(12))


async def test_a_refused_pod_template_makes_no_pods_until_it_is_corrected(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.server(podTemplate=HOST_PATH)))
    async with start():
        await cluster.until_condition(
            "WebhookServer", namespace, "main", Accepted="False PodTemplateNotAllowed", Programmed="False NotServed"
        )
        message = await cluster.message("WebhookServer", namespace, "main", "Accepted")
        assert message.startswith("spec.podTemplate.spec.volumes[0].hostPath is not allowed; use one of configMap,")
        assert ("Warning", "PodTemplateNotAllowed") in await cluster.events(namespace)
        assert await cluster.get("StatefulSet", namespace, "main") is None
        await cluster.patch("WebhookServer", namespace, "main", spec={"podTemplate": None})
        await cluster.until_exists("StatefulSet", namespace, "main")
        await cluster.patch("WebhookServer", namespace, "main", spec={"podTemplate": HOST_PATH})
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="False PodTemplateNotAllowed")
        found = await cluster.get("StatefulSet", namespace, "main")
        assert found is not None, "what runs already stays"
        assert "hostPath" not in str(found)


async def test_the_option_lets_every_field_through(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.server(podTemplate=HOST_PATH)))
    async with start(any_pod_template=True):
        await cluster.until_exists("StatefulSet", namespace, "main")
        found = await cluster.get("StatefulSet", namespace, "main")
        assert found is not None
        assert {"path": "/", "type": ""} in [
            volume.get("hostPath") for volume in found["spec"]["template"]["spec"]["volumes"]
        ]


async def test_an_annotation_that_changes_a_shared_ingress_controller_exposes_nothing(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    snippet = {"nginx.ingress.kubernetes.io/server-snippet": "return 200;"}
    await cluster.create(within(objects.server(expose={"ingress": {"annotations": snippet}})))
    async with start():
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="False AnnotationNotAllowed")
        assert await cluster.get("Ingress", namespace, "main") is None
        await cluster.patch("WebhookServer", namespace, "main", spec={"expose": {"ingress": {"annotations": None}}})
        await cluster.until_exists("Ingress", namespace, "main")


async def test_annotations_of_any_length_reach_the_ingress_and_the_pods(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    certificates = {"alb.ingress.kubernetes.io/certificate-arn": ARNS}
    template = {"vault.hashicorp.com/agent-inject-template-db": "{{ with secret }}" * 2000}
    given = objects.server(
        expose={"ingress": {"className": "alb", "annotations": certificates}}, podTemplate={"annotations": template}
    )
    await cluster.create(within(given))
    async with start():
        await cluster.until_exists("Ingress", namespace, "main")
        ingress = await cluster.get("Ingress", namespace, "main")
        pods = await cluster.get("StatefulSet", namespace, "main")
        assert ingress is not None
        assert pods is not None
        assert len(ARNS) > 253
        assert certificates.items() <= ingress["metadata"]["annotations"].items()
        assert pods["spec"]["template"]["metadata"]["annotations"] == template


async def test_annotations_that_kubernetes_would_refuse_are_named_in_the_condition(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    large = {f"example.com/part-{number}": "x" * 100_000 for number in range(3)}
    await cluster.create(within(objects.server(podTemplate={"annotations": large})))
    async with start():
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="False Invalid")
        message = await cluster.message("WebhookServer", namespace, "main", "Accepted")
        assert message == (
            "spec.podTemplate.annotations: has 300054 bytes, names and values together; use at most 258048"
        )
