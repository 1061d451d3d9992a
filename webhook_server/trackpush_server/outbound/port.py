"""The transport's port: sends one push over HTTP/1.1 and returns the result.

The conformance suite in tests/outbound runs this transport and, for comparison, aiohttp's client against the same
servers.
"""

import asyncio
from enum import StrEnum
from typing import Protocol

import msgspec

from trackpush_api.routing import Destination, Egress
from trackpush_server.outbound.answered import Said


class Failure(StrEnum):
    """Why an attempt has no usable response."""

    DENIED = "denied"
    """The egress guard refuses the address, the scheme or the URL."""
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    """The connection was closed before a complete head was read."""
    PROTOCOL = "protocol"
    """The response is not HTTP/1.x, or its head is too large."""
    PROXY = "proxy"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    """No OAuth 2.0 token could be obtained; nothing was sent."""
    FENCED = "fenced"
    """Another replica may already send this destination's pushes; nothing was sent."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one attempt: an HTTP status, or a failure."""

    status: int | None = None
    failure: Failure | None = None
    detail: str | None = None
    """One short printable line for people: the reason of a failure, or the beginning of the response's body."""
    cause: str | None = None
    """For a `Failure.TOKEN`: why there is no token, in a few words, without the endpoint's own text."""
    retry_after: float | None = None
    """Seconds from now, from a Retry-After header in either form."""
    duration: float = 0.0
    """Seconds from the start of the attempt, including the connection setup."""
    said: Said | None = None
    """The answer as it came; None without one."""
    is_permanent: bool = False
    """Whether every attempt fails in this way until the configuration changes."""


class Sender(Protocol):
    """Sends to one destination, over its own pool of connections."""

    def post(self, headers: bytes, body: bytes) -> asyncio.Future[Answer]:
        """Start one attempt. The future never fails: every failure is an Answer.

        ``headers`` are the push's own header lines, each ended by CRLF; the sender adds the destination's (Host, client
        headers, Content-Type, Content-Length, User-Agent).
        """
        ...

    async def close(self) -> None:
        """Close the pool. Running attempts end as Failure.RESET."""
        ...


class Transport(Protocol):
    """Creates senders. A server process has one; it owns resolver, guard and TLS contexts."""

    def sender(self, destination: Destination, egress: Egress) -> Sender:
        """A sender for this version of a destination."""
        ...

    async def close(self) -> None: ...
