"""Leases: holds slots for this replica as long as its heartbeats reach the database.

docs/storage.md, "Leases and fencing", describes the protocol.
The replica keeps its id while the process lives, even after it was declared dead. Delayed statements of an earlier
lease are harmless: a release contains the epoch of its claim, and an outcome is stored only if it is later than the one
that another replica stored.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import structlog

from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.postgres.errors import BROKEN, cause, is_held
from trackpush_server.journal.postgres.lease_table import CHANNEL, LeaseTable
from trackpush_server.journal.postgres.session import Connector, Session
from trackpush_server.journal.postgres.slot_balancer import Plan, Replica, Silence, Slot, Timing, decide, shared_timing
from trackpush_server.journal.slots import SlotListener, slot_of

_RETRY_DELAYS = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between attempts to reach the database."""
_GOODBYE = 3.0

_log = structlog.get_logger("trackpush.leases")


class LeaseObserver(Protocol):
    """Receives changes of ownership, for metrics. Methods must be fast and never raise."""

    def holds(self, slots: int) -> None:
        """``slots`` is the number of slots that this replica holds now."""
        ...

    def taken_over(self, slots: int) -> None:
        """``slots`` slots were claimed from dead replicas."""
        ...

    def handed_over(self, slots: int) -> None:
        """``slots`` slots were released for other replicas."""
        ...

    def lost(self, slots: int) -> None:
        """``slots`` slots were lost: to another replica, or because no heartbeat reached the database in time."""
        ...


