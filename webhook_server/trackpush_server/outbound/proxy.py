"""Connects through an HTTP proxy: one CONNECT per connection (RFC 9110, section 9.3.6)."""

import asyncio
import re
import socket

from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.target import Target, parse_target

_MAX_HEAD = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r?\n)")
_END = re.compile(rb"\r?\n\r?\n")


def parse_proxy(url: str) -> Target:
    """The proxy of a WebhookServer's egress settings.

    Raises:
        AttemptError: PROXY, if the URL is not ``http://host:port``.
    """
    try:
        proxy = parse_target(url)
    except AttemptError as error:
        raise AttemptError(Failure.PROXY, f"egress.proxy of the WebhookServer: {error.detail}") from error
    if proxy.tls:
        raise AttemptError(Failure.PROXY, "egress.proxy of the WebhookServer: write http://host:port")
    return proxy


async def open_tunnel(sock: socket.socket, proxy: Target, endpoint: str) -> None:
    """Request a tunnel to ``host:port`` from the proxy at the other end of a connected socket.

    Raises:
        AttemptError: PROXY, if the proxy refuses or doesn't speak HTTP.
    """
    loop = asyncio.get_running_loop()
    request = f"CONNECT {endpoint} HTTP/1.1\r\nHost: {endpoint}\r\n\r\n".encode()
    head = b""
    try:
        await loop.sock_sendall(sock, request)
        while (end := _END.search(head)) is None:
            data = await loop.sock_recv(sock, 4096)
            head += data
            if not data or len(head) > _MAX_HEAD:
                raise AttemptError(Failure.PROXY, f"proxy {proxy.endpoint} sent no complete response to CONNECT")
    except OSError as error:
        raise AttemptError(Failure.PROXY, f"proxy {proxy.endpoint} closed the connection: {error.strerror}") from error
    status = _STATUS.match(head)
    if status is None:
        raise AttemptError(Failure.PROXY, f"proxy {proxy.endpoint} doesn't speak HTTP/1.x")
    if not status[1].startswith(b"2"):
        raise AttemptError(Failure.PROXY, f"proxy {proxy.endpoint} answered {int(status[1])} to CONNECT {endpoint}")
    if end.end() != len(head):
        raise AttemptError(Failure.PROXY, f"proxy {proxy.endpoint} sent bytes before the tunnel was used")
