"""Stores received updates and unrecognised bodies on PostgreSQL."""

import asyncio
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import NewUpdate
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.clock import SharedClock
from trackpush_server.journal.postgres.inbox import PostgresInbox


class PostgresUpdateLog:
    """See `trackpush_server.journal.ports.UpdateLog`."""

    def __init__(self, access: PostgresAccess, inbox: PostgresInbox, clock: SharedClock) -> None:
        self._access = access
        self._inbox = inbox
        self._clock = clock

    @property
    def unavailable(self) -> str | None:
        return self._access.appends.unavailable

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        queue = self._access.queue
        append = self._access.appends.add(self._by_shared_clock(updates), number=queue.number())
        queue.append(append)
        return append.done

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        return await self._inbox.keep(bodies)

    def _by_shared_clock(self, updates: Sequence[NewUpdate]) -> Sequence[NewUpdate]:
        """The updates with times of receipt of the shared clock, by which all replicas compute an update's age."""
        ahead = round(self._clock.ahead * 1000)
        if not ahead:
            return updates
        return [msgspec.structs.replace(update, received_at=update.received_at - ahead) for update in updates]
