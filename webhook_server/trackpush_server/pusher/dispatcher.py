"""The dispatcher: passes committed pushes to the channels.

It keeps one channel for each PushConfig in the routing table.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

from trackpush_api.routing import RoutingTable, namespace_of
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Committed, PushState
from trackpush_server.journal.ports import PushQueue
from trackpush_server.journal.slots import Ownership, SingleOwner, SlotListener
from trackpush_server.outbound.answered import ShownAnswer, show
from trackpush_server.outbound.port import Transport
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.channel import Channel
from trackpush_server.pusher.handover import HandOvers
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.live import LivePush
from trackpush_server.pusher.observer import ChannelSnapshot, EndpointHealth, PushObserver, Trouble
from trackpush_server.pusher.state import State
from trackpush_server.pusher.table_diff import TableDiff, diff
from trackpush_server.pusher.trial import CannotTryError
from trackpush_server.tracing.port import Tracing

_SLICE = 0.001
"""Maximum time in seconds for which `take` blocks the event loop without a break."""


class Dispatcher:
    """All channels of one server, on one event loop."""

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
        """``ownership``: the slots whose pushes this server sends; None: all."""
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
        ownership.subscribe(SlotListener(on_gained=self.gain, on_lost=self.lose, on_wanted=self.hand_over))
        self._table: RoutingTable | None = None

    @property
    def listener(self) -> JournalListener:
        """The dispatcher's callbacks for the journal's commits and for notices from other replicas."""
        return JournalListener(
            on_commit=self.accept, on_elsewhere=self.elsewhere, on_replayed=self.rescan, on_erased=self.forget
        )

    def apply(self, table: RoutingTable) -> None:
        """Use this table from now on. Pushes of PushConfigs that are not in it wait on disk."""
        for _ in self._steps(self.change_to(table)):
            pass

    def change_to(self, table: RoutingTable) -> TableDiff:
        """Compute the change for `take`. May run in a thread while no `take` is running."""
        return diff(self._table, table)

    async def take(self, change: TableDiff) -> None:
        """Like `apply`, but give way to other tasks in between, because thousands of PushConfigs may have changed.

        Until it returns, some channels have the old configuration. No push is lost: if the channel of a committed push
        does not exist yet, the push is on disk, and a new channel first reads from disk.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _SLICE
        for _ in self._steps(change):
            if loop.time() >= end:
                await asyncio.sleep(0)
                end = loop.time() + _SLICE

    def _steps(self, change: TableDiff) -> Iterator[None]:
        """Apply the change, one channel per step."""
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
        """Suspend and resume accounts in all channels, because any channel may have pushes of any account."""
        for name in table.destination_by_name:
            for account in paused:
                self._channels[name].drop_account(account)
            if resumed:
                self._channels[name].rescan()
            yield

    def accept(self, committed: Sequence[Committed]) -> None:
        """Pass committed updates to the channels: the journal's ``on_commit``."""
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
        """Start sending for these slots, which this server acquired. Their channels first read from disk."""
        self._hub.owned |= slots
        self._hand_overs.forget(slots)
        for channel in self._of(slots):
            channel.gain()

    def lose(self, slots: frozenset[int]) -> None:
        """Cancel the attempts of these slots, which another replica may hold now. No try is counted for them."""
        self._hub.owned -= slots
        self._hand_overs.forget(slots)
        for channel in self._of(slots):
            channel.lose()

    def void(self) -> None:
        """Forget everything known by update id: the journal lost commits, so it may assign the same ids again."""
        self._hub.answers.clear()
        for channel in self._channels.values():
            channel.void()

    def tenants_changed(self, *, replaced: frozenset[str], took_over: frozenset[str]) -> None:
        """Read pending pushes again, because the journal bound namespaces to other namespace objects.

        Answers to running attempts of a ``replaced`` namespace are ignored, because its pushes have new names in the
        journal.
        """
        for channel in self._channels.values():
            namespace = namespace_of(channel.name)
            if namespace in replaced:
                channel.void()
                channel.gain()
            elif namespace in took_over:
                channel.rescan()

    def hand_over(self, slots: frozenset[int]) -> None:
        """Start no further attempts for these slots. Each is released when its attempts have ended and are on disk."""
        self._hub.owned -= slots
        for channel in self._of(slots):
            channel.hand_over()
        self._hand_overs.begin(slots)

    def _of(self, slots: frozenset[int]) -> list[Channel]:
        return [channel for channel in self._channels.values() if channel.slot in slots]

    def elsewhere(self, push_config: str, first_id: int) -> None:
        """Read pushes that another replica stored for this PushConfig: the journal's ``on_elsewhere``."""
        channel = self._channels.get(push_config)
        if channel is not None:
            channel.stored_elsewhere(first_id)

    def rescan(self, push_config: str, replayed: Iterable[int]) -> None:
        """Read replayed pushes, which had ended and are pending again on disk."""
        channel = self._channels.get(push_config)
        if channel is not None:
            channel.rescan(replayed)

    def keys_changed(self, *, quotes: bool) -> None:
        """Try to decrypt unreadable payloads with the journal's new keys; ``quotes`` as in `Hub.quotes`."""
        self._hub.quotes = quotes
        for channel in self._channels.values():
            channel.read_again()

    def forget(self, update_ids: frozenset[int]) -> None:
        """Remove the pushes of erased updates, and the answers about them."""
        self._hub.answers.forget(update_ids)
        for channel in self._channels.values():
            channel.forget(update_ids)

    def snapshot(self) -> tuple[ChannelSnapshot, ...]:
        """The state of each channel for which this server sends, by name."""
        snapshots = (self._channels[name].snapshot() for name in sorted(self._channels))
        return tuple(channel for channel in snapshots if channel.breaker != State.ELSEWHERE.value)

    def live(self, push_config: str, *, update_id: int, account: str, shipment: str) -> LivePush:
        """The live facts about one pending push."""
        channel = self._channels.get(push_config)
        if channel is None:
            return LivePush(state=State.UNCONFIGURED)
        return channel.live(update_id, account, shipment)

    async def try_now(self, push_config: str, update_id: int) -> asyncio.Event:
        """Start one attempt of a pending push now; the event is set when it has ended.

        The caller has checked that the journal has no earlier pending push of the same lane.

        Raises:
            CannotTryError: no attempt can be made now.
            JournalUnavailableError: the journal can't be read.
        """
        channel = self._channels.get(push_config)
        if channel is None:
            raise CannotTryError(f"PushConfig {push_config} is not in the served configuration")
        return await channel.try_now(update_id)

    def answer(self, push_config: str, update_id: int, number: int) -> ShownAnswer | None:
        """What the client answered to an attempt, if it is one of the newest of this process."""
        said = self._hub.answers.get(push_config, update_id, number)
        return None if said is None else show(said)

    def reopen(self, push_config: str) -> bool:
        """Send again to an endpoint that answered 410; returns whether it had."""
        channel = self._channels.get(push_config)
        return channel is not None and channel.reopen()

    def troubles(self) -> tuple[Trouble, ...]:
        """The failing PushConfigs, by name."""
        found = [trouble for channel in self._channels.values() if (trouble := channel.trouble()) is not None]
        return tuple(sorted(found, key=lambda trouble: trouble.push_config))

    def health(self, push_config: str) -> EndpointHealth | None:
        """The health of an endpoint; None if this server sends nothing to it."""
        channel = self._channels.get(push_config)
        return None if channel is None else channel.health()

    @contextlib.asynccontextmanager
    async def running(self, grace: float) -> AsyncIterator[None]:
        """Call `stop` at the end of the block."""
        try:
            yield
        finally:
            await self.stop(grace)

    async def start(self) -> None:
        """Start sending the pending pushes on disk, for the slots that this server holds."""
        for channel in self._channels.values():
            channel.start_ready()

    async def stop(self, grace: float) -> None:
        """Stop starting attempts, wait up to ``grace`` seconds for running ones, cancel them, and release all slots."""
        self._hub.stop()
        self._hub.ownership.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._hub.idle.wait()
        await self._hand_overs.stop()
        await self._hub.flusher.stop()
        await self._hub.reading.stop()
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
