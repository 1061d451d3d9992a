"""The kinds that the operator uses, and their watches."""

from typing import Final, NamedTuple

from trackpush_api.kinds import KINDS
from trackpush_api.kinds.base import GROUP, VERSION
from trackpush_operator.kube.api import Api, ObjectSelection

MANAGER: Final = "trackpush-operator"
"""Name of the field manager, and value of the label ``app.kubernetes.io/managed-by`` of every child."""
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"

SERVERS: Final = Api(GROUP, VERSION, KINDS["WebhookServer"].plural, "WebhookServer")
WEBHOOKS: Final = Api(GROUP, VERSION, KINDS["AggregatorWebhook"].plural, "AggregatorWebhook")
PUSH_CONFIGS: Final = Api(GROUP, VERSION, KINDS["PushConfig"].plural, "PushConfig")
DEFINITIONS: Final = Api(GROUP, VERSION, KINDS["AggregatorDefinition"].plural, "AggregatorDefinition")
SECRETS: Final = Api("", "v1", "secrets", "Secret")
NAMESPACES: Final = Api("", "v1", "namespaces", "Namespace", namespaced=False)
PODS: Final = Api("", "v1", "pods", "Pod")
VOLUME_CLAIMS: Final = Api("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
LEASES: Final = Api("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS: Final = Api("events.k8s.io", "v1", "events", "Event")
HTTP_ROUTES: Final = Api("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
SERVICE_MONITORS: Final = Api("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor")

AUTOSCALERS: Final = Api("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")

OWN: Final = (SERVERS, DEFINITIONS, WEBHOOKS, PUSH_CONFIGS)
OPTIONAL: Final = (HTTP_ROUTES, SERVICE_MONITORS)
"""Kinds of other projects, which may not be installed."""
CHILDREN: Final = (
    Api("apps", "v1", "statefulsets", "StatefulSet"),
    Api("apps", "v1", "deployments", "Deployment"),
    Api("", "v1", "services", "Service"),
    Api("", "v1", "serviceaccounts", "ServiceAccount"),
    Api("networking.k8s.io", "v1", "ingresses", "Ingress"),
    Api("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    Api("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    AUTOSCALERS,
    *OPTIONAL,
)
"""Kinds of children except Secrets, which the watch of all Secrets covers."""

_MANAGED: Final = ObjectSelection(labels=f"{MANAGED_BY_LABEL}={MANAGER}")
UNWATCHED_TYPES: Final = (
    "helm.sh/release.v1",
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
)
"""Types of Secrets that resources may not name, because they belong to other programs, or are large and many."""
_USABLE_SECRETS: Final = ObjectSelection(
    fields=",".join(f"type!={name}" for name in UNWATCHED_TYPES), metadata_only=True
)


class Watched(NamedTuple):
    """A kind and the selection of its watch."""

    api: Api
    selection: ObjectSelection = ObjectSelection()


def watched(served: frozenset[Api], *, everywhere: bool) -> tuple[Watched, ...]:
    """All watches if these optional kinds exist; ``everywhere``: of all namespaces, not of a list of namespaces."""
    children = tuple(Watched(api, _MANAGED) for api in CHILDREN if api not in OPTIONAL or api in served)
    return (
        *(Watched(api) for api in OWN),
        Watched(SECRETS, _USABLE_SECRETS),
        *children,
        Watched(PODS, _MANAGED),
        # Namespaces are cluster-scoped, so a Role can't allow this watch. It follows our own kinds, because the list of
        # namespaces tells in which namespace object each resource is.
        *((Watched(NAMESPACES),) if everywhere else ()),
    )


def child_api(body: dict[str, object]) -> Api:
    """The kind of a child's manifest; it must be in CHILDREN."""
    for api in (*CHILDREN, SECRETS):
        if (api.api_version, api.kind) == (body["apiVersion"], body["kind"]):
            return api
    raise KeyError(f"{body['apiVersion']} {body['kind']} is not a kind of child; add it to CHILDREN")
