"""Stores received updates and unrecognised bodies on SQLite."""

import asyncio
from collections.abc import Sequence

from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import NewUpdate
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.inbox import SqliteInbox


class SqliteUpdateLog:
    """See `trackpush_server.journal.ports.UpdateLog`."""

    def __init__(self, access: SqliteAccess, inbox: SqliteInbox) -> None:
        self._access = access
        self._inbox = inbox

    @property
    def unavailable(self) -> str | None:
        return self._access.queue.unavailable

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        append = self._access.queue.add(updates)
        self._access.put(append)
        return append.done

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        return await self._inbox.keep(bodies)
