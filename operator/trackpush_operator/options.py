"""The operator's options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

KEY_MEMORY: Final = 600.0
"""Seconds for which a key stays reserved."""
DEFAULT_LABELS: Final[Mapping[str, str]] = {
    "app.kubernetes.io/name": "trackpush",
    "app.kubernetes.io/component": "operator",
}
"""Labels of the operator's own pods, by which the servers' NetworkPolicies let it in."""


@dataclass(frozen=True, kw_only=True)
class OperatorOptions:
    """The operator's options; see ``trackpush operator --help``."""

    image: str
    """Image of the servers if a WebhookServer names none."""
    image_pull_policy: str | None = None
    """Pull policy of the servers' containers; None: Kubernetes' default."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in each WebhookServer's own namespace."""
    namespaces: tuple[str, ...] = ()
    """Watched namespaces; none means all."""
    drop_unwatched: bool = False
    """Whether to stop serving entries of namespaces that aren't watched."""
    shared_namespaces: tuple[str, ...] = ()
    """Namespaces whose WebhookServers serve other namespaces without a serverRef; none means the operator's own."""
    operator_namespace: str = "trackpush"
    """Namespace of the operator's own pods."""
    operator_labels: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_LABELS))
    lease_namespace: str = "trackpush"
    lease_name: str = "trackpush-operator"
    lease_seconds: float = 30.0
    """Seconds without a renewal after which another operator may take over."""
    identity: str = ""
    """Unique among the running operators: the pod's name, so that a restarted container gets its Lease back at once.

    If empty, the host's name and a random part.
    """
    health_listen: tuple[str, int] = ("0.0.0.0", 8082)  # noqa: S104  the kubelet probes the pod's address
    any_annotation: bool = False
    """Accept every annotation of an Ingress. Then whoever may write a WebhookServer may change a shared controller."""
    any_pod_template: bool = False
    """Accept every field of a podTemplate. Then whoever may write a WebhookServer can become root on a node."""
    default_server: Mapping[str, Any] | None = None
    """A WebhookServer to apply at the start."""
    kubeconfig: Path | None = None
    context: str | None = None
    fixed_user: bool = True
    """Whether the manifests name the user of the servers' pods; not if the platform assigns one (OpenShift)."""
    monitor_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the servers' ServiceMonitors."""
    resync_seconds: float = 600.0
    key_memory_seconds: float = KEY_MEMORY
    """Seconds for which a key stays reserved for the namespace that had it."""
    workers: int = 8
    """Maximum number of requests in flight for each queue."""
