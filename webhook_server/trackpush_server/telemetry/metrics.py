"""All metrics of one server in a registry of their own, and the text that Prometheus scrapes."""

import asyncio
import functools
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from trackpush_api.routing import RoutingTable
from trackpush_server.journal.ports import Journal
from trackpush_server.journal.sqlite.connection import library_version
from trackpush_server.pusher.observer import ChannelSnapshot
from trackpush_server.telemetry.announcements import AnnouncementTelemetry
from trackpush_server.telemetry.ingest import IngestTelemetry
from trackpush_server.telemetry.labels import BoundedLabels
from trackpush_server.telemetry.leases import LeaseTelemetry
from trackpush_server.telemetry.pending import Pending
from trackpush_server.telemetry.push import PushTelemetry
from trackpush_server.telemetry.queues import QueueTelemetry
from trackpush_server.telemetry.rollups import RollupCounts
from trackpush_server.telemetry.routing import RoutingTelemetry
from trackpush_server.telemetry.sampler import Sampler
from trackpush_server.telemetry.storage import JournalTelemetry
from trackpush_server.telemetry.summed import Samples, Summed
from trackpush_server.telemetry.tail import Tail
from trackpush_server.telemetry.watching import Watching
from trackpush_server.telemetry.windows import Windows

disable_created_metrics()  # type: ignore[no-untyped-call]  # half as many series again, and nobody asks for them


_version = functools.cache(version)  # reads and parses the package's files


class Gauges(Protocol):
    """The receiver's values that are read at scrape time."""

    @property
    def connections(self) -> int: ...

    @property
    def under_way(self) -> int:
        """Number of requests that wait for their commit."""
        ...


class Telemetry:
    """The metrics of one server: one part per component."""

    def __init__(
        self, journal: Journal, *, served: Callable[[], RoutingTable | None], wall: Callable[[], float] = time.time
    ) -> None:
        self.registry = CollectorRegistry()
        self._labels = BoundedLabels()
        self.pending = Pending(journal.backlog)
        self.ingest = IngestTelemetry(self.registry, self._labels)
        self.push = PushTelemetry(self.registry, self._labels)
        self.queues = QueueTelemetry(self.registry, self._labels)
        self.journal = JournalTelemetry(self.registry, journal)
        self.routing = RoutingTelemetry(self.registry)
        self.leases = LeaseTelemetry(self.registry)
        self.announcements = AnnouncementTelemetry(self.registry)
        self.windows = Windows()
        self.tail = Tail()
        self.sampler = Sampler(journal.search, self.windows)
        self.rollups = RollupCounts(journal.rollups, journal.search, served=served, wall=wall)
        self.watching = Watching(self.push, self.windows, self.tail, self.rollups)
        """The dispatcher's observer."""
        self.wrong_tokens = Counter(
            "trackpush_admin_wrong_tokens",
            "Wrong tokens presented at the admin port.",
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        Gauge(
            "trackpush_build_info",
            "1 for the running version.",
            ["version", "python", "sqlite_version"],
            registry=self.registry,
        ).labels(_version("trackpush"), platform.python_version(), library_version()).set(1)

    def retain(self, push_configs: Iterable[str]) -> None:
        """Keep the series of these PushConfigs, and drop all others."""
        names = frozenset(push_configs)
        gone = self._labels.retain(names)
        self.ingest.forget(gone)
        self.push.forget(gone)
        self.windows.retain(names)

    async def scrape(
        self, channels: Sequence[ChannelSnapshot], gauges: Gauges, accept: str, *, elsewhere: Sequence[Samples] = ()
    ) -> tuple[bytes, str]:
        """The metrics as text, and its content type. Built in a thread, because it is too slow for the event loop.

        ``elsewhere`` contains the samples of the server's other processes.
        """
        self.queues.channels = channels
        self.ingest.connections.set(gauges.connections)
        self.ingest.under_way.set(gauges.under_way)
        await self.pending.refresh()
        self.queues.pending = self.pending.counts
        encode, content_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, Summed(self.registry, elsewhere)), content_type
