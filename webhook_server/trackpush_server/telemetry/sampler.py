"""Samples the number of pending pushes regularly, so that charts have values for times without requests."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from trackpush_runtime.background import Background
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.search import JournalSearch, QueueCount
from trackpush_server.telemetry.windows import Windows

EVERY_SECONDS = 15.0
_FRESH_SECONDS = 2.0
_SHARE = 0.02
"""Maximum share of the reader's time: with thousands of PushConfigs counting takes longer."""


class Sampler(Background):
    """Takes the samples of one journal."""

    def __init__(self, lookup: JournalSearch, windows: Windows, wall: Callable[[], float] = time.time) -> None:
        self._lookup = lookup
        self._windows = windows
        self._wall = wall
        self._counts: dict[str, QueueCount] = {}
        self._counted_at = -_FRESH_SECONDS
        self._took = 0.0

    async def counts(self) -> Mapping[str, QueueCount]:
        """Pending and dead pushes by PushConfig, counted now or a moment ago.

        Raises:
            JournalUnavailableError: the journal can't be read now.
        """
        if time.monotonic() - self._counted_at >= max(_FRESH_SECONDS, self._took / _SHARE):
            await self.sample()
        return self._counts

    async def sample(self) -> None:
        """Take one sample.

        Raises:
            JournalUnavailableError: the journal can't be read now.
        """
        begun = time.monotonic()
        self._counts = {count.push_config: count for count in await self._lookup.counts()}
        self._counted_at = time.monotonic()
        self._took = self._counted_at - begun
        now = self._wall()
        self._windows.waiting(
            (count.push_config, count.pending, _age(count.oldest_received_at, now)) for count in self._counts.values()
        )

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(JournalUnavailableError):  # the journal reports its own errors
                await self.sample()
            await asyncio.sleep(max(EVERY_SECONDS, self._took / _SHARE))


def _age(oldest: int | None, now: float) -> float:
    return 0.0 if oldest is None else max(0.0, now - oldest / 1000)
