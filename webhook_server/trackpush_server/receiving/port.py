"""The server's port to its receivers, and the implementation without separate processes."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from trackpush_server.config.source import Loaded
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiver.serving import Serving
from trackpush_server.telemetry.summed import Samples

Take = Callable[[], Awaitable[None]]
"""Switches to a prepared table; returns when no request uses the previous table any more."""


class Receiving(Protocol):
    """The receivers of a server. Methods are called on the event loop unless their docstring says otherwise."""

    @property
    def table_loaded(self) -> bool:
        """Whether a routing table is loaded, so that requests can be answered."""
        ...

    @property
    def accepting(self) -> bool:
        """Whether at least one process accepts requests."""
        ...

    @property
    def connections(self) -> int: ...

    @property
    def under_way(self) -> int:
        """Number of requests of this process that wait for their commit."""
        ...

    def samples(self) -> Sequence[Samples]: ...

    def prepare(self, loaded: Loaded) -> Take:
        """Do the slow part of a change to a new table. Called in a thread."""
        ...

    async def start(self, bound: socket.socket) -> None:
        """Prepare to accept requests on this socket, which is bound but does not listen yet.

        Raises:
            CannotStartError: the receivers can't start.
        """
        ...

    async def open(self) -> None:
        """Start accepting requests.

        Raises:
            CannotStartError: the receivers can't listen.
        """
        ...

    async def stop(self) -> None:
        """Accept no new connections, answer open requests, then end."""
        ...


class InProcess:
    """Accepts requests in the main process."""

    def __init__(self, reception: Reception) -> None:
        self.reception = reception
        self.accepting = False
        self._bound: socket.socket | None = None

    @property
    def table_loaded(self) -> bool:
        """Whether a routing table is loaded."""
        return self.reception.table_loaded

    @property
    def connections(self) -> int:
        return self.reception.connections

    @property
    def under_way(self) -> int:
        """Number of requests that wait for their commit."""
        return self.reception.under_way

    def samples(self) -> Sequence[Samples]:
        return ()

    def prepare(self, loaded: Loaded) -> Take:
        """Build the data for a new table. Called in a thread."""
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
