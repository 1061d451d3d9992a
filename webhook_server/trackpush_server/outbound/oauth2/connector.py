"""aiohttp's client over our dialler: the guard, the proxy and the TLS of pushes hold for token requests, too."""

import asyncio

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace

from trackpush_server.outbound.dial import Dialler
from trackpush_server.outbound.exchange import Progress


class DialledConnector(aiohttp.BaseConnector):
    """For one request: its connection isn't kept. Overrides the one method that aiohttp's own connectors override."""

    def __init__(self, dialler: Dialler, progress: Progress) -> None:
        super().__init__(force_close=True)
        self._dialler = dialler
        self._progress = progress

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> ResponseHandler:
        del req, traces, timeout
        protocol = ResponseHandler(asyncio.get_running_loop())
        await self._dialler.dial(self._progress, lambda: protocol)
        self._progress.stage = "waiting for the answer"
        return protocol
