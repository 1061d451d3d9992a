"""The two Services: one for aggregators; one, headless, for clients of each pod's admin port."""

from trackpush_operator.desired.inputs import ADMIN_PORT, Body, Inputs, metadata, selector


def public_service(inputs: Inputs) -> Body:
    """Port 80, to which the ingress or gateway sends."""
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
    """Includes pods that aren't ready, because those need attention."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(inputs.server, f"{inputs.name}-admin", "admin"),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(inputs.server),
            "ports": [{"name": "admin", "port": ADMIN_PORT, "targetPort": "admin", "protocol": "TCP"}],
        },
    }
