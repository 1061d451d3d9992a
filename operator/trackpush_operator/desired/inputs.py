"""The inputs of the builders, and the parts that all children have."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trackpush_api.aggregators import PROFILES
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.kinds.base import API_VERSION
from trackpush_api.vocabulary import AggregatorName

Body = dict[str, Any]
HTTP_PORT: Final = 8080
ADMIN_PORT: Final = 8081
PORTAL_PORT: Final = 8082
MANAGER: Final = "trackpush-operator"
ROLE_LABEL: Final = "trackpush.dev/role"
"""Only a standby's pods have it."""
STANDBY: Final = "standby"
"""Value of `ROLE_LABEL`."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """One WebhookServer, and what its children depend on besides it."""

    server: Body
    """The body from the API server; of its metadata only namespace, name and uid are used."""
    spec: WebhookServerSpec
    image: str
    """Image of the server if the spec names none."""
    image_pull_policy: str | None = None
    """None: Kubernetes' default."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the WebhookServer's namespace."""
    fixed_user: bool = True
    """Whether the manifests name the user of the pods; if not, the platform assigns one (OpenShift)."""
    monitor_labels: dict[str, str] = {}
    """Labels of each ServiceMonitor, in addition to those in the spec."""
    has_service_monitor: bool = False
    """Whether the cluster has the kind ServiceMonitor (Prometheus operator)."""
    has_http_route: bool = False
    """Whether the cluster has the kind HTTPRoute (Gateway API)."""
    paths: Mapping[AggregatorName, str] = msgspec.field(
        default_factory=lambda: {name: facts.path_segment for name, facts in PROFILES.items()}
    )
    """Segment of URLs of each aggregator that the server knows."""
    withheld_hosts: frozenset[str] = frozenset()
    """Hosts of the spec, the portal's included, that another WebhookServer owns: they are not exposed. "" means every
    host."""
    operator_namespace: str = "trackpush"
    operator_labels: dict[str, str] = {}
    """Labels of the operator's own pods, which may read the admin port."""

    @property
    def name(self) -> str:
        """Name of the WebhookServer."""
        return str(self.server["metadata"]["name"])

    @property
    def has_standby(self) -> bool:
        """Whether a second pod accepts updates while the server's pod is replaced."""
        return self.spec.storage.sqlite is not None and self.spec.storage.sqlite.standby

    @property
    def namespace(self) -> str:
        """Namespace of the WebhookServer and of all its children."""
        return str(self.server["metadata"]["namespace"])


def labels(server: Body, component: str) -> dict[str, str]:
    """The labels of a child."""
    return {
        "app.kubernetes.io/name": "trackpush",
        "app.kubernetes.io/instance": server["metadata"]["name"],
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": MANAGER,
    }


def selector(server: Body) -> dict[str, str]:
    """The selector of the server's pods. It can't be changed in a StatefulSet, so it is short and fixed."""
    found = labels(server, "server")
    return {name: found[name] for name in ("app.kubernetes.io/instance", "app.kubernetes.io/component")}


def metadata(server: Body, name: str, component: str = "server") -> Body:
    """Name, namespace, labels and owner. By the owner, Kubernetes deletes the children with the WebhookServer."""
    own = server["metadata"]
    owner = {
        "apiVersion": API_VERSION,
        "kind": "WebhookServer",
        "name": own["name"],
        "uid": own["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "name": name,
        "namespace": own["namespace"],
        "labels": labels(server, component),
        "ownerReferences": [owner],
    }
