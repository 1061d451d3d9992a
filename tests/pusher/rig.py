"""A dispatcher with the real journal and transport, and clients on loopback; only the HTTP receiver is left out."""

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from support.deadline import until
from trackpush_api.routing import Account, Destination, Egress, Retry, RoutingTable, ServerSettings
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Committed, NewPush, NewUpdate, Outcome
from trackpush_server.journal.slots import SLOTS, Ownership, SingleOwner, SlotListener, slot_of
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.outbound.port import Transport
from trackpush_server.outbound.transport import HttpTransport
from trackpush_server.pusher.budget import Budget
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.pusher.observer import ChannelSnapshot

LOOPBACK = Egress(https_only=False, allowed_cidrs=("127.0.0.0/8",))
QUICK = Retry(schedule=(0.05,), max_age=60.0, jitter=0.0)
_NUMBERS = itertools.count(1)


class Seen(msgspec.Struct):
    """An observer that records what the dispatcher reports."""

    attempts: list[tuple[str, str]] = []
    ends: list[tuple[str, str]] = []
    changes: list[tuple[str, str]] = []
    failures: list[tuple[str, int, str, float | None]] = []

    def committed(self, committed: Sequence[Committed]) -> None:
        """Ignore it: the rig has stored them itself."""

    def attempted(self, push_config: str, result: str, seconds: float, trace: str | None = None) -> None:
        """Record the call."""
        del seconds, trace
        self.attempts.append((push_config, result))

    def expired(self, push_config: str, number: int) -> None:
        del push_config, number

    def ended(self, push_config: str, state: str, age_seconds: float, trace: str | None = None) -> None:
        """Record the call."""
        del age_seconds, trace
        self.ends.append((push_config, state))

    def recorded(self, key: bytes, shipment: str, outcome: Outcome) -> None:
        """Ignore it: the journal has it."""

    def failed(self, push_config: str, push_id: str, *, tries: int, reason: str, next_in: float | None) -> None:
        """Record the call."""
        del push_id
        self.failures.append((push_config, tries, reason, next_in))

    def changed(self, push_config: str, state: str, reason: str) -> None:
        """Record the call."""
        del reason
        self.changes.append((push_config, state))


class Shared(SingleOwner):
    """Ownership that the test deals out: what is held changes when it says so."""

    alone = False

    def __init__(self, held: Iterable[int] = range(SLOTS)) -> None:
        self.listener = SlotListener()
        self.held = set(held)
        self.released: list[int] = []
        self.draining = False
        self.on_release: Callable[[], None] = lambda: None

    def subscribe(self, listener: SlotListener) -> None:
        """Take the dispatcher's callbacks."""
        self.listener = listener

    def holds(self, push_config: str) -> bool:
        """Whether the test lets it."""
        return slot_of(push_config) in self.held

    async def start(self) -> None:
        """Tell of what is held."""
        self.listener.on_gained(frozenset(self.held))

    async def release(self, slots: frozenset[int]) -> None:
        """Record the call."""
        self.on_release()
        self.held -= slots
        self.released += sorted(slots)

    def drain(self) -> None:
        """Want everything."""
        self.draining = True
        self.listener.on_wanted(frozenset(self.held))

    def take(self, *push_configs: str) -> None:
        """The slots of these are gained."""
        slots = frozenset(map(slot_of, push_configs))
        self.held |= slots
        self.listener.on_gained(slots)

    def lose(self, *push_configs: str) -> None:
        """The slots of these are lost."""
        slots = frozenset(map(slot_of, push_configs))
        self.held -= slots
        self.listener.on_lost(slots)


