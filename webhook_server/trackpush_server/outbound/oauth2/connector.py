"""aiohttp's client on top of the dialler of pushes, so that guard, proxy and TLS apply to token requests, too."""

import asyncio

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace

from trackpush_server.outbound.dial import Dialler
from trackpush_server.outbound.exchange import Progress


class _Protocol(ResponseHandler):
    """Records why its connection was closed, because aiohttp reports this only to readers, not to writers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.end: asyncio.Future[BaseException | None] = loop.create_future()

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self.end.done():  # the waiting task may have been cancelled
            self.end.set_result(exc)
        super().connection_lost(exc)


class DialledConnector(aiohttp.BaseConnector):
    """Opens a connection for one request and does not keep it.

    Overrides the same method as aiohttp's own connectors.
    """

    def __init__(self, dialler: Dialler, progress: Progress) -> None:
        super().__init__(force_close=True)
        self._dialler = dialler
        self._progress = progress
        self._protocol: _Protocol | None = None

    async def end(self) -> BaseException | None:
        """Wait until the connection is closed; returns the error, None for an orderly end or without a connection."""
        return None if self._protocol is None else await self._protocol.end

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> ResponseHandler:
        del req, traces, timeout
        self._protocol = protocol = _Protocol(asyncio.get_running_loop())
        await self._dialler.dial(self._progress, lambda: protocol)
        self._progress.stage = "waiting for the answer"
        return protocol
