"""A receiver with its listening socket and its connections: the part of a process that accepts requests."""

import asyncio
import socket

from trackpush_api.routing import Limits
from trackpush_runtime import sockets
from trackpush_server.journal.ports import UpdateLog
from trackpush_server.receiver.admission import Admission
from trackpush_server.receiver.connection import Connections
from trackpush_server.receiver.handler import Receiver
from trackpush_server.receiver.observer import ReceiverObserver
from trackpush_server.receiver.serving import Serving
from trackpush_server.receiver.spooling import Spool
from trackpush_server.tracing.port import Tracing

REQUEST_GRACE = 5.0
"""Maximum seconds for requests in progress when the server stops; each waits for at most one commit."""


class Reception:
    """Accepts requests. Before the first `serve`, each gets 503."""

    def __init__(
        self,
        *,
        journal: UpdateLog,
        observer: ReceiverObserver,
        admission: Admission | None = None,
        tracing: Tracing | None = None,
        spool: Spool | None = None,
    ) -> None:
        self.receiver = Receiver(journal=journal, observer=observer, admission=admission, tracing=tracing, spool=spool)
        self._connections = Connections(
            self.receiver.handle,
            limits=self._limits,
            on_refused=observer.connection_refused,
            on_bad_request=observer.bad_request,
        )
        self._listening: asyncio.Server | None = None

    @property
    def table_loaded(self) -> bool:
        """Whether a routing table is loaded."""
        return self.receiver.serving is not None

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def under_way(self) -> int:
        """Number of requests that wait for their commit."""
        return self.receiver.under_way

    def serve(self, serving: Serving) -> None:
        """Use this table from the next request on."""
        self.receiver.serve(serving)

    async def listen(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._connections, sock=bound, backlog=sockets.BACKLOG)

    async def stop(self) -> None:
        """Accept no new connections, answer the requests in progress, then close."""
        if self._listening is not None:
            self._listening.close()
        self._connections.pre_shutdown()
        await self._connections.shutdown(REQUEST_GRACE)

    def _limits(self) -> Limits:
        serving = self.receiver.serving
        return Limits() if serving is None else serving.limits
