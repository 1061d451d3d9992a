"""Stores each change of the configuration in the journal, once, also with several replicas and after a restart.

One replica records: the one that holds a fixed slot. Files reach replicas at different times, so a replica that takes
over may still have a revision that the history already has. It then waits for the newest one; only if it keeps the old
revision for `CATCH_UP`, somebody returned to it. The journal adds an entry only after the one that was compared with,
so two replicas that both believe to hold the slot can't store a change twice.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, TypeVar

from trackpush_api.routing import RoutingTable
from trackpush_runtime.background import Background
from trackpush_server.config_history.differences import Difference, between, since
from trackpush_server.journal.config_history import ConfigHead, NewConfigEntry
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import ConfigHistoryStore
from trackpush_server.journal.slots import Ownership
from trackpush_server.runtime import uncollected

_Old = TypeVar("_Old")
EVERY_SECONDS: Final = 0.5
CATCH_UP: Final = 600.0
"""Seconds after which a replica's revision counts as a return to it. Kubernetes updates files within two minutes."""
_SLOT: Final = "trackpush/configuration-history"
"""The replica that would send pushes of a PushConfig of this name records."""


class ConfigRecorder(Background):
    """Records the changes of one server's configuration."""

    def __init__(
        self,
        store: ConfigHistoryStore,
        ownership: Ownership,
        *,
        served: Callable[[], RoutingTable | None],
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``served`` returns the table to record; None while it is incomplete."""
        self._store = store
        self._ownership = ownership
        self._served = served
        self._wall = wall
        self._clock = clock
        self._recorded: RoutingTable | None = None
        """The table of the newest entry, as far as this process knows."""
        self._behind_since: float | None = None

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(JournalUnavailableError):  # the journal reports its own errors
                await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Record the served table, if it is new and this process records.

        Raises:
            JournalUnavailableError: try again later.
        """
        if not self._ownership.holds(_SLOT):
            self._recorded = None  # another process records now
            return
        table = self._served()
        if table is None or table is self._recorded:
            return
        now = self._wall()
        head = await self._store.head(since=int((now - CATCH_UP) * 1000))
        revision = await asyncio.to_thread(lambda: table.revision)
        if head is not None and (head.revision == revision or self._catches_up(head, revision)):
            if head.revision == revision:
                self._recorded, self._behind_since = table, None
            return
        found = await self._difference(head, table)
        entry = NewConfigEntry(
            at=int(now * 1000),
            revision=revision,
            added=found.number("added"),
            removed=found.number("removed"),
            changed=found.number("changed"),
            resources=() if head is None else found.changes,
            is_first=head is None,
        )
        after = 0 if head is None else head.id
        if await self._store.append(entry, after=after, resources=found.resources, gone=found.gone):
            self._recorded, self._behind_since = table, None

    def _catches_up(self, head: ConfigHead, revision: str) -> bool:
        """Whether this replica has an older revision for a moment, since it took over."""
        if self._ownership.alone or self._recorded is not None or revision not in head.recent:
            return False
        if self._behind_since is None:
            self._behind_since = self._clock()
        return self._clock() - self._behind_since < CATCH_UP

    async def _difference(self, head: ConfigHead | None, table: RoutingTable) -> Difference:
        known = self._recorded
        if known is not None and head is not None and known.revision == head.revision:
            return await asyncio.to_thread(_uncollected, between, known, table)
        old = {} if head is None else await self._store.resources()
        return await asyncio.to_thread(_uncollected, since, old, table)


def _uncollected(compare: Callable[[_Old, RoutingTable], Difference], old: _Old, new: RoutingTable) -> Difference:
    """Compare without collecting garbage: a scan of a large table would stop the event loop for 100 ms."""
    with uncollected():
        return compare(old, new)
