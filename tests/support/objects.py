"""Objects as the API server shows them, for tests of the operator."""

import base64
import itertools
from typing import Any

Body = dict[str, Any]
_versions = itertools.count(1000)
_uids = itertools.count(1)
API = "trackpush.dev/v1alpha1"


def made(body: Body, *, created: str = "2026-01-01T00:00:00Z", generation: int = 1) -> Body:
    """A body as if the API server had just stored it: uid, newest resource version, generation."""
    metadata = {
        "namespace": "default",
        "uid": f"uid-{next(_uids)}",
        "creationTimestamp": created,
        "generation": generation,
        **body["metadata"],
        "resourceVersion": str(next(_versions)),
    }
    return {**body, "metadata": metadata}


def changed(body: Body, **parts: Any) -> Body:
    """The same object a version later, its generation one more."""
    metadata = {
        **body["metadata"],
        "resourceVersion": str(next(_versions)),
        "generation": body["metadata"]["generation"] + 1,
    }
    return {**body, **parts, "metadata": metadata}


def server(name: str = "main", namespace: str = "trackpush", **spec: Any) -> Body:
    """A WebhookServer for all namespaces, with the hosts of the design's example."""
    given = {
        "hosts": [
            {"host": "saas.increff.com", "aggregators": ["Clickpost", "Shiprocket"]},
            {"host": "saas.nextscm.com", "aggregators": ["Shipway"]},
        ],
        "allowedNamespaces": {"from": "All"},
        **spec,
    }
    return _body("WebhookServer", name, namespace, given)


def webhook(
    name: str = "clickpost", namespace: str = "acme", *, held_in: str = "keys", key: str = "in", **spec: Any
) -> Body:
    """An AggregatorWebhook of Clickpost's that names no server."""
    given = {"aggregator": "Clickpost", "keys": [{"secretKeyRef": {"name": held_in, "key": key}}], **spec}
    return _body("AggregatorWebhook", name, namespace, given)


def push(name: str = "oms", namespace: str = "acme", *, held_in: str = "keys", key: str = "out", **spec: Any) -> Body:
    """A PushConfig with one header from a Secret."""
    header = {"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": held_in, "key": key}}}
    return _body("PushConfig", name, namespace, {"url": "https://oms.example/hook", "headers": [header], **spec})


def definition(name: str = "parcelkit", namespace: str = "trackpush", **spec: Any) -> Body:
    """An AggregatorDefinition with one sample, which it reads as expected."""
    given = {
        "path": name,
        "timezone": "Asia/Kolkata",
        "updates": [{"as": "shipment", "in": "body.shipments"}],
        "fields": {"awb": "shipment.waybill", "occurredAt": "shipment.at"},
        "status": {
            "code": "shipment.code",
            "table": [{"when": "DL", "status": "DELIVERED"}, {"when": "OF", "status": "OUT_FOR_DELIVERY"}],
        },
        "samples": [
            {
                "name": "delivered",
                "body": {"shipments": [{"waybill": "7001", "code": "DL", "at": "2026-06-01 10:04:00"}]},
                "expect": [{"awb": "7001", "status": "DELIVERED", "occurredAt": "2026-06-01T04:34:00Z"}],
            }
        ],
        **spec,
    }
    return _body("AggregatorDefinition", name, namespace, given)


def secret(name: str = "keys", namespace: str = "acme", **values: str) -> Body:
    """A Secret."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def namespace(name: str, **labels: str) -> Body:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name: str, *, of: str = "main", namespace: str = "trackpush", ip: str = "127.0.0.2", port: int = 8081) -> Body:
    """A ready pod of a server."""
    labels = {
        "app.kubernetes.io/name": "trackpush",
        "app.kubernetes.io/instance": of,
        "app.kubernetes.io/managed-by": "trackpush-operator",
    }
    ports = [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": port}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "server", "image": "trackpush:test", "ports": ports}]},
        "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _body(kind: str, name: str, namespace: str, spec: Body) -> Body:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
