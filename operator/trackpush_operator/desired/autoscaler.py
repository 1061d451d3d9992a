"""HorizontalPodAutoscaler: adds pods that are needed.

They are needed if the pods are busy, get many requests, or have pushes that wait too long to be sent.
"""

from typing import Final

from trackpush_api.kinds.webhook_server import Autoscaling, ScalingMetrics
from trackpush_api.quantities import seconds
from trackpush_operator.desired.inputs import Body, Inputs, metadata

_CALM_SECONDS: Final = 300
"""Seconds for which the load must be low before a pod is removed, because each removal hands clients over."""


def autoscaler(inputs: Inputs) -> Body | None:
    """The autoscaler; None without autoscaling, with another scaler, and while the server is suspended."""
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
    """The metrics; the one that requires most pods decides.

    CPU is always included, because it needs no metrics adapter.
    """
    target = {"type": "Utilization", "averageUtilization": scaling.target_cpu_utilization_percentage}
    found: list[Body] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if scaling.target_rate is not None:
        found.append(_metric(scaling.metrics, scaling.metrics.rate, str(scaling.target_rate), is_sum=True))
    if scaling.target_queue_age is not None:
        age = f"{round(seconds(scaling.target_queue_age) * 1000)}m"
        found.append(_metric(scaling.metrics, scaling.metrics.queue_age, age, is_sum=False))
    return found


def _metric(names: ScalingMetrics, name: str, value: str, *, is_sum: bool) -> Body:
    """One metric. For a metric of pods, the average counts.

    An external value that is not a sum is compared as it is.
    """
    metric: Body = {"name": name}
    if names.match_labels:
        metric["selector"] = {"matchLabels": dict(names.match_labels)}
    average = {"type": "AverageValue", "averageValue": value}
    if names.source == "Pods":
        return {"type": "Pods", "pods": {"metric": metric, "target": average}}
    target = average if is_sum else {"type": "Value", "value": value}
    return {"type": "External", "external": {"metric": metric, "target": target}}
