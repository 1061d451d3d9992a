"""The dispatcher: hands committed pushes to the channel of their PushConfig, and channels to the routing table."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence

from trackpush_api.routing import RoutingTable
from trackpush_server.journal.port import Committed, Journal
from trackpush_server.outbound.port import Transport
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.channel import Channel
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.observer import ChannelSnapshot, PushObserver


class Dispatcher:
    """All channels of one server. Everything happens on the event loop."""

    def __init__(
        self,
        *,
        journal: Journal,
        transport: Transport,
        observer: PushObserver,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        budget: Budget | None = None,
    ) -> None:
        self._hub = Hub(
            journal=journal,
            transport=transport,
            observer=observer,
            wall=wall,
            chance=chance,
            budget=budget or Budget(),
        )
        self._channels: dict[str, Channel] = {}

    def apply(self, table: RoutingTable) -> None:
        """Serve this table from now on. Pushes of a PushConfig that it doesn't hold wait on disk."""
        hub = self._hub
        suspended = frozenset(account.name for account in table.accounts if account.suspended)
        resumed, paused = hub.suspended_accounts - suspended, suspended - hub.suspended_accounts
        hub.suspended_accounts = suspended
        for name in self._channels.keys() - table.destination_by_name.keys():
            self._channels[name].unconfigure()
        for destination in table.destinations:
            channel = self._channels.get(destination.name)
            if channel is None:
                channel = self._channels[destination.name] = Channel(hub, destination, table.server.egress)
                channel.pump()
                continue
            channel.configure(destination, table.server.egress)
            for account in paused:
                channel.drop_account(account)
            if resumed:
                channel.rescan()

    def accept(self, committed: Sequence[Committed]) -> None:
        """New updates are on disk: the journal's ``on_commit``."""
        channels = self._channels
        for one in committed:
            for push in one.update.pushes:
                channel = channels.get(push.push_config)
                if channel is not None and push.push_config not in one.dropped:
                    channel.offer(one)

    def snapshot(self) -> tuple[ChannelSnapshot, ...]:
        """Every channel, by name."""
        return tuple(self._channels[name].snapshot() for name in sorted(self._channels))

    async def start(self) -> None:
        """Begin: what is pending on disk is sent at once; a single server owns its journal."""
        for channel in self._channels.values():
            channel.pump()

    async def stop(self, grace: float) -> None:
        """Start nothing more, give attempts under way ``grace`` seconds to end, then cut them."""
        self._hub.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._hub.idle.wait()
        await self._hub.flusher.stop()
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
