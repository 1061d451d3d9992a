"""HTTP to a pod through the API server's port-forward, like `kubectl port-forward` but without a local port.

Nothing listens on this machine, so other users of it can't use the tunnel. Each connection is one WebSocket. The
client's `CoreV1Api` has a method for this, but importing it takes two seconds, because it contains a model of every
kind.
"""

import http.client
import ssl
from typing import Any, Final

import certifi
from kubernetes.stream.ws_client import (
    V4_CHANNEL_PROTOCOL,
    V5_CHANNEL_PROTOCOL,
    PortForward,
    get_websocket_url,
    websocket_proxycare,
)
from urllib3 import HTTPHeaderDict
from websocket import WebSocket, WebSocketException

from trackpush_cli.cluster.access import ClusterAccess
from trackpush_cli.cluster.finding import PodPort
from trackpush_operator.kube.kinds import PODS

_PROTOCOL: Final = f"{V5_CHANNEL_PROTOCOL},{V4_CHANNEL_PROTOCOL}"
_NOT_SENT: Final = frozenset({"accept", "content-type", "user-agent"})


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
        try:
            opened = _open(self._access.client.configuration, f"{url}?ports={to.port}", headers)
        except (WebSocketException, OSError) as error:
            raise ConnectionError(_refusal(to, str(error))) from None
        forward = PortForward(opened, [to.port])
        self.sock = forward.socket(to.port)
        self.sock.settimeout(self.timeout)


def _open(configuration: Any, url: str, headers: HTTPHeaderDict) -> WebSocket:
    """Like the client's own `create_websocket`, but with all headers, including the impersonated user."""
    address = get_websocket_url(url, [])
    secure: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE}
    if address.startswith("wss://") and configuration.verify_ssl:
        secure = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert or certifi.where()}
        if configuration.assert_hostname is not None:
            secure["check_hostname"] = configuration.assert_hostname
    named = {
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
    }
    socket = WebSocket(
        sslopt=secure | {name: value for name, value in named.items() if value}, skip_utf8_validation=False
    )
    lines = [f"{name}: {value}" for name, value in headers.iteritems() if name.lower() not in _NOT_SENT]
    options: dict[str, Any] = {"header": [*lines, f"sec-websocket-protocol: {_PROTOCOL}"]}
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, address, headers)
    socket.connect(address, **options)  # type: ignore[no-untyped-call]
    return socket


def _refusal(to: PodPort, reason: str) -> str:
    first = reason.partition("-+-+-")[0].strip()
    if "403" in first:
        return f"you may not port-forward to pod {to.namespace}/{to.pod}; ask for get and create on pods/portforward"
    return f"port-forward to pod {to.namespace}/{to.pod}: {first}"
