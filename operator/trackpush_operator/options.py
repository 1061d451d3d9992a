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
    """See ``trackpush operator --help``."""

    image: str
    """Of the servers, where a WebhookServer names none."""
    image_pull_policy: str | None = None
    """Of the servers' containers; None leaves it to Kubernetes."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in each WebhookServer's own namespace."""
    namespaces: tuple[str, ...] = ()
    """Watched namespaces; none means all."""
    drop_unwatched: bool = False
    """Stop serving what routing tables hold of namespaces that aren't watched."""
    shared_namespaces: tuple[str, ...] = ()
    """Namespaces whose WebhookServers other namespaces get without a serverRef; none means the operator's own."""
    operator_namespace: str = "trackpush"
    """Where the operator's own pods run."""
    operator_labels: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_LABELS))
    lease_namespace: str = "trackpush"
    lease_name: str = "trackpush-operator"
    lease_seconds: float = 30.0
    """After so long without a renewal another operator may take over."""
    identity: str = ""
    """Unique among the operators that run: the pod's name, so that a restarted container has its Lease back at once.
    When empty, the host's name and a random part.
    """
    health_listen: tuple[str, int] = ("0.0.0.0", 8082)  # noqa: S104  the kubelet probes the pod's address
    any_annotation: bool = False
    """Accept every annotation of an Ingress: whoever may write a WebhookServer may then change a shared controller."""
    any_pod_template: bool = False
    """Accept every field of a WebhookServer's podTemplate: whoever may write one is then root on a node."""
    default_server: Mapping[str, Any] | None = None
    """A WebhookServer to apply at the start."""
    kubeconfig: Path | None = None
    context: str | None = None
    fixed_user: bool = True
    """Servers' pods run as a user that the manifests name; not where the platform assigns one (OpenShift)."""
    monitor_labels: Mapping[str, str] = field(default_factory=dict)
    """Of the servers' ServiceMonitors."""
    resync_seconds: float = 600.0
    key_memory_seconds: float = KEY_MEMORY
    """For so long a key stays reserved for the namespace that had it."""
    workers: int = 8
    """Requests in flight, for each queue."""
