"""The server's port to its receivers, and the implementation without separate processes."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from trackpush_server.config.source import Loaded
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiver.serving import Serving
from trackpush_server.telemetry.summed import Samples

Take = Callable[[], Awaitable[None]]
"""Serves a table that was prepared; returns when no request is answered by the one before any more."""


class Receiving(Protocol):
    """Methods are called on the event loop, unless they say otherwise."""

    @property
    def table_loaded(self) -> bool:
        """Whether requests are answered by a routing table."""
        ...

    @property
    def accepting(self) -> bool:
        """Whether a process accepts requests."""
        ...

    @property
    def connections(self) -> int: ...

    @property
    def under_way(self) -> int:
        """Requests of this process that wait for their commit."""
        ...

    def samples(self) -> Sequence[Samples]: ...

    def prepare(self, loaded: Loaded) -> Take:
        """Do the slow part of a new table; called in a thread."""
        ...

    async def start(self, bound: socket.socket) -> None:
        """Prepare to accept requests at this socket's address; it is bound but doesn't listen.

        Raises:
            CannotStartError: it can't.
        """
        ...

    async def open(self) -> None:
        """Accept requests from now on.

        Raises:
            CannotStartError: it can't.
        """
        ...

    async def stop(self) -> None:
        """Accept no new connections, answer open requests, end."""
        ...


class InProcess:
    """Accepts requests in the main process itself."""

    def __init__(self, reception: Reception) -> None:
        self.reception = reception
        self.accepting = False
        self._bound: socket.socket | None = None

    @property
    def table_loaded(self) -> bool:
        """Whether requests are answered by a routing table."""
        return self.reception.table_loaded

    @property
    def connections(self) -> int:
        return self.reception.connections

    @property
    def under_way(self) -> int:
        """Requests that wait for their commit."""
        return self.reception.under_way

    def samples(self) -> Sequence[Samples]:
        return ()

    def prepare(self, loaded: Loaded) -> Take:
        """In a thread."""
        assert loaded.table is not None
        serving = Serving(loaded.table, complete=loaded.complete)

        async def take() -> None:
            self.reception.serve(serving)

        return take

    async def start(self, bound: socket.socket) -> None:
        self._bound = bound

    async def open(self) -> None:
        assert self._bound is not None
        await self.reception.listen(self._bound)
        self.accepting = True

    async def stop(self) -> None:
        self.accepting = False
        await self.reception.stop()
        if self._bound is not None:
            self._bound.close()
