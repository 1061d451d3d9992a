"""Builds the NetworkPolicy, PodDisruptionBudget and ServiceAccount."""

from typing import Final

from trackpush_operator.desired.inputs import (
    ADMIN_PORT,
    HTTP_PORT,
    PORTAL_PORT,
    ROLE_LABEL,
    Body,
    Inputs,
    metadata,
    selector,
)

_METADATA_SERVICES: Final = ("169.254.0.0/16",)
_NAMESPACE: Final = "kubernetes.io/metadata.name"


def network_policy(inputs: Inputs) -> Body:
    """Opens the public port and the portal to all; the admin port to operator, own namespace, and named scrapers."""
    operator = {
        "namespaceSelector": {"matchLabels": {_NAMESPACE: inputs.operator_namespace}},
        "podSelector": {"matchLabels": dict(inputs.operator_labels)},
    }
    public = [HTTP_PORT] if inputs.spec.portal is None else [HTTP_PORT, PORTAL_PORT]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": {
            "podSelector": {"matchLabels": selector(inputs.server)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"ports": [{"port": port, "protocol": "TCP"} for port in public]},
                {"ports": [{"port": ADMIN_PORT, "protocol": "TCP"}], "from": _scrapers(inputs, operator)},
            ],
            "egress": _egress(),
        },
    }


def _scrapers(inputs: Inputs, operator: Body) -> list[Body]:
    named = [] if inputs.spec.monitoring is None else inputs.spec.monitoring.scrapers
    peers = [peer.model_dump(by_alias=True, exclude_none=True) for peer in named]
    return [operator, {"podSelector": {}}, *peers]


def _egress() -> list[Body]:
    """DNS, and every address except the cloud's metadata services. The server's egress guard has more precise rules."""
    return [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {
            "to": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(_METADATA_SERVICES)}},
                {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10"]}},
            ]
        },
    ]


def disruption_budget(inputs: Inputs) -> Body:
    """One pod at a time. A single replica may be evicted, too: a node that can't be drained is worse than a restart.

    A standby is not counted: the server's pod can't start on another node before the standby has left the volume.
    """
    others = {"matchExpressions": [{"key": ROLE_LABEL, "operator": "DoesNotExist"}]} if inputs.has_standby else {}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(inputs.server), **others},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def service_account(inputs: Inputs) -> Body:
    """An identity without rights and without a token, because the server never uses the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(inputs.server, inputs.name),
        "automountServiceAccountToken": False,
    }


def service_monitor(inputs: Inputs) -> Body | None:
    """For the Prometheus operator; None if the cluster doesn't have the kind. /metrics needs no token."""
    if not inputs.has_service_monitor:
        return None
    own = metadata(inputs.server, inputs.name)
    asked = {} if inputs.spec.monitoring is None else inputs.spec.monitoring.service_monitor_labels
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {**own, "labels": {**inputs.monitor_labels, **asked, **own["labels"]}},
        "spec": {
            "selector": {
                "matchLabels": {
                    "app.kubernetes.io/instance": inputs.name,
                    "app.kubernetes.io/component": "admin",
                }
            },
            "endpoints": [{"port": "admin", "path": "/metrics"}],
        },
    }
