"""What a server sees to now and then: partitions ahead, news and answers that nobody needs any more, the size."""

import asyncio

import structlog

from trackpush_runtime.background import Background
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.clock import SharedClock, local
from trackpush_server.journal.postgres.pool import Pool

PARTITIONS_AHEAD = 3
"""Days."""
_EVERY = 60.0
_REMEMBERED_MS = 3_600_000
"""News and answers; a replica that hasn't looked for as long isn't alive."""
_SQL = load(f"{__package__}.sql", "change_feed")
_SIZE = load(f"{__package__}.sql", "reading")["size"]
_CLOCK = load(f"{__package__}.sql", "reading")["clock"]
_PARTITIONS = load(f"{__package__}.sql", "reading")["make_partitions"]

_log = structlog.get_logger("trackpush.journal")


class Maintenance(Background):
    """Of one server."""

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
                pass  # told by the writer
            except Exception:  # noqa: BLE001  it is logged; the loop ends only with the server
                _log.exception("journal_housekeeping_failed")
            await asyncio.sleep(_EVERY)

    async def see_to_it(self) -> None:
        """One round."""
        await self._pool.fetch(_PARTITIONS, PARTITIONS_AHEAD)
        await self._pool.fetch(_SQL["forget"], _REMEMBERED_MS, self._replica)
        before = local()
        self._clock.measured((await self._pool.fetch(_CLOCK))[0]["clock"], before=before)
        self.size_bytes = int((await self._pool.fetch(_SIZE))[0]["size"])
