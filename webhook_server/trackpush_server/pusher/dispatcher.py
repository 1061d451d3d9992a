"""The dispatcher: passes committed pushes to the channels, and matches the channels to the routing table."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

from trackpush_api.routing import RoutingTable, namespace_of
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Committed, PushState
from trackpush_server.journal.ports import PushQueue
from trackpush_server.journal.slots import Ownership, SingleOwner
from trackpush_server.outbound.port import Transport
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.channel import Channel
from trackpush_server.pusher.handover import HandOvers
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.observer import ChannelSnapshot, PushObserver, Trouble
from trackpush_server.pusher.state import State
from trackpush_server.pusher.table_diff import TableDiff, diff
from trackpush_server.tracing.port import Tracing

_SLICE = 0.001
"""Seconds for which taking a table over may hold the event loop at a time."""


class Dispatcher:
    """All channels of one server. Everything happens on the event loop."""

    def __init__(
        self,
        *,
        journal: PushQueue,
        transport: Transport,
        observer: PushObserver,
        ownership: Ownership | None = None,
        tracing: Tracing | None = None,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        budget: Budget | None = None,
    ) -> None:
        """``ownership``: which slots' pushes are sent from here, and its callbacks are taken; None sends all."""
        ownership = ownership or SingleOwner()
        self._hub = Hub(
            ownership=ownership,
            journal=journal,
            transport=transport,
            observer=observer,
            tracing=tracing,
            wall=wall,
            chance=chance,
            budget=budget or Budget(),
        )
        self._channels: dict[str, Channel] = {}
        self._hand_overs = HandOvers(ownership, journal, self._channels.values)
        self._hub.on_left = self._hand_overs.attempt_ended
        ownership.on_gained = self.gain
        ownership.on_lost = self.lose
        ownership.on_wanted = self.hand_over
        self._table: RoutingTable | None = None

    @property
    def listener(self) -> JournalListener:
        """Listens to the journal's commits and to other replicas."""
        return JournalListener(
            on_commit=self.accept, on_elsewhere=self.elsewhere, on_replayed=self.rescan, on_erased=self.forget
        )

    def apply(self, table: RoutingTable) -> None:
        """Serve this table from now on. Pushes of a PushConfig that it doesn't hold wait on disk."""
        for _ in self._steps(self.change_to(table)):
            pass

    def change_to(self, table: RoutingTable) -> TableDiff:
        """What `take` has to do; may be called in a thread, as long as no `take` is under way."""
        return diff(self._table, table)

    async def take(self, change: TableDiff) -> None:
        """As `apply`, but let others run in between: thousands of PushConfigs may have changed.

        Meanwhile some channels are still as before. Nothing is lost by that: a push whose channel isn't there yet is
        on disk, and the channel begins with what is on disk.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _SLICE
        for _ in self._steps(change):
            if loop.time() >= end:
                await asyncio.sleep(0)
                end = loop.time() + _SLICE

    def _steps(self, change: TableDiff) -> Iterator[None]:
        """Does it, one channel at a time."""
        hub, channels = self._hub, self._channels
        resumed, paused = hub.suspended_accounts - change.suspended, change.suspended - hub.suspended_accounts
        hub.suspended_accounts = change.suspended
        for name in change.removed:
            channels[name].unconfigure()
            yield
        for destination in change.changed:
            channel = channels.get(destination.name)
            if channel is None:
                channel = channels[destination.name] = Channel(hub, destination, change.egress)
                channel.start_ready()
            else:
                channel.configure(destination, change.egress)
            yield
        if resumed or paused:
            yield from self._accounts_changed(change.table, paused, resumed=bool(resumed))
        self._table = change.table

    def _accounts_changed(self, table: RoutingTable, paused: frozenset[str], *, resumed: bool) -> Iterator[None]:
        """Any channel may hold pushes of an account: which PushConfigs it names may have changed since."""
        for name in table.destination_by_name:
            for account in paused:
                self._channels[name].drop_account(account)
            if resumed:
                self._channels[name].rescan()
            yield

    def accept(self, committed: Sequence[Committed]) -> None:
        """New updates are on disk: the journal's ``on_commit``."""
        channels = self._channels
        for new in committed:
            for push in new.update.pushes:
                if push.push_config in new.dropped:
                    age = self._hub.wall() - new.update.received_at / 1000
                    self._hub.observer.ended(push.push_config, PushState.DROPPED.name.lower(), age)
                elif (channel := channels.get(push.push_config)) is not None:
                    channel.offer(new)
        self._hub.observer.committed(committed)

    def gain(self, slots: frozenset[int]) -> None:
        """These slots are held from now on: their channels begin with what is on disk."""
        self._hub.owned |= slots
        self._hand_overs.forget(slots)
        for channel in self._of(slots):
            channel.gain()

    def lose(self, slots: frozenset[int]) -> None:
        """These slots may be another replica's: attempts under way are cut, and no try is counted for them."""
        self._hub.owned -= slots
        self._hand_overs.forget(slots)
        for channel in self._of(slots):
            channel.lose()

    def void(self) -> None:
        """The journal lost commits, so ids may be given again: forget everything that is known by id."""
        for channel in self._channels.values():
            channel.void()

    def tenants_changed(self, *, replaced: frozenset[str], took_over: frozenset[str]) -> None:
        """The journal bound clients to other namespace objects, so pending pushes on disk are others than in memory.

        Of a ``replaced`` client no late answer counts: its pushes are called otherwise now.
        """
        for channel in self._channels.values():
            namespace = namespace_of(channel.name)
            if namespace in replaced:
                channel.void()
                channel.gain()
            elif namespace in took_over:
                channel.rescan()

    def hand_over(self, slots: frozenset[int]) -> None:
        """Start nothing more for these slots; each is released when what is under way has ended and is on disk."""
        self._hub.owned -= slots
        for channel in self._of(slots):
            channel.hand_over()
        self._hand_overs.begin(slots)

    def _of(self, slots: frozenset[int]) -> list[Channel]:
        return [channel for channel in self._channels.values() if channel.slot in slots]

    def elsewhere(self, push_config: str, first_id: int) -> None:
        """Another replica stored pushes of this PushConfig: the journal's ``on_elsewhere``."""
        channel = self._channels.get(push_config)
        if channel is not None:
            channel.stored_elsewhere(first_id)

    def rescan(self, push_config: str, replayed: Iterable[int]) -> None:
        """These pushes had ended and are pending again on disk."""
        channel = self._channels.get(push_config)
        if channel is not None:
            channel.rescan(replayed)

    def keys_changed(self, *, quotes: bool) -> None:
        """The journal opens payloads with other keys; ``quotes`` as in `Hub.quotes`."""
        self._hub.quotes = quotes
        for channel in self._channels.values():
            channel.read_again()

    def forget(self, update_ids: frozenset[int]) -> None:
        """These updates were erased on disk."""
        for channel in self._channels.values():
            channel.forget(update_ids)

    def snapshot(self) -> tuple[ChannelSnapshot, ...]:
        """Every channel whose pushes are sent from here, by name."""
        snapshots = (self._channels[name].snapshot() for name in sorted(self._channels))
        return tuple(channel for channel in snapshots if channel.breaker != State.ELSEWHERE.value)

    def troubles(self) -> tuple[Trouble, ...]:
        """The failing PushConfigs, by name."""
        found = [trouble for channel in self._channels.values() if (trouble := channel.trouble()) is not None]
        return tuple(sorted(found, key=lambda trouble: trouble.push_config))

    @contextlib.asynccontextmanager
    async def running(self, grace: float) -> AsyncIterator[None]:
        """See `stop`, which the end of the block calls."""
        try:
            yield
        finally:
            await self.stop(grace)

    async def start(self) -> None:
        """Begin: what is pending on disk is sent at once, where it is sent from here."""
        for channel in self._channels.values():
            channel.start_ready()

    async def stop(self, grace: float) -> None:
        """Start nothing more, hand over, give running attempts ``grace`` seconds to end, then cancel them."""
        self._hub.stop()
        self._hub.ownership.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._hub.idle.wait()
        await self._hand_overs.stop()
        await self._hub.flusher.stop()
        await self._hub.reading.stop()
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
