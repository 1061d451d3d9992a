"""One request over a transport of its own: for tests of an endpoint, which must not affect its pushes."""

from trackpush_api.routing import Destination, Egress
from trackpush_server.outbound.port import Answer
from trackpush_server.outbound.transport import HttpTransport


async def post_once(destination: Destination, egress: Egress, headers: bytes, body: bytes) -> Answer:
    """Send one request through the egress guard; ``headers`` are complete header lines. Never raises."""
    transport = HttpTransport()
    try:
        sender = transport.sender(destination, egress)
        answer = await sender.post(headers, body)
        await sender.close()
        return answer
    finally:
        await transport.close()
