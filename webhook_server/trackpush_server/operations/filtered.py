"""Finds stored updates that a filter dropped and that the current filter accepts: the state `filtered` of `replay`.

The journal does not store why an update has no push for a PushConfig. So this finds all updates without one, including
those that were received before their AggregatorWebhook named the PushConfig.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from trackpush_aggregators import STEP as PARSED_AT_ONCE
from trackpush_api.routing import Account, RoutingTable
from trackpush_server.definitions import readers_of
from trackpush_server.journal.model import FoundUpdates, StoredUpdate, Unpushed
from trackpush_server.journal.ports import ReplayStore
from trackpush_server.operations.parsing import update_again
from trackpush_server.receiver.filters import FilterSelection

LOOKED_AT: Final = 500
"""Updates per read, and so the maximum number in one page."""
_MARGIN_MS: Final = 60_000
"""Updates are skipped if they are this close to the age at which retention deletes them."""


class FilteredPage(NamedTuple):
    """The result of one read."""

    update_ids: tuple[int, ...]
    """Updates to push."""
    unreadable: int
    """Updates that can't be decrypted because their key is missing, or that another version stored in another form."""


class FilteredUpdates:
    """Finds filtered updates by the current routing table."""

    def __init__(
        self, store: ReplayStore, table: Callable[[], RoutingTable | None], wall: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._table = table
        self._wall = wall

    def push_configs(self) -> frozenset[str]:
        """The PushConfigs that exist and that an AggregatorWebhook names."""
        table = self._table()
        if table is None:
            return frozenset()
        named = {name for account in table.accounts for name in account.destinations}
        return frozenset(named & table.destination_by_name.keys())

    async def pages(
        self, push_config: str, *, awb: str | None, since: int | None, until: int | None
    ) -> AsyncIterator[FilteredPage]:
        """The updates that a PushConfig would get now, oldest first. Each page uses the current table."""
        after: int | None = 0
        while after is not None:
            table = self._table()
            if table is None or push_config not in table.destination_by_name:
                return
            accounts = {account.name: account for account in table.accounts if push_config in account.destinations}
            oldest = self._oldest(table)
            wanted = Unpushed(
                accounts=tuple(accounts), awb=awb, since=oldest if since is None else max(since, oldest), until=until
            )
            found: FoundUpdates = await self._store.find_unpushed(push_config, wanted, after=after, limit=LOOKED_AT)
            yield await self._judged(_Judge(table, accounts, push_config), found.update_ids)
            after = found.next_after

    def _oldest(self, table: RoutingTable) -> int:
        """The earliest time of receipt to consider. Retention may have deleted the pushes of older updates."""
        kept = min(table.server.retention.delivered, table.server.retention.dead)
        return int((self._wall() - kept) * 1000) + _MARGIN_MS

    async def _judged(self, judge: "_Judge", update_ids: Sequence[int]) -> FilteredPage:
        """Apply the filters to a few updates at a time, because parsing their bodies blocks the event loop."""
        passing: list[int] = []
        unreadable = 0
        for begin in range(0, len(update_ids), PARSED_AT_ONCE):
            for stored in await self._store.read_updates(update_ids[begin : begin + PARSED_AT_ONCE]):
                try:
                    if judge.passes(stored):
                        passing.append(stored.update_id)
                except ValueError:
                    unreadable += 1
                await asyncio.sleep(0)
        return FilteredPage(tuple(passing), unreadable)


class _Judge:
    """Applies the current filters."""

    def __init__(self, table: RoutingTable, accounts: dict[str, Account], push_config: str) -> None:
        self._table = table
        self._accounts = accounts
        self._push_config = push_config
        self._selections: dict[str, FilterSelection] = {}
        self._readers = readers_of(table.server.definitions)

    def passes(self, stored: StoredUpdate) -> bool:
        """Whether the update would get a push for the PushConfig if it arrived now.

        Raises:
            ValueError: the update can't be read.
        """
        if stored.unreadable is not None:
            raise ValueError(stored.unreadable)
        update, received_at = update_again(stored.notification, stored.body, self._readers)
        pushes = self._selection(stored.account).of(update, received_at, [])
        return any(push.push_config == self._push_config for push in pushes)

    def _selection(self, account: str) -> FilterSelection:
        found = self._selections.get(account)
        if found is None:
            only = msgspec.structs.replace(self._accounts[account], destinations=(self._push_config,))
            found = self._selections[account] = FilterSelection(only, self._table)
        return found
