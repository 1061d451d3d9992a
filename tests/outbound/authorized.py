"""Pushes with OAuth 2.0, in tests: a client that judges tokens, a sender with credentials, a clock that is held."""

import contextlib
import ssl
from collections.abc import AsyncIterator

from outbound.kit import BODY, PUSH_HEADERS, open_sender
from outbound.servers import OK, Peer, Server, serve
from support.authority import Authority
from trackpush_server.outbound.port import Answer, Failure, Sender

UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope"


class Clock:
    """Stands still unless the test moves it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def bearer(request: bytes) -> str:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    (line,) = [line for line in lines if line.lower().startswith("authorization:")]
    return line.partition(": ")[2]


@contextlib.asynccontextmanager
async def endpoint(authority: Authority, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A client that takes what carries a valid token."""

    async def judge(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.send(OK if authority.takes(bearer(request)) else UNAUTHORIZED)

    async with serve(judge, context=context) as server:
        yield server


def opened(authority: Authority, server: Server, **options: object) -> contextlib.AbstractAsyncContextManager[Sender]:
    return open_sender(server.url, oauth2=authority.credentials, **options)


async def failed(authority: Authority, **options: object) -> Answer:
    """The answer of one push whose token can't be had."""
    async with endpoint(authority) as server, opened(authority, server, **options) as sender:
        answer = await sender.post(PUSH_HEADERS, BODY)
        assert not server.requests, "nothing goes to the client without a token"
        assert answer.failure is Failure.TOKEN
        return answer
