"""Builds the manifests of a WebhookServer's children. Pure: one builder for each child, with golden files."""

from trackpush_operator.desired.autoscaler import autoscaler
from trackpush_operator.desired.exposure import exposure
from trackpush_operator.desired.inputs import Body, Inputs
from trackpush_operator.desired.policies import disruption_budget, network_policy, service_account, service_monitor
from trackpush_operator.desired.services import admin_service, public_service
from trackpush_operator.desired.workload import standby, workload

_BUILDERS = (
    service_account,
    network_policy,
    disruption_budget,
    admin_service,
    public_service,
    standby,
    workload,
    autoscaler,
    exposure,
    service_monitor,
)


def children(inputs: Inputs) -> list[Body]:
    """All children except the Secrets, in the order in which they are applied: first those that pods need."""
    made = (build(inputs) for build in _BUILDERS)
    return [body for body in made if body is not None]


__all__ = ["Body", "Inputs", "children"]
