"""The state of one server: its health, its configuration, its metrics."""

from collections import Counter

import msgspec

from trackpush_server.admin.health import Health, Readiness, readiness
from trackpush_server.admin.undelivered import Undelivered, undelivered
from trackpush_server.config.watch import ConfigWatcher, Report
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.receiving.port import Receiving
from trackpush_server.storage import Store
from trackpush_server.telemetry.metrics import Telemetry
from trackpush_server.telemetry.refusals import ACCOUNTS


class ServerStatus:
    """The state of one server."""

    def __init__(
        self,
        *,
        store: Store,
        receiving: Receiving,
        dispatcher: Dispatcher,
        watcher: ConfigWatcher,
        telemetry: Telemetry,
    ) -> None:
        self._store = store
        self._receiving = receiving
        self._dispatcher = dispatcher
        self._watcher = watcher
        self._telemetry = telemetry
        self.draining = False
        """Whether the server is shutting down, and therefore not ready."""

    def health(self) -> Health:
        """The server's health, for /livez and /readyz."""
        journal = self._store.journal
        return Health(
            table_loaded=self._receiving.table_loaded,
            journal_alive=journal.alive,
            journal_unavailable=journal.unavailable,
            draining=self.draining,
            accepting=self._receiving.accepting,
            missing=journal.stats.missing,
        )

    def report(self) -> Report | tuple[str, ...]:
        """The loaded configuration with the problems of the storage. Before the first table, only the problems."""
        found = self._watcher.report()
        if not isinstance(found, Report):
            return found
        return msgspec.structs.replace(found, problems=(*found.problems, *self._store.problems))

    def refused(self) -> dict[str, int]:
        """Accounts whose requests are refused, with the number of refusals in a row, over all processes."""
        total = Counter(self._telemetry.ingest.refusals.in_a_row)
        for samples in self._receiving.samples():
            for (_, labels), count in samples.get(ACCOUNTS, {}).items():
                total[dict(labels)["account"]] += int(count)
        return dict(total)

    def undelivered(self) -> Undelivered:
        """The failing PushConfigs and the refused accounts."""
        return undelivered(self._dispatcher.troubles(), self.refused())

    async def readiness(self) -> Readiness:
        """Whether the server is ready, after a proof that the journal can store."""
        unproven = await self._store.prove()
        return readiness(self.health(), unproven)

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """The metrics as text, and its content type."""
        elsewhere = self._receiving.samples()
        return await self._telemetry.scrape(self._dispatcher.snapshot(), self._receiving, accept, elsewhere=elsewhere)
