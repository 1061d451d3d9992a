"""Applies each new routing table: prepares it in a thread, and swaps it between two requests.

The first swap contains only the clients that can be served now. Clients whose namespace is not yet bound in the journal
follow in a second swap, after the binding: see `tenancy`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from trackpush_api.routing import RoutingTable, Tenant
from trackpush_server.announcing.announcer import Announcer
from trackpush_server.announcing.scope import scope_of
from trackpush_server.config.source import Loaded
from trackpush_server.config.watch import Swap
from trackpush_server.journal.model import JournalUnavailableError, LostCommits
from trackpush_server.journal.sealing import Sealer
from trackpush_server.operations.retention import Retainer
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.receiving.port import Receiving
from trackpush_server.silence.watch import SilenceWatch
from trackpush_server.storage import Store
from trackpush_server.telemetry.metrics import Telemetry
from trackpush_server.tenancy import Tenancy

_BIND_SECONDS = 10.0
_BIND_AGAIN = 1.0


class TableSwaps:
    """Applies the routing tables of one server. The configuration's watcher calls `prepare`."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        dispatcher: Dispatcher,
        receiving: Receiving,
        retainer: Retainer,
        telemetry: Telemetry,
        silence: SilenceWatch,
        announcer: Announcer,
        refresh: Callable[[], None],
    ) -> None:
        """``refresh`` starts another preparation and swap of the current table."""
        self._store = store
        self._journal = store.journal
        self._sealer = sealer
        self._dispatcher = dispatcher
        self._receiving = receiving
        self._retainer = retainer
        self._telemetry = telemetry
        self._silence = silence
        self._announcer = announcer
        self._refresh = refresh
        self._tenancy = Tenancy(store.journal.tenants)
        self._timer: asyncio.TimerHandle | None = None
        self.table: RoutingTable | None = None
        """The table in use, without clients that are not bound yet."""
        self.is_bound = False
        """Whether the table in use has all clients."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancel a planned refresh at the end of the block."""
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def prepare(self, loaded: Loaded) -> Swap:
        """Prepare a new table, in a thread. The returned swap applies the bound clients, then binds the others."""
        assert loaded.table is not None
        whole = loaded.table
        divided = self._tenancy.divide(whole)
        part = msgspec.structs.replace(loaded, table=divided.table)
        swap = self._prepare_table(part, has_all_clients=not divided.unbound)

        async def swap_and_bind() -> None:
            self.is_bound = False
            await swap()
            if divided.unbound and await self._bind(divided.unbound):
                rest = msgspec.structs.replace(loaded, table=self._tenancy.divide(whole).table)
                await (await asyncio.to_thread(self._prepare_table, rest, has_all_clients=True))()
                self.is_bound = True
            elif not divided.unbound:
                self.is_bound = True

        return swap_and_bind

    def lost_commits(self, lost: LostCommits) -> None:
        """Discard everything that was read from the database, because it lost commits."""
        self._telemetry.journal.lost_commits(lost.updates, lost.outcomes)
        self._dispatcher.void()
        self._tenancy.forget()
        self._refresh()

    def _prepare_table(self, loaded: Loaded, *, has_all_clients: bool) -> Swap:
        """Do the slow part of a new table, in a thread; the returned swap runs between two requests."""
        table = loaded.table
        assert table is not None
        take = self._receiving.prepare(loaded)
        change = self._dispatcher.change_to(table)
        accounts = self._silence.prepare(table.accounts)
        scope = scope_of(table)

        async def swap() -> None:
            self._store.use(table.server)
            # before the swap, so that it applies to all updates of the new table
            if self._sealer.use(table.server.encryption):
                self._dispatcher.keys_changed(quotes=table.server.encryption is None)
            await take()
            await self._dispatcher.take(change)
            self.table = table
            self._retainer.configure(table.server.retention)
            self._telemetry.retain(table.destination_by_name)
            self._telemetry.ingest.refusals.retain(account.name for account in table.accounts)
            self._silence.take(accounts, complete=has_all_clients and loaded.complete)
            self._announcer.take(scope)

        return swap

    async def _bind(self, unbound: Mapping[str, tuple[Tenant, ...]]) -> bool:
        """Bind clients that are not served yet to their namespaces; returns success. After a failure, retry soon."""
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
