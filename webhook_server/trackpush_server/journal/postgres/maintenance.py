"""Periodic maintenance: creates partitions, deletes old news and results, measures clock and size."""

import asyncio

import structlog

from trackpush_runtime.background import Background
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.clock import SharedClock, local
from trackpush_server.journal.postgres.pool import Pool

PARTITIONS_AHEAD = 3
"""Days for which partitions are created in advance."""
_EVERY = 60.0
_REMEMBERED_MS = 3_600_000
"""How long news and results of batches are kept; a replica that has not read them for so long is dead."""
_SQL = load(f"{__package__}.sql", "change_feed")
_SIZE = load(f"{__package__}.sql", "reading")["size"]
_CLOCK = load(f"{__package__}.sql", "reading")["clock"]
_PARTITIONS = load(f"{__package__}.sql", "reading")["make_partitions"]

_log = structlog.get_logger("trackpush.journal")


class Maintenance(Background):
    """Runs the maintenance of one server every minute."""

    def __init__(self, pool: Pool, replica: int, clock: SharedClock) -> None:
        self._pool = pool
        self._clock = clock
        self._replica = replica
        self.size_bytes = 0

    async def _run(self) -> None:
        while True:
            try:
                await self.see_to_it()
            except JournalUnavailableError:
                pass  # the writer reports it
            except Exception:  # noqa: BLE001  it is logged; the loop ends only with the server
                _log.exception("journal_housekeeping_failed")
            await asyncio.sleep(_EVERY)

    async def see_to_it(self) -> None:
        """Run the maintenance once."""
        await self._pool.fetch(_PARTITIONS, PARTITIONS_AHEAD)
        await self._pool.fetch(_SQL["forget"], _REMEMBERED_MS, self._replica)
        before = local()
        self._clock.measured((await self._pool.fetch(_CLOCK))[0]["clock"], before=before)
        self.size_bytes = int((await self._pool.fetch(_SIZE))[0]["size"])
