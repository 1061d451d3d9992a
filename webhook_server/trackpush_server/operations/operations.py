"""All operations of one server: jobs that people start, and retention."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from trackpush_api.routing import RoutingTable
from trackpush_server.journal.ports import Journal
from trackpush_server.operations.drops import Drops
from trackpush_server.operations.erasures import Erasures, PushEraser
from trackpush_server.operations.inbox import InboxRetries
from trackpush_server.operations.replays import PushReplayer, Replays
from trackpush_server.operations.reseals import Reseals
from trackpush_server.operations.retention import Observer, Retainer


class OperationsPusher(PushEraser, PushReplayer, Protocol):
    """The part of the pusher that operations use."""


class Operations:
    """The operations of one server."""

    def __init__(
        self,
        journal: Journal,
        pusher: OperationsPusher,
        observer: Observer,
        *,
        served: Callable[[], RoutingTable | None],
        whole: Callable[[], RoutingTable | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``served``: the routing table without clients that are held back; ``whole``: the table with them."""
        self.replays = Replays(journal.replays, journal.search, pusher, served, wall)
        self.erasures = Erasures(journal.erasures, journal.inbox, journal.search, pusher, wall)
        self.reseals = Reseals(journal.encryption)
        self.retries = InboxRetries(journal.updates, journal.inbox, journal.search, served)
        self.drops = Drops(journal.backlog, whole, wall)
        self.retainer = Retainer(journal.retention, journal.portal_changes, observer, wall)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run retention until the block ends; then end running jobs, too."""
        async with contextlib.AsyncExitStack() as stack:
            for jobs in (self.retries.jobs, self.reseals.jobs, self.erasures.jobs, self.replays.jobs):
                stack.push_async_callback(jobs.close)
            await stack.enter_async_context(self.retainer.running())
            yield
