"""The Services: one for aggregators, and headless ones for clients of admin ports and for the metrics of a standby."""

from trackpush_operator.desired.inputs import ADMIN_PORT, ROLE_LABEL, STANDBY, Body, Inputs, metadata, selector


def public_service(inputs: Inputs) -> Body:
    """The Service on port 80 for the Ingress or gateway."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": {
            "selector": selector(inputs.server),
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def admin_service(inputs: Inputs) -> Body:
    """The headless Service. It includes pods that aren't ready, which need attention, and no standby: it has no API."""
    only = {"statefulset.kubernetes.io/pod-name": f"{inputs.name}-0"} if inputs.has_standby else {}
    return _of_admin_ports(inputs, f"{inputs.name}-admin", only)


def standby_service(inputs: Inputs) -> Body | None:
    """The headless Service by which a ServiceMonitor finds the standby's metrics."""
    return _of_admin_ports(inputs, f"{inputs.name}-standby", {ROLE_LABEL: STANDBY}) if inputs.has_standby else None


def _of_admin_ports(inputs: Inputs, name: str, only: dict[str, str]) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(inputs.server, name, "admin"),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {**selector(inputs.server), **only},
            "ports": [{"name": "admin", "port": ADMIN_PORT, "targetPort": "admin", "protocol": "TCP"}],
        },
    }