def steady() -> float:
    """Seconds of a monotonic clock that also advances while the machine sleeps (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leases:
    """Implements `journal.slots.Ownership` by leases, on its own connection."""

    alone = False

    def __init__(
        self,
        dsn: str,
        *,
        replica: int,
        name: str,
        observer: LeaseObserver,
        timing: Timing = Timing(),  # noqa: B008  immutable
        clock: Callable[[], float] = steady,
        may_join: Callable[[], bool] = lambda: True,
        on_held: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is read or written before `start`.

        Args:
            dsn: The connection string of the database.
            replica: The id that the journal uses, too.
            name: Identifies this replica in the logs of all replicas.
            observer: Counts changes of the slots.
            timing: Durations for this replica.
            clock: Seconds of a monotonic clock.
            may_join: Whether this replica is able to send; checked until it has registered for the first time.
            on_held: Called when the journal is blocked for servers (it was moved, or a copy is unfinished).
        """
        self._listener = SlotListener()
        self._may_join = may_join
        self._on_held = on_held
        self._connector = Connector(dsn)
        self._replica = replica
        self._name = name
        self._observer = observer
        self._own_timing = timing
        self._timing = timing
        """The current timing; it follows from the smallest lease duration of all replicas, see `shared_timing`."""
        self._clock = clock
        self._held: dict[int, int] = {}
        """Epochs of the held slots."""
        self._leaving: frozenset[int] = frozenset()
        self._deadline = 0.0
        """Time after which this replica must not send."""
        self._beat = 0
        self._gains_from = 0.0
        """Time before which this replica must not gain slots."""
        self._registered = False
        self._draining = self._told_of_draining = False
        self._ended = False
        self._silence = Silence(timing)
        self._silent: dict[int, float] = {}
        self._dead: set[int] = set()
        """Replicas that were silent and are removed, by this or another replica."""
        self._owners: dict[int, Replica] = {}
        """Last known owner of each slot."""
        self._session: Session | None = None
        self._one_at_a_time = asyncio.Lock()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._backoff = RetryDelays(*_RETRY_DELAYS)

    def subscribe(self, listener: SlotListener) -> None:
        """See `Ownership`."""
        self._listener = listener

    def use(self, dsn: str) -> None:
        """Use this connection string for new connections."""
        self._connector.dsn = dsn

    def holds(self, push_config: str) -> bool:
        return slot_of(push_config) in self._held and self._clock() < self._deadline

    def owner_of(self, push_config: str) -> str | None:
        slot = slot_of(push_config)
        owner = self._owners.get(slot)
        return None if slot in self._held or owner is None or owner.id == self._replica else owner.name

    async def start(self) -> None:
        """Start the rounds: the replica registers as soon as the database is reachable."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def release(self, slots: frozenset[int]) -> None:
        """Release slots. If that fails, the next round finds them as owned and keeps them."""
        epochs: dict[int, int] = {}
        try:
            async with self._table() as table:
                # Inside the lock: otherwise a concurrent round finds slots that this replica owns but does not hold,
                # and gains them again.
                epochs = {slot: self._held.pop(slot) for slot in slots & self._leaving if slot in self._held}
                self._leaving -= slots
                if not epochs:
                    return
                self._observer.holds(len(self._held))
                await table.release(epochs)
        except BROKEN as error:
            self._fault(error)
            return
        self._observer.handed_over(len(epochs))
        _log.info("slots_handed_over", slots=len(epochs), replica=self._name, held=len(self._held))

    def lose_all(self, reason: str) -> None:
        """Drop all slots locally, after the database lost commits: changes of ownership may be among the lost ones.

        Gain no slots, not even those that the database shows as owned by this replica, until no other replica can still
        send based on a lost commit: until then it has run a round, or its lease has expired.
        """
        has_company = any(replica != self._replica for replica in self._silent)
        self._gains_from = self._clock() + self._timing.stop if has_company else 0.0
        self._silence.forget()
        self._lose(frozenset(self._held), reason)
        self._disconnect()
        self._wake.set()

    def drain(self) -> None:
        self._draining = True
        self._wake.set()
        self._want(frozenset(self._held))

    async def stop(self) -> None:
        self._ended = True
        self._wake.set()
        try:
            async with asyncio.timeout(_GOODBYE):
                if self._task is not None:
                    await asyncio.wait({self._task})
                self._lose(frozenset(self._held), "the server ends")
                async with self._table() as table:
                    await table.leave()
        except BROKEN as error:
            _log.warning("leases_run_out_by_themselves", seconds=self._timing.lease, reason=cause(error))
            self._lose(frozenset(self._held), "the server ends")
        if self._timer is not None:
            self._timer.cancel()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ---- rounds

    async def _run(self) -> None:
        while not self._ended:
            started = self._clock()
            self._wake.clear()
            try:
                async with self._table() as table:
                    await self._round(table)
            except Exception as error:  # noqa: BLE001  the next round retries after any error
                if not isinstance(error, BROKEN):
                    _log.exception("leases_failed")
                self._fault(error)
                pause = self._backoff.delay
            else:
                self._backoff.reset()
                now = self._clock()
                pause = min(started + self._timing.beat, self._silence.next_end()) - now
                if now < self._gains_from:
                    pause = min(pause, self._gains_from - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, 0.01)):
                    await self._wake.wait()

    async def _round(self, table: LeaseTable) -> None:
        if not self._registered:
            if not self._beat and not self._may_join():
                return
            await table.register(self._name, self._beat, self._own_timing.lease)
            self._registered = True
            _log.info("replica_registered", replica=self._name, id=self._replica)
        sent_at, draining = self._clock(), self._draining
        self._beat += 1
        if not await table.beat(self._beat, draining=draining):
            self._registered = False
            self._lose(frozenset(self._held), "another replica declared this one dead")
            self._wake.set()
            return
        self._renew(sent_at)
        if draining and not self._told_of_draining:  # after the heartbeat above has stored ``draining``
            await table.tell()
            self._told_of_draining = True
        everybody = await table.replicas()
        self._adapt(everybody, sent_at)
        replicas, slots = await self._without_dead(table, everybody, await table.slots())
        before, self._owners = self._owners, _owners(replicas, slots, self._owners)
        plan = decide(self._replica, replicas, slots, held=frozenset(self._held), leaving=self._leaving)
        self._follow(plan, slots)
        if plan.claim and self._gains_from <= self._clock():
            self._claimed(await table.claim(plan.claim), before)

    def _follow(self, plan: Plan, slots: tuple[Slot, ...]) -> None:
        if plan.lost:
            self._lose(plan.lost, "they are another replica's")
        if plan.found and self._gains_from <= self._clock() < self._deadline:
            self._gain({slot.slot: slot.epoch for slot in slots if slot.slot in plan.found})
            _log.info("slots_confirmed", slots=len(plan.found), replica=self._name)
        if plan.hand_over:
            self._want(plan.hand_over & frozenset(self._held))

    def _claimed(self, claimed: tuple[Slot, ...], owners: dict[int, Replica]) -> None:
        if not claimed:
            return
        self._gain({slot.slot: slot.epoch for slot in claimed})
        former = {slot.slot: owners[slot.slot] for slot in claimed if slot.slot in owners}
        dead = [replica for replica in former.values() if replica.id in self._dead]
        self._observer.taken_over(len(dead))
        tell = _log.warning if dead else _log.info
        tell(
            "slots_taken_over" if dead else "slots_claimed",
            slots=len(claimed),
            replica=self._name,
            former_owners=sorted({replica.name for replica in former.values()}),
            held=len(self._held),
        )

    async def _without_dead(
        self, table: LeaseTable, replicas: tuple[Replica, ...], slots: tuple[Slot, ...]
    ) -> tuple[tuple[Replica, ...], tuple[Slot, ...]]:
        """Remove the replicas whose lease has expired; returns both tables without them."""
        before, self._silent = self._silent, self._silence.read(replicas, self._clock())
        silent = self._silent
        self._dead |= {
            replica for replica in before.keys() - silent.keys() if before[replica] >= self._timing.lease / 2
        }
        removed = set()
        for replica in replicas:
            if replica.id == self._replica or not self._silence.has_outlived_its_lease(replica.id):
                continue
            if await table.remove(replica):
                removed.add(replica.id)
                self._dead.add(replica.id)
                freed = sum(1 for slot in slots if slot.owner == replica.id)
                _log.warning("replica_dead", dead=replica.name, silent_for=round(silent[replica.id], 1), slots=freed)
        if not removed:
            return replicas, slots
        self._owners |= _owners(replicas, slots, {})
        return tuple(replica for replica in replicas if replica.id not in removed), await table.slots()

    # ---- what is held

    def _renew(self, sent_at: float) -> None:
        """Extend the lease. If it had expired, drop all slots; those that nobody took over are gained again."""
        if self._held and self._clock() >= self._deadline:
            self._lose(frozenset(self._held), "no beat reached the database in time")
        self._deadline = sent_at + self._timing.stop
        if self._timer is None:
            self._set_timer()

    def _adapt(self, replicas: tuple[Replica, ...], sent_at: float) -> None:
        """Use the timing of the smallest lease, before slots are claimed; ``sent_at`` is the time of this heartbeat."""
        timing = shared_timing(self._own_timing, replicas)
        if timing == self._timing:
            return
        if timing.lease < self._own_timing.lease:
            _log.warning("leases_differ", replica=self._name, lease=self._own_timing.lease, smallest=timing.lease)
        self._timing = timing
        self._deadline = sent_at + timing.stop  # also if the lease grew, because then the next heartbeat comes later
        if self._timer is not None:
            self._timer.cancel()
            self._set_timer()

    def _set_timer(self) -> None:
        left = max(self._deadline - self._clock(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(left + 0.001, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._clock() < self._deadline:
            self._set_timer()
        elif self._held:
            self._lose(frozenset(self._held), f"no beat reached the database for {self._timing.stop:g} s")

    def _gain(self, epochs: dict[int, int]) -> None:
        self._held |= epochs
        self._leaving -= epochs.keys()
        self._observer.holds(len(self._held))
        self._listener.on_gained(frozenset(epochs))

    def _lose(self, slots: frozenset[int], reason: str) -> None:
        for slot in slots:
            self._held.pop(slot, None)
        self._leaving -= slots
        if slots:
            self._observer.holds(len(self._held))
            self._observer.lost(len(slots))
            _log.warning("slots_lost", slots=len(slots), replica=self._name, reason=reason)
            self._listener.on_lost(slots)

    def _want(self, slots: frozenset[int]) -> None:
        if slots:
            self._leaving |= slots
            self._listener.on_wanted(slots)

    # ---- the connection

    @contextlib.asynccontextmanager
    async def _table(self) -> AsyncIterator[LeaseTable]:
        """Exclusive access to the tables, with a timeout. After an error the connection is replaced."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(self._timing.stop / 2):
                    yield LeaseTable(await self._connect(), self._replica)
            except BaseException:
                self._disconnect()
                raise

    async def _connect(self) -> Session:
        if self._session is None or self._session.closed:
            self._session = await self._connector.connect()
            if not self._session.pooled:  # behind a pooler there is no LISTEN; the next round finds free slots
                await self._session.connection.add_listener(CHANNEL, lambda *_: self._wake.set())
        return self._session

    def _fault(self, error: BaseException) -> None:
        self._backoff.fail()
        self._silence.forget()
        if self._backoff.failures == 1 and is_held(error):
            self._on_held()
        if self._backoff.failures == 1:
            _log.warning("leases_cannot_reach_database", reason=cause(error))

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.terminate()


def _owners(replicas: tuple[Replica, ...], slots: tuple[Slot, ...], before: dict[int, Replica]) -> dict[int, Replica]:
    """The current owner of each slot; the last known one if it is free."""
    by_id = {replica.id: replica for replica in replicas}
    return before | {slot.slot: by_id[slot.owner] for slot in slots if slot.owner is not None and slot.owner in by_id}
