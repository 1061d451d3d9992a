"""The two Services: one for aggregators; one, headless, for clients of each pod's admin port."""

from trackpush_operator.desired.inputs import ADMIN_PORT, PORTAL_PORT, Body, Inputs, metadata, selector


def public_service(inputs: Inputs) -> Body:
    """The Service for the Ingress or gateway: port 80 for aggregators, and one for the portal if there is one."""
    ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    if inputs.spec.portal is not None:
        ports.append({"name": "portal", "port": PORTAL_PORT, "targetPort": "portal", "protocol": "TCP"})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": {
            "selector": selector(inputs.server),
            "ports": ports,
        },
    }


def admin_service(inputs: Inputs) -> Body:
    """The headless Service. It includes pods that aren't ready, which need attention, and no standby: it has no API."""
    only = {"statefulset.kubernetes.io/pod-name": f"{inputs.name}-0"} if inputs.has_standby else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(inputs.server, f"{inputs.name}-admin", "admin"),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {**selector(inputs.server), **only},
            "ports": [{"name": "admin", "port": ADMIN_PORT, "targetPort": "admin", "protocol": "TCP"}],
        },
    }
