"""The pod template that StatefulSet and Deployment share. It meets the restricted Pod Security Standard."""

from typing import Any, Final

from trackpush_api import shards
from trackpush_api.kinds import WebhookServerSpec
from trackpush_operator.desired.inputs import (
    ADMIN_PORT,
    HTTP_PORT,
    PORTAL_PORT,
    ROLE_LABEL,
    STANDBY,
    Body,
    Inputs,
    labels,
    selector,
)
from trackpush_operator.desired.merge import merged

USER: Final = 65532
DATA: Final = "/var/lib/trackpush"
_DATA_VOLUME: Final = {"name": "TRACKPUSH_DATA_VOLUME", "value": "1"}
"""Tells the server that the volume may be writable by all users, which a pod can't change.

It is an environment variable, because an older image would refuse an unknown option.
"""
_WAIT: Final = {"name": "TRACKPUSH_WAIT", "value": "true"}
"""Tells the server to wait, because the previous pod may still use the volume. A variable for the same reason."""
_PORTAL: Final = {"name": "TRACKPUSH_PORTAL_LISTEN", "value": f"0.0.0.0:{PORTAL_PORT}"}
"""Tells the server to serve the portal. A variable for the same reason."""
_ROUTING: Final = "/etc/trackpush/routing"
_ADMIN: Final = "/etc/trackpush/admin"
_ENDPOINTS_SECONDS: Final = 5
"""preStop delay in seconds: the endpoint must be removed from all proxies first."""
_LONG_ENDPOINTS_SECONDS: Final = 15
"""The same with a standby. It is longer for slow proxies: what they send later is lost with senders that post once."""
_DRAIN_SECONDS: Final = 25
_CPU_MILLIS: Final = 100
"""CPU request for each process."""
_SCALED_CPU_MILLIS: Final = 1000
"""The same with autoscaling, whose target is a share of the request. A process can use one whole CPU at most."""
_MEBIBYTES: Final = (128, 512)
"""Memory request and limit of a pod without receiving processes."""
_RECEIVER_MEBIBYTES: Final = (64, 128)
"""Additional memory for each receiving process."""


def template(inputs: Inputs, *, standby: bool = False) -> Body:
    """Metadata and spec of the server's pods, or of its standby's, with the podTemplate merged in."""
    server, override = inputs.server, inputs.spec.pod_template
    spec: Body = {
        "serviceAccountName": inputs.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            **({"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER} if inputs.fixed_user else {}),
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **_pull_secrets(inputs),
        "terminationGracePeriodSeconds": _endpoints_seconds(inputs) + _DRAIN_SECONDS + 15,
        "topologySpreadConstraints": [_spread(server)],
        **({"affinity": _beside_each_other(server)} if inputs.has_standby else {}),
        "containers": [_container(inputs, standby=standby)],
        "volumes": _volumes(inputs, standby=standby),
    }
    own = labels(server, "server") | ({ROLE_LABEL: STANDBY} if standby else {})
    if override is None:
        return {"metadata": {"labels": own}, "spec": spec}
    meta: Body = {"labels": {**override.labels, **own}}
    if override.annotations:
        meta["annotations"] = dict(override.annotations)
    return {"metadata": meta, "spec": merged(spec, override.spec)}


def _container(inputs: Inputs, *, standby: bool) -> Body:
    return {
        "name": "server",
        "image": inputs.spec.image or inputs.image,
        **({} if inputs.image_pull_policy is None else {"imagePullPolicy": inputs.image_pull_policy}),
        "args": [
            "serve",
            f"--shards={_ROUTING}",
            f"--server={inputs.namespace}/{inputs.name}",
            f"--listen=0.0.0.0:{HTTP_PORT}",
            f"--admin-listen=0.0.0.0:{ADMIN_PORT}",
            f"--admin-token-file={_ADMIN}/token",
            f"--data={DATA}",
            "--log-format=json",
            f"--drain-grace={_DRAIN_SECONDS}s",
            *(["--await-settings"] if inputs.spec.storage.postgres is not None else []),
            *([f"--receivers={inputs.spec.receivers}"] if inputs.spec.receivers and not standby else []),
            *(["--standby"] if standby else []),
        ],
        **_environment(inputs, standby=standby),
        "ports": _ports(inputs, standby=standby),
        "startupProbe": _probe("/livez", period=1, failures=60),
        "livenessProbe": _probe("/livez", period=10, failures=6),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": _endpoints_seconds(inputs)}}},
        "resources": _resources(inputs.spec, receivers=0 if standby else inputs.spec.receivers),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": DATA},
            {"name": "routing", "mountPath": _ROUTING, "readOnly": True},
            {"name": "admin", "mountPath": _ADMIN, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the only other place that can be written
        ],
    }


def _environment(inputs: Inputs, *, standby: bool) -> Body:
    variables = [] if inputs.spec.storage.sqlite is None else [_DATA_VOLUME, _WAIT]
    variables += [_PORTAL] if _has_portal(inputs, standby=standby) else []
    return {"env": variables} if variables else {}


def _ports(inputs: Inputs, *, standby: bool) -> list[Body]:
    ports: list[Body] = [
        {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
        {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
    ]
    if _has_portal(inputs, standby=standby):
        ports.append({"name": "portal", "containerPort": PORTAL_PORT, "protocol": "TCP"})
    return ports


def _has_portal(inputs: Inputs, *, standby: bool) -> bool:
    """Whether these pods serve the portal. A standby has no journal to show."""
    return inputs.spec.portal is not None and not standby


def _endpoints_seconds(inputs: Inputs) -> int:
    return _LONG_ENDPOINTS_SECONDS if inputs.has_standby else _ENDPOINTS_SECONDS


def _pull_secrets(inputs: Inputs) -> Body:
    names = inputs.image_pull_secrets
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def _resources(spec: WebhookServerSpec, *, receivers: int) -> Body:
    cpu = _CPU_MILLIS if spec.autoscaling is None else _SCALED_CPU_MILLIS
    requested, limit = (own + receivers * more for own, more in zip(_MEBIBYTES, _RECEIVER_MEBIBYTES, strict=True))
    return {
        "requests": {"cpu": f"{cpu * (1 + receivers)}m", "memory": f"{requested}Mi"},
        "limits": {"memory": f"{limit}Mi"},
    }


def _probe(path: str, *, period: int, failures: int) -> Body:
    return {
        "httpGet": {"path": path, "port": "admin"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _volumes(inputs: Inputs, *, standby: bool) -> list[Body]:
    """The volumes. One contains all possible shards of the routing table, so that a new shard needs no restart."""
    sources: list[Body] = [
        {
            "secret": {
                "name": f"{inputs.name}-routing-{name}",
                "optional": True,
                "items": [{"key": shards.FILE, "path": f"{name}.json"}],
            }
        }
        for name in shards.FILE_NAMES
    ]
    volumes: list[Body] = [
        {"name": "routing", "projected": {"sources": sources}},
        {"name": "admin", "secret": {"secretName": f"{inputs.name}-admin-token"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if inputs.spec.storage.sqlite is None:
        volumes.append({"name": "data", "emptyDir": {"sizeLimit": "64Mi"}})
    if standby:  # the server's own claim, which the StatefulSet makes
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": f"data-{inputs.name}-0"}})
    return volumes


def _beside_each_other(server: Body) -> Body:
    """Server and standby share a volume, which only one node can mount. The first of the two may go to any node."""
    term = {"labelSelector": {"matchLabels": selector(server)}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _spread(server: Body) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(server)},
    }
