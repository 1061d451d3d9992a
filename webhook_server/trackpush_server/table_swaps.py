"""Takes each new routing table over: it is prepared in a thread, and swapped in between two requests.

What may be served at once is swapped in first. Clients whose namespace the journal isn't bound to yet follow as soon as
it is: see `tenancy`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from trackpush_api.routing import RoutingTable, Tenant
from trackpush_server.config.source import Loaded
from trackpush_server.config.watch import Swap
from trackpush_server.journal.model import JournalUnavailableError, LostCommits
from trackpush_server.journal.sealing import Sealer
from trackpush_server.operations.retention import Retainer
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.receiving.port import Receiving
from trackpush_server.storage import Store
from trackpush_server.telemetry.metrics import Telemetry
from trackpush_server.tenancy import Tenancy

_BIND_SECONDS = 10.0
_BIND_AGAIN = 1.0


class TableSwaps:
    """Of one server. `prepare` is for the watcher of its configuration."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        dispatcher: Dispatcher,
        receiving: Receiving,
        retainer: Retainer,
        telemetry: Telemetry,
        refresh: Callable[[], None],
    ) -> None:
        """``refresh``: have the current table prepared and taken over again."""
        self._store = store
        self._journal = store.journal
        self._sealer = sealer
        self._dispatcher = dispatcher
        self._receiving = receiving
        self._retainer = retainer
        self._telemetry = telemetry
        self._refresh = refresh
        self._tenancy = Tenancy(store.journal.tenants)
        self._timer: asyncio.TimerHandle | None = None
        self.table: RoutingTable | None = None
        """What is served, without clients that are held back."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Nothing is tried again after the end."""
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def prepare(self, loaded: Loaded) -> Swap:
        """In a thread: of a new table, what may be served now, and after that the rest."""
        assert loaded.table is not None
        whole = loaded.table
        divided = self._tenancy.divide(whole)
        swap = self._prepare_table(msgspec.structs.replace(loaded, table=divided.table))

        async def swap_and_bind() -> None:
            await swap()
            if divided.unbound and await self._bind(divided.unbound):
                rest = msgspec.structs.replace(loaded, table=self._tenancy.divide(whole).table)
                await (await asyncio.to_thread(self._prepare_table, rest))()

        return swap_and_bind

    def lost_commits(self, lost: LostCommits) -> None:
        """The database came back without its last commits: nothing that is known of them counts."""
        self._telemetry.journal.lost_commits(lost.updates, lost.outcomes)
        self._dispatcher.void()
        self._tenancy.forget()
        self._refresh()

    def _prepare_table(self, loaded: Loaded) -> Swap:
        """In a thread: make everything of a new table that takes long. The swap is between two requests."""
        table = loaded.table
        assert table is not None
        take = self._receiving.prepare(loaded)
        change = self._dispatcher.change_to(table)

        async def swap() -> None:
            self._store.use(table.server)
            if self._sealer.use(table.server.encryption):  # first: what is received from now on is sealed
                self._dispatcher.keys_changed(quotes=table.server.encryption is None)
            await take()
            await self._dispatcher.take(change)
            self.table = table
            self._retainer.configure(table.server.retention)
            self._telemetry.retain(table.destination_by_name)

        return swap

    async def _bind(self, unbound: Mapping[str, tuple[Tenant, ...]]) -> bool:
        """Bind the journal to namespaces of which nothing is served; where that fails, it is tried again soon."""
        if self._journal.unavailable is not None:
            self._refresh_later()
            return False
        try:
            async with asyncio.timeout(_BIND_SECONDS):
                changes = await self._tenancy.bind(unbound)
        except (JournalUnavailableError, TimeoutError):
            self._refresh_later()
            return False
        self._dispatcher.tenants_changed(replaced=changes.replaced, took_over=changes.took_over)
        return True

    def _refresh_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_BIND_AGAIN, self._refresh_if_available)

    def _refresh_if_available(self) -> None:
        if self._journal.unavailable is None:
            self._refresh()
        else:
            self._refresh_later()
