"""Updates as a standby parses them, and a journal that reads its spool."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from support.serving import account, table
from trackpush_aggregators import Leftover, Parsed
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.routing import Account, RoutingTable
from trackpush_api.vocabulary import Aggregator, Direction, Status
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.spool.files import SpoolFiles
from trackpush_server.spool.read_in import SpooledFirst
from trackpush_server.spool.writer import SpoolWriter
from trackpush_server.telemetry.ingest import IngestTelemetry
from trackpush_server.telemetry.labels import BoundedLabels
from trackpush_server.telemetry.spool import SpoolTelemetry

if TYPE_CHECKING:
    from trackpush_server.journal.model import Committed

NOW = 1_760_000_000_000
ACCOUNT = account(Aggregator.CLICKPOST, "key")


def tracking(shipment: str, status: Status, *, second: int | None = 0) -> TrackingUpdate:
    """An update; without a time if ``second`` is None."""
    return TrackingUpdate(
        aggregator=Aggregator.CLICKPOST,
        identity=(shipment, status.value, str(second)),
        shipment=shipment,
        awb=shipment,
        status=status,
        direction=Direction.FORWARD,
        occurred_at=None if second is None else NOW + second * 1000,
        body=b'{"awb":"%s"}' % shipment.encode(),
    )


def parsed(*updates: TrackingUpdate, leftovers: tuple[Leftover, ...] = ()) -> Parsed:
    """A request with these updates."""
    return Parsed(updates=updates, identified=True, leftovers=leftovers)


class Owner:
    """The side of the journal's owner."""

    def __init__(self, data: Path, sealer: Sealer) -> None:
        self.files = SpoolFiles(data)
        self.journal = SqliteJournal(data, sealer=sealer)
        self.committed: list[Committed] = []
        self.journal.subscribe(JournalListener(on_commit=self.committed.extend))
        self.table: RoutingTable | None = table(ACCOUNT)
        registry = CollectorRegistry()
        self.registry = registry
        self.log = SpooledFirst(
            self.files,
            updates=self.journal.updates,
            sealer=sealer,
            served=lambda: self.table,
            ingest=IngestTelemetry(registry, BoundedLabels()),
            telemetry=SpoolTelemetry(registry),
        )

    @property
    def statuses(self) -> list[str]:
        """Of what was stored, in order."""
        return [committed.update.status for committed in self.committed]

    @property
    def rejected(self) -> bytes:
        """Lines that were kept aside."""
        path = self.files.folder / "rejected"
        return path.read_bytes() if path.exists() else b""


@contextlib.asynccontextmanager
async def owner(data: Path, sealer: Sealer) -> AsyncIterator[Owner]:
    """A started journal with the reader of its spool."""
    made = Owner(data, sealer)
    await made.journal.start()
    try:
        yield made
    finally:
        await made.journal.close()


async def spool(data: Path, sealer: Sealer, *requests: Parsed, of: Account = ACCOUNT) -> None:
    """Spool these requests, one after the other, as a standby does."""
    await asyncio.to_thread(data.mkdir, exist_ok=True)
    writer = SpoolWriter(SpoolFiles(data), sealer)
    async with writer.running():
        for number, request in enumerate(requests):
            await writer.add(of, request, NOW + number)
