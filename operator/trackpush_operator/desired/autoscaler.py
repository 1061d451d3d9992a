"""HorizontalPodAutoscaler: more pods when they are busy, or when pushes that could be sent wait too long."""

from typing import Final

from trackpush_api.kinds.webhook_server import Autoscaling
from trackpush_api.quantities import seconds
from trackpush_operator.desired.inputs import Body, Inputs, metadata

QUEUE_AGE: Final = "trackpush_ready_queue_age_seconds"
"""The server's metric. Not of all that is pending: what a failing client keeps waiting, no pod can speed up."""
_CALM_SECONDS: Final = 300
"""So long the load has to be lower before a pod goes: each that goes hands its clients over."""


def autoscaler(inputs: Inputs) -> Body | None:
    """None without autoscaling, where another scales, and while there are to be no pods."""
    scaling = inputs.spec.autoscaling
    if scaling is None or scaling.scaled_by == "Other" or inputs.spec.suspend:
        return None
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": inputs.name},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": _metrics(scaling),
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": _CALM_SECONDS}},
        },
    }


def _metrics(scaling: Autoscaling) -> list[Body]:
    """The one that asks for most pods counts."""
    target = {"type": "Utilization", "averageUtilization": scaling.target_cpu_utilization_percentage}
    cpu: Body = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    if scaling.target_queue_age is None:
        return [cpu]
    age = f"{round(seconds(scaling.target_queue_age) * 1000)}m"
    queue: Body = {
        "type": "Pods",
        "pods": {"metric": {"name": QUEUE_AGE}, "target": {"type": "AverageValue", "averageValue": age}},
    }
    return [cpu, queue]
