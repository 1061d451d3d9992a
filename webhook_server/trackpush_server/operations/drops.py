"""Drops pending pushes whose PushConfig does not exist. Their updates stay."""

import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from trackpush_api.routing import RoutingTable, namespace_of
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import BacklogStore

STEP: Final = 1000
"""Pushes per commit."""
MOST: Final = 20_000
"""Maximum pushes per call; callers repeat the call for the rest."""
REASON: Final = "dropped by hand: its PushConfig did not exist"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class DropRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Selects pushes without a PushConfig: all, those of a client, or those of one PushConfig."""

    client: Text | None = None
    """The namespace, or ``NAMESPACE@UID`` of a deleted namespace object."""
    push_config: Text | None = None
    """``namespace/name``. If this is absent, pushes of a PushConfig that an AggregatorWebhook still names are kept."""
    dry_run: bool = False
    """Only count the pushes."""


class WaitingPushes(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Pending pushes of one PushConfig."""

    push_config: str
    pushes: int


class DropView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The pushes that were found, and the result."""

    push_configs: tuple[WaitingPushes, ...]
    """The missing PushConfigs with their pending pushes."""
    named: tuple[WaitingPushes, ...] = ()
    """Kept: an AggregatorWebhook still names the PushConfig, which is missing or can't be used."""
    dropped: int = 0
    more: bool = False
    """Whether pushes are left; then repeat the call."""


class Drops:
    """The drops of one server."""

    def __init__(
        self, backlog: BacklogStore, table: Callable[[], RoutingTable | None], wall: Callable[[], float] = time.time
    ) -> None:
        """``table``: the whole routing table, including clients that are held back."""
        self._backlog = backlog
        self._table = table
        self._wall = wall

    async def find(self, request: DropRequest) -> DropView:
        """Count the pushes to drop.

        Raises:
            JournalUnavailableError: the journal can't be read, or there is no routing table to compare it with.
        """
        table = self._table()
        if table is None:
            raise JournalUnavailableError("no routing table is loaded, so it is unknown which PushConfigs exist")
        counts = await self._backlog.pending_counts()
        named_by_accounts = {name for account in table.accounts for name in account.destinations}
        found: list[WaitingPushes] = []
        named: list[WaitingPushes] = []
        for count in counts:
            name = count.push_config
            if name in table.destination_by_name or not _matches(name, request):
                continue
            waiting = WaitingPushes(push_config=name, pushes=count.count)
            (named if name in named_by_accounts and request.push_config is None else found).append(waiting)
        return DropView(push_configs=tuple(found), named=tuple(named))

    async def drop(self, view: DropView) -> DropView:
        """Drop the found pushes, at most `MOST`.

        Raises:
            JournalUnavailableError: the journal can't be written. Pushes already dropped by this call stay dropped.
        """
        now, dropped = int(self._wall() * 1000), 0
        for waiting in view.push_configs:
            while dropped < MOST:
                step = await self._backlog.drop(waiting.push_config, reason=REASON, now=now, limit=STEP)
                dropped += step
                if step < STEP:
                    break
        return msgspec.structs.replace(view, dropped=dropped, more=dropped >= MOST)


def describe(request: DropRequest, view: DropView) -> str:
    parts = [f"{sum(waiting.pushes for waiting in view.push_configs)} pushes without a PushConfig"]
    parts += [f"client {request.client}"] if request.client is not None else []
    parts += [f"PushConfig {request.push_config}"] if request.push_config is not None else []
    return ", ".join(parts)


def _matches(name: str, request: DropRequest) -> bool:
    is_clients = request.client is None or namespace_of(name) == request.client
    return is_clients and request.push_config in {None, name}
