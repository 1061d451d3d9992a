"""A dispatcher in virtual time: a clock that jumps to the next timer, a journal in memory, and a scripted client.

Hours of retries run in milliseconds, and the same seed always gives the same run.
"""

import asyncio
import selectors
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from pusher.rig import Seen, update
from trackpush_api.routing import Account, Destination, Egress, RoutingTable, ServerSettings
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.model import (
    Committed,
    NewUpdate,
    Outcome,
    PageRequest,
    PendingConfigs,
    PendingPage,
    PushState,
    StoredPush,
)
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.pusher.observer import ChannelSnapshot

OMS = "acme/oms"
EPOCH = 1_800_000_000.0
"""Where the wall clock begins."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: the time that it would have waited for is over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise AssertionError("nothing will ever happen again")
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._jumping.now + 1e-9  # timers of this very moment are due


class MemoryJournal:
    """What the pusher needs of a journal."""

    def __init__(self) -> None:
        self.on_commit: Callable[[Sequence[Committed]], None] = lambda _: None
        self.pushes: dict[int, StoredPush] = {}
        self.states: dict[int, PushState] = {}
        self.outcomes_waiting = 0
        self.most_rows_read = 0

    def append(self, updates: Sequence[NewUpdate]) -> None:
        """Store and hand over."""
        first = len(self.states) + 1
        committed = [Committed(first + place, update) for place, update in enumerate(updates)]
        for commit in committed:
            self.states[commit.update_id] = PushState.PENDING
            self.pushes[commit.update_id] = StoredPush(
                update_id=commit.update_id,
                push_config=OMS,
                key=commit.update.key,
                account=commit.update.account,
                shipment=commit.update.shipment,
                received_at=commit.update.received_at,
                late=False,
                tries=0,
                rejections=0,
                due_at=0,
                notification=commit.update.notification,
                body=commit.update.body,
            )
        self.on_commit(committed)

    def record(self, outcome: Outcome) -> None:
        """Store at once."""
        self.states[outcome.update_id] = outcome.state
        if outcome.state is not PushState.PENDING:
            self.pushes.pop(outcome.update_id, None)
        elif outcome.update_id in self.pushes:
            self.pushes[outcome.update_id] = msgspec.structs.replace(
                self.pushes[outcome.update_id],
                tries=outcome.tries,
                rejections=outcome.rejections,
                due_at=outcome.due_at,
            )

    async def flush(self) -> None:
        """Everything is stored already."""
        await asyncio.sleep(0)

    async def pending(self, wanted: Sequence[PageRequest]) -> tuple[PendingPage, ...]:
        """Pages, in order of id."""
        await asyncio.sleep(0.002)
        return tuple(self._page(request) for request in wanted)

    def _page(self, wanted: PageRequest) -> PendingPage:
        rows: list[StoredPush] = []
        for update_id in range(wanted.after + 1, len(self.states) + 1):
            if update_id in self.pushes:
                rows.append(self.pushes[update_id])
                if len(rows) == wanted.limit:
                    break
        self.most_rows_read = max(self.most_rows_read, len(rows))
        return PendingPage(tuple(rows), len(self.states))

    async def fetch(self, push_config: str, update_ids: Sequence[int]) -> dict[int, StoredPush]:
        """Those that are pending."""
        del push_config
        await asyncio.sleep(0.002)
        return {update_id: self.pushes[update_id] for update_id in update_ids if update_id in self.pushes}

    async def expire(self, push_config: str, *, received_before: int, limit: int) -> int:
        """Give up the oldest."""
        del push_config
        old = [push.update_id for push in self.pushes.values() if push.received_at < received_before][:limit]
        for update_id in old:
            self.states[update_id] = PushState.DEAD
            del self.pushes[update_id]
        return len(old)

    async def pending_configs(self) -> PendingConfigs:
        """One at most."""
        return PendingConfigs(frozenset([OMS] if self.pushes else []), len(self.states))


Behaviour = Callable[[int, float], Answer]
"""The client: the answer to a push, by its mark and the time."""


class Client:
    """A transport and its sender; answers after ``latency``."""

    def __init__(self, behaviour: Behaviour, latency: float = 0.02) -> None:
        self.behaviour = behaviour
        self.latency = latency
        self.requests: Counter[int] = Counter()
        self.times: defaultdict[int, list[float]] = defaultdict(list)
        self.delivered_at: dict[int, float] = {}
        self.in_flight = 0
        self.most_in_flight = 0

    def sender(self, destination: Destination, egress: Egress) -> "Client":
        """The same for all."""
        del destination, egress
        return self

    def post(self, headers: bytes, body: bytes) -> asyncio.Future[Answer]:
        """Answer later."""
        del headers
        loop = asyncio.get_running_loop()
        mark = int(body.partition(b"mark-")[2][:10])
        self.requests[mark] += 1
        self.times[mark].append(loop.time())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        future: asyncio.Future[Answer] = loop.create_future()
        loop.call_later(self.latency, self._answer, future, mark)
        return future

    def _answer(self, future: asyncio.Future[Answer], mark: int) -> None:
        self.in_flight -= 1
        now = asyncio.get_running_loop().time()
        answer = self.behaviour(mark, now)
        if answer.status == 200:
            self.delivered_at.setdefault(mark, now)
        if not future.done():
            future.set_result(answer)

    async def close(self) -> None:
        """Nothing to do."""


class World:
    """One dispatcher with one PushConfig. Make it in `run`."""

    def __init__(self, destination: Destination, client: Client, journal: MemoryJournal | None = None) -> None:
        self.client = client
        self.journal = journal or MemoryJournal()
        self.seen = Seen()
        self._loop = asyncio.get_running_loop()
        self.dispatcher = Dispatcher(
            journal=self.journal,  # type: ignore[arg-type] - what the pusher needs of one
            transport=client,
            observer=self.seen,
            wall=self.wall,
            chance=lambda: 0.5,
        )
        self.journal.on_commit = self.dispatcher.accept
        self.most_in_memory = 0
        account = Account(name="acme/clickpost", aggregator=Aggregator.CLICKPOST, key_digests=())
        server = ServerSettings(name="trackpush/main", egress=Egress())
        self.dispatcher.apply(RoutingTable(server=server, accounts=(account,), destinations=(destination,)))

    def wall(self) -> float:
        """Seconds since the epoch."""
        return EPOCH + self._loop.time()

    def post(self, *marks: int, shipment: str | None = None, age: float = 0.0) -> None:
        """Store one update per mark, each a shipment of its own unless named, received ``age`` seconds ago."""
        received_at = int((self.wall() - age) * 1000)
        updates = [update(mark, shipment, [OMS]) for mark in marks]
        self.journal.append([msgspec.structs.replace(update, received_at=received_at) for update in updates])

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    @property
    def channel(self) -> ChannelSnapshot:
        """The channel as others see it."""
        return self.dispatcher.snapshot()[0]

    async def until(self, condition: Callable[[], bool], *, seconds: float, what: str = "") -> float:
        """Wait in virtual time; how long it took."""
        begun = self._loop.time()
        while not condition():
            self.most_in_memory = max(self.most_in_memory, self.channel.in_memory)
            assert self._loop.time() - begun < seconds, f"{what or 'not'} in {seconds} s: {self.channel}"
            await asyncio.sleep(min(0.05 + (self._loop.time() - begun) / 50, seconds / 100))
        return self._loop.time() - begun

    def ended(self, state: str) -> int:
        """How many pushes ended like this."""
        return sum(found == state for _, found in self.seen.ends)


def run(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a play in virtual time."""
    loop = VirtualLoop()
    try:
        loop.run_until_complete(play())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
