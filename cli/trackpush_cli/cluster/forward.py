"""HTTP to a pod through the API server's port-forward: what `kubectl port-forward` does, without a local port.

Nothing listens on this machine, so no other user of it can use the tunnel. Each connection is one WebSocket.
"""

import http.client

from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward

from trackpush_cli.cluster.access import ClusterAccess, core
from trackpush_cli.cluster.finding import PodPort


class ForwardedConnection(http.client.HTTPConnection):
    """A connection to a pod's port. ``connect`` raises OSError with a message for people."""

    def __init__(self, access: ClusterAccess, to: PodPort, *, timeout: float) -> None:
        super().__init__("127.0.0.1", to.port, timeout=timeout)
        self._api = core(access)
        self._to = to

    def connect(self) -> None:
        """Open the tunnel."""
        to = self._to
        open_forward = self._api.connect_get_namespaced_pod_portforward
        try:
            forward = portforward(open_forward, to.pod, to.namespace, ports=str(to.port))
        except ApiException as error:
            raise ConnectionError(_refusal(to, str(error.reason))) from None
        self.sock = forward.socket(to.port)
        self.sock.settimeout(self.timeout)


def _refusal(to: PodPort, reason: str) -> str:
    first = reason.partition("-+-+-")[0].strip()
    if "403" in first:
        return f"you may not port-forward to pod {to.namespace}/{to.pod}; ask for get and create on pods/portforward"
    return f"port-forward to pod {to.namespace}/{to.pod}: {first}"
