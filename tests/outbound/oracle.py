"""The oracle: the port of `trackpush_server.outbound` over aiohttp's client, for the conformance suite alone.

What a widely used client makes of an odd server is what ours should make of it, unless the test says why not.
"""

import asyncio
import io

import aiohttp
from yarl import URL

from trackpush_api.routing import Destination, Egress
from trackpush_server.outbound.excerpt import excerpt
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.outbound.retry_after import parse_retry_after
from trackpush_server.outbound.tls import build_context

_MOST = 64 * 1024

FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (TimeoutError, Failure.TIMEOUT),
    (aiohttp.ClientHttpProxyError, Failure.PROXY),
    (aiohttp.ClientProxyConnectionError, Failure.PROXY),
    (aiohttp.ClientConnectorDNSError, Failure.DNS),
    (aiohttp.ClientConnectorCertificateError, Failure.TLS),
    (aiohttp.ClientSSLError, Failure.TLS),
    (aiohttp.ClientConnectorError, Failure.CONNECT),
    (aiohttp.ServerDisconnectedError, Failure.RESET),
    (aiohttp.ClientOSError, Failure.RESET),
    (aiohttp.ClientResponseError, Failure.PROTOCOL),
    (aiohttp.ClientError, Failure.PROTOCOL),
)
"""The first class that fits decides."""


class OracleSender:
    """Sends to one destination through a session of its own."""

    def __init__(self, destination: Destination, egress: Egress) -> None:
        self._destination = destination
        self._egress = egress
        self._session: aiohttp.ClientSession | None = None
        self._bound = asyncio.Semaphore(destination.max_concurrency)
        self._tasks: set[asyncio.Task[Answer]] = set()

    def post(self, headers: bytes, body: bytes) -> asyncio.Future[Answer]:
        """Start one attempt."""
        task = asyncio.get_running_loop().create_task(self._post(headers, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Close the session."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _post(self, headers: bytes, body: bytes) -> Answer:
        try:
            async with self._bound:
                return await self._attempt(headers, body)
        except asyncio.CancelledError:
            return Answer(failure=Failure.RESET, detail="closed")
        except Exception as error:
            failure = next((failure for kind, failure in FAILURES if isinstance(error, kind)), None)
            if failure is None:
                raise
            return Answer(failure=failure, detail=repr(error))

    async def _attempt(self, headers: bytes, body: bytes) -> Answer:
        session = await self._open()
        own = [(name, value) for name, _, value in (line.partition(": ") for line in headers.decode().splitlines())]
        async with asyncio.timeout(self._destination.timeout):
            async with session.post(
                URL(self._destination.url, encoded=True),
                data=io.BytesIO(body) if len(body) > _MOST else body,
                headers=[*self._destination.headers, ("Content-Type", "application/json"), *own],
                allow_redirects=False,
                proxy=self._egress.proxy,
            ) as answer:
                return await self._read(answer, body)

    async def _read(self, answer: aiohttp.ClientResponse, body: bytes) -> Answer:
        start = b""
        try:
            while len(start) < _MOST and (piece := await answer.content.read(_MOST)):
                start += piece
        except (aiohttp.ClientError, TimeoutError, asyncio.CancelledError):
            answer.close()
        if not answer.content.at_eof():
            answer.close()
        value = answer.headers.get("Retry-After")
        return Answer(
            status=answer.status,
            detail=None if answer.status < 300 else excerpt(start, body),
            retry_after=None if value is None else parse_retry_after(value, 0.0),
        )

    async def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = build_context(self._destination.tls) if self._destination.url.startswith("https") else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
            )
        return self._session


class OracleTransport:
    """Makes senders."""

    def __init__(self) -> None:
        self._senders: list[OracleSender] = []

    def sender(self, destination: Destination, egress: Egress) -> OracleSender:
        """A sender for a destination."""
        sender = OracleSender(destination, egress)
        self._senders.append(sender)
        return sender

    async def close(self) -> None:
        """Close every sender."""
        for sender in self._senders:
            await sender.close()
