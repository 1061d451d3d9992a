"""Payloads that were let go to save memory are read again, those of many pushes with one read."""

import asyncio
from collections.abc import Callable

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError, StoredPush
from trackpush_server.journal.port import Journal
from trackpush_server.pusher.lanes import Lane, Lanes

_MOST = 256
"""In one read."""


class Payloads:
    """Of one PushConfig. Lives on one event loop."""

    __slots__ = ("_after", "_came", "_fault", "_journal", "_push_config", "_task", "_wanted")

    def __init__(
        self,
        journal: Journal,
        push_config: str,
        *,
        came: Callable[[Lanes, Lane, StoredPush | None], None],
        fault: Callable[[Lanes, Lane], None],
        after: Callable[[], None],
    ) -> None:
        """``came`` gets each lane with its head as it is on disk, None when it isn't pending there any more.

        ``fault`` gets each lane whose head can't be read now; ``after`` is called after the last one.
        """
        self._journal = journal
        self._push_config = push_config
        self._came = came
        self._fault = fault
        self._after = after
        self._wanted: list[tuple[Lanes, Lane]] = []
        self._task: asyncio.Task[None] | None = None

    def fetch(self, lanes: Lanes, lane: Lane) -> None:
        """Read the head's, whose lane is marked running."""
        self._wanted.append((lanes, lane))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def is_fetching(self, lanes: Lanes, lane: Lane) -> bool:
        """Whether a head's is being read."""
        return (lanes, lane) in self._wanted

    async def close(self) -> None:
        """Give up a read under way."""
        await end(self._task)

    async def _run(self) -> None:
        try:
            while self._wanted:
                batch = self._wanted[:_MOST]
                stored = await self._journal.fetch(self._push_config, [lane.head.update_id for _, lane in batch])
                self._wanted = self._wanted[len(batch) :]
                for lanes, lane in reversed(batch):  # each goes to the front of the ready ones
                    self._came(lanes, lane, stored.get(lane.head.update_id))
        except JournalUnavailableError:
            wanted, self._wanted = self._wanted, []
            for lanes, lane in wanted:
                self._fault(lanes, lane)
        finally:
            self._task = None
        self._after()
