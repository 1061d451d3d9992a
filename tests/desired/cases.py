"""WebhookServers whose children are compared with golden files."""

from typing import Any

from trackpush_api.kinds import WebhookServerSpec
from trackpush_operator.desired import Inputs

_HOSTS = [
    {"host": "saas.increff.com", "aggregators": ["Clickpost", "Shiprocket"]},
    {"host": "saas.nextscm.com", "aggregators": ["Shipway"]},
]
SPECS: dict[str, dict[str, Any]] = {
    "minimal": {},
    "sqlite-ingress": {
        "hosts": _HOSTS,
        "storage": {"sqlite": {"size": "20Gi", "storageClassName": "fast"}},
        "expose": {
            "ingress": {"className": "traefik", "tlsSecretName": "saas-tls", "annotations": {"a.example/b": "c"}}
        },
    },
    "postgres-http-route": {
        "hosts": _HOSTS,
        "storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}},
        "replicas": 3,
        "expose": {"httpRoute": {"parentRefs": [{"name": "edge", "namespace": "gateways", "sectionName": "https"}]}},
    },
    "postgres-autoscaled": {
        "storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}},
        "autoscaling": {"minReplicas": 3, "maxReplicas": 12, "targetRate": 2000, "targetQueueAge": "1m30s"},
    },
    "monitored": {
        "storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}},
        "monitoring": {
            "serviceMonitorLabels": {"release": "prometheus"},
            "scrapers": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
                },
                {"namespaceSelector": {"matchLabels": {"team": "metrics"}}},
            ],
        },
    },
    "sqlite-portal": {
        "hosts": _HOSTS,
        "portal": {"host": "portal.increff.com"},
        "storage": {"sqlite": {"standby": True}},
        "expose": {"ingress": {"className": "traefik", "tlsSecretName": "saas-tls"}},
    },
    "postgres-portal": {
        "hosts": _HOSTS,
        "portal": {"host": "portal.increff.com", "edit": True},
        "storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}},
        "replicas": 2,
        "expose": {"httpRoute": {"parentRefs": [{"name": "edge", "namespace": "gateways"}]}},
    },
    "receivers": {"receivers": 2},
    "sqlite-standby": {"storage": {"sqlite": {"standby": True}}, "receivers": 1},
    "suspended": {"suspend": True},
    "overrides": {
        "image": "registry.example/trackpush:1",
        "podTemplate": {
            "labels": {"team": "rms"},
            "annotations": {"note": "x"},
            "spec": {
                "nodeSelector": {"disk": "ssd"},
                "priorityClassName": "high",
                "containers": [
                    {
                        "name": "server",
                        "resources": {"limits": {"memory": "1Gi"}},
                        "env": [{"name": "TZ", "value": "UTC"}],
                    },
                    {
                        "name": "proxy",
                        "image": "registry.example/proxy:1",
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    },
                ],
                "topologySpreadConstraints": None,
            },
        },
    },
}


def inputs(case: str, **changes: Any) -> Inputs:
    """The inputs of a case; HTTPRoutes and ServiceMonitors are there in the PostgreSQL one."""
    has_optional = case.startswith("postgres") or case == "monitored"
    return Inputs(
        server={"metadata": {"name": "main", "namespace": "trackpush", "uid": "0f0e0d0c-0000-4000-8000-000000000001"}},
        spec=WebhookServerSpec.model_validate({**SPECS[case], **changes}),
        image="docker.io/library/trackpush:1.2.3",
        has_service_monitor=has_optional,
        has_http_route=has_optional,
        operator_namespace="trackpush-system",
        operator_labels={"app.kubernetes.io/name": "trackpush", "app.kubernetes.io/component": "operator"},
    )
