"""Builds the workload: a StatefulSet with a volume for SQLite, a Deployment for PostgreSQL."""

from trackpush_api.kinds.webhook_server import SqliteSpec
from trackpush_operator.desired.inputs import ROLE_LABEL, STANDBY, Body, Inputs, metadata, selector
from trackpush_operator.desired.pod import template


def workload(inputs: Inputs) -> Body:
    """The StatefulSet or the Deployment."""
    sqlite = inputs.spec.storage.sqlite
    return deployment(inputs) if sqlite is None else stateful_set(inputs, sqlite)


def stateful_set(inputs: Inputs, sqlite: SqliteSpec) -> Body:
    """One pod and its volume.

    The volume is kept when the server is deleted: it has updates that were answered with 200.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": {
            "replicas": inputs.spec.fewest_replicas,
            "serviceName": f"{inputs.name}-admin",
            "selector": {"matchLabels": selector(inputs.server)},
            "template": template(inputs),
            "volumeClaimTemplates": [_claim(sqlite)],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "updateStrategy": {"type": "RollingUpdate"},
        },
    }


def deployment(inputs: Inputs) -> Body:
    """As many pods as the spec or an autoscaler sets. In an update, a new pod is ready before an old one ends."""
    spec = inputs.spec
    is_ours = spec.autoscaling is None or spec.suspend
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": {
            **({"replicas": spec.fewest_replicas} if is_ours else {}),
            "selector": {"matchLabels": selector(inputs.server)},
            "template": template(inputs),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        },
    }


def standby(inputs: Inputs) -> Body | None:
    """The pod that accepts updates while the server's pod is replaced; a new one is ready before an old one ends."""
    if not inputs.has_standby:
        return None
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(inputs.server, f"{inputs.name}-standby", STANDBY),
        "spec": {
            "replicas": inputs.spec.fewest_replicas,
            "selector": {"matchLabels": {**selector(inputs.server), ROLE_LABEL: STANDBY}},
            "template": template(inputs, standby=True),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        },
    }


def _claim(sqlite: SqliteSpec) -> Body:
    spec: Body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": sqlite.size}}}
    if sqlite.storage_class_name is not None:
        spec["storageClassName"] = sqlite.storage_class_name
    return {"metadata": {"name": "data"}, "spec": spec}
