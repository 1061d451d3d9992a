"""HTTP to a pod through the API server's port-forward: what `kubectl port-forward` does, without a local port.

Nothing listens on this machine, so no other user of it can use the tunnel. Each connection is one WebSocket. The
client's `CoreV1Api` has a method for it, but importing it costs two seconds: it brings a model of every kind.
"""

import http.client

from kubernetes.client.exceptions import ApiException
from kubernetes.stream.ws_client import portforward_call

from trackpush_cli.cluster.access import ClusterAccess
from trackpush_cli.cluster.finding import PodPort
from trackpush_operator.cluster.kinds import PODS


class ForwardedConnection(http.client.HTTPConnection):
    """A connection to a pod's port. ``connect`` raises OSError with a message for people."""

    def __init__(self, access: ClusterAccess, to: PodPort, *, timeout: float) -> None:
        super().__init__("127.0.0.1", to.port, timeout=timeout)
        self._access = access
        self._to = to

    def connect(self) -> None:
        """Open the tunnel."""
        to = self._to
        url, headers = self._access.addressed(PODS.path(to.namespace, to.pod, "portforward"))
        ports = [("ports", str(to.port))]
        try:
            forward = portforward_call(
                self._access.client.configuration, "GET", url, headers=headers, query_params=ports
            )
        except ApiException as error:
            raise ConnectionError(_refusal(to, str(error.reason))) from None
        self.sock = forward.socket(to.port)
        self.sock.settimeout(self.timeout)


def _refusal(to: PodPort, reason: str) -> str:
    first = reason.partition("-+-+-")[0].strip()
    if "403" in first:
        return f"you may not port-forward to pod {to.namespace}/{to.pod}; ask for get and create on pods/portforward"
    return f"port-forward to pod {to.namespace}/{to.pod}: {first}"