class Rig:
    """One dispatcher over one journal folder. Make it with `open_rig`."""

    def __init__(
        self, folder: Path, budget: Budget | None, clock_ahead: float, ownership: Ownership, transport: Transport | None
    ) -> None:
        self.seen = Seen()
        self.journal = SqliteJournal(folder)
        self.transport = transport or HttpTransport(may_send=ownership.holds)
        self.dispatcher = Dispatcher(
            journal=self.journal.pushes,
            transport=self.transport,
            observer=self.seen,
            ownership=ownership,
            budget=budget,
            wall=lambda: time.time() + clock_ahead,
        )
        self.accept: Callable[[Sequence[Committed]], None] = self.dispatcher.accept
        """What is done with a commit; tests replace it to hold one back."""
        self.journal.subscribe(JournalListener(on_commit=self._accept))

    def _accept(self, committed: Sequence[Committed]) -> None:
        self.accept(committed)

    def apply(self, *destinations: Destination, suspended_account: bool = False) -> None:
        """Serve these destinations."""
        self.dispatcher.apply(self.table(*destinations, suspended_account=suspended_account))

    def table(self, *destinations: Destination, suspended_account: bool = False) -> RoutingTable:
        """A table of these destinations and one account."""
        account = Account(name="acme/clickpost", aggregator=Aggregator.CLICKPOST, key_digests=())
        account = msgspec.structs.replace(account, suspended=suspended_account)
        server = ServerSettings(name="trackpush/main", egress=LOOPBACK)
        return RoutingTable(server=server, accounts=(account,), destinations=destinations)

    async def post(self, *marks: int, shipment: str | None = None, to: Sequence[str] = ("acme/oms",)) -> None:
        """Store one update per mark, each a shipment of its own unless named, and wait for the commit."""
        await self.journal.updates.append([update(mark, shipment, to) for mark in marks])

    def channel(self, name: str = "acme/oms") -> ChannelSnapshot:
        """The snapshot of one channel."""
        return next(snapshot for snapshot in self.dispatcher.snapshot() if snapshot.push_config == name)

    async def until_breaker(self, state: str, name: str = "acme/oms") -> None:
        """Wait until a channel is in this state."""
        await until(lambda: self.channel(name).breaker == state, seconds=60, what=lambda: repr(self.channel(name)))

    async def until_ended(self, count: int) -> None:
        """Wait until so many pushes have ended and their outcomes are on disk."""
        await until(lambda: len(self.seen.ends) >= count, seconds=60, what=lambda: f"{len(self.seen.ends)} ended")
        await self.journal.pushes.flush()

    async def pending(self, name: str = "acme/oms") -> int:
        """How many pushes are pending on disk."""
        await self.journal.pushes.flush()
        counts = await self.journal.backlog.pending_counts()
        return sum(count.count for count in counts if count.push_config == name)


def update(mark: int, shipment: str | None, to: Sequence[str]) -> NewUpdate:
    """An update that the journal has never seen, with the mark in its body."""
    name = shipment or f"awb-{mark}"
    return NewUpdate(
        key=next(_NUMBERS).to_bytes(8, "big") + time.time_ns().to_bytes(8, "big"),
        account="acme/clickpost",
        received_at=int(time.time() * 1000),
        occurred_at=1_700_000_000_000 + mark * 1000,
        shipment=name,
        awb=name,
        forward_awb=None,
        order_id=None,
        status="IN_TRANSIT",
        notification=b'{"type":"shipment.in_transit"}',
        body=b'{"remark":"mark-%010d"}' % mark,
        pushes=tuple(NewPush(config) for config in to),
    )


@contextlib.asynccontextmanager
async def open_rig(
    folder: Path,
    *destinations: Destination,
    budget: Budget | None = None,
    clock_ahead: float = 0.0,
    ownership: Ownership | None = None,
    transport: Transport | None = None,
) -> AsyncIterator[Rig]:
    """A running dispatcher; stopped with a short grace when the block ends."""
    ownership = ownership or SingleOwner()
    rig = Rig(folder, budget, clock_ahead, ownership, transport)
    await rig.journal.start()
    rig.apply(*destinations)
    await rig.dispatcher.start()
    await ownership.start()
    try:
        yield rig
    finally:
        await rig.dispatcher.stop(grace=0.1)
        await rig.transport.close()
        await rig.journal.close()
