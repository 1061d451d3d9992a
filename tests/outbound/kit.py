"""What the suite's tests share: both transports, a destination on loopback, one post."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from outbound.oracle import OracleTransport
from trackpush_api.routing import Destination, Egress
from trackpush_server.outbound.port import Answer, Sender, Transport
from trackpush_server.outbound.transport import HttpTransport

LOOPBACK = Egress(https_only=False, allowed_cidrs=("127.0.0.0/8", "::1/128"))
PUSH_HEADERS = b"webhook-id: psh_1\r\n"
BODY = b'{"id": "psh_1"}'
OURS, ORACLE = "ours", "aiohttp"
BOTH = (OURS, ORACLE)


def make_transport(which: str) -> Transport:
    """One of the two."""
    return HttpTransport() if which == OURS else OracleTransport()


@contextlib.asynccontextmanager
async def open_sender(
    url: str, *, which: str = OURS, egress: Egress = LOOPBACK, transport: Transport | None = None, **options: Any
) -> AsyncIterator[Sender]:
    """A sender to this URL; everything is closed when the block ends."""
    options.setdefault("timeout", 5.0)
    transport = transport or make_transport(which)
    try:
        yield transport.sender(Destination(name="acme/oms", url=url, **options), egress)
    finally:
        await transport.close()


async def post_once(url: str, *, body: bytes = BODY, **options: Any) -> Answer:
    """One attempt over a sender of its own."""
    async with open_sender(url, **options) as sender:
        return await sender.post(PUSH_HEADERS, body)
