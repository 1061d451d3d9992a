"""Decides which replicas are dead, and which slots to claim and to hand over. Pure: time comes in, in seconds.

A replica is dead if its heartbeat does not change for the duration of its lease. Each observer measures that with its
own clock, and only across successful reads: while the database is unreachable, no heartbeat can change, so silence
proves nothing.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec

from trackpush_server.journal.slots import SLOTS


class Timing(msgspec.Struct, frozen=True):
    """Durations of the lease protocol, in seconds."""

    lease: float = 10.0
    """Observers consider a replica dead if its heartbeat has not changed for so long."""

    @property
    def beat(self) -> float:
        """Interval of heartbeats."""
        return self.lease / 5

    @property
    def stop(self) -> float:
        """An owner stops sending so long after it sent its last stored heartbeat: before others consider it dead."""
        return self.lease * 0.8


class Replica(msgspec.Struct, frozen=True):
    """A row of ``replicas``."""

    id: int
    beat: int
    name: str
    draining: bool = False
    """It claims no more slots."""
    lease: float | None = None
    """Published lease in seconds; None if its version does not publish one."""

    def lease_or(self, unknown: float) -> float:
        """Its lease in seconds; ``unknown`` if it does not publish one."""
        return unknown if self.lease is None else self.lease


class Slot(msgspec.Struct, frozen=True):
    """A row of ``slots``."""

    slot: int
    owner: int | None
    epoch: int


def shared_timing(own: Timing, replicas: Iterable[Replica]) -> Timing:
    """The timing that an owner must keep with these replicas: that of the smallest lease.

    New versions compare an owner's silence with the lease that the owner published. Older versions compare it with
    their own lease, which they don't publish; the default is assumed.
    """
    unknown = Timing().lease
    return Timing(lease=min([own.lease, *(replica.lease_or(unknown) for replica in replicas)]))


class Silence:
    """Measures how long each replica's heartbeat has not changed, and which leases have expired."""

    def __init__(self, timing: Timing) -> None:
        """``timing`` of this replica: its read interval, and the lease of replicas that publish none."""
        self._timing = timing
        self._since: dict[int, tuple[int, float]] = {}
        self._ends: dict[int, float] = {}
        """When each lease expires if its heartbeat does not change."""
        self._read_at = -math.inf

    def forget(self) -> None:
        """Discard all measurements, after a failed read."""
        self._since.clear()
        self._ends.clear()

    def has_outlived_its_lease(self, replica: int) -> bool:
        """Whether its heartbeat had not changed for its whole lease at the last read."""
        return self._ends[replica] <= self._read_at

    def read(self, replicas: Sequence[Replica], now: float) -> dict[int, float]:
        """Record a read; returns for how long each heartbeat has not changed, by replica.

        After a long pause between reads, all measurements are discarded: this process may have been suspended, together
        with the database.
        """
        if now - self._read_at > self._timing.lease / 2:
            self._since.clear()
        self._read_at = now
        before, self._since = self._since, {}
        for replica in replicas:
            beat, since = before.get(replica.id, (replica.beat, now))
            self._since[replica.id] = (replica.beat, since if beat == replica.beat else now)
        self._ends = {
            replica.id: self._since[replica.id][1] + replica.lease_or(self._timing.lease) for replica in replicas
        }
        return {replica: now - since for replica, (_, since) in self._since.items()}

    def next_end(self) -> float:
        """When the next lease expires if its heartbeat does not change."""
        return min(self._ends.values(), default=math.inf)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Changes to make after one read of both tables."""

    lost: frozenset[int] = frozenset()
    """Held locally, but not owned by this replica in the database."""
    found: frozenset[int] = frozenset()
    """Owned in the database, but not held locally: after the lease expired, or after a claim without a response."""
    claim: int = 0
    """Number of free slots to claim."""
    hand_over: frozenset[int] = frozenset()
    """Slots to hand over to other replicas."""


def decide(
    replica: int,
    replicas: Sequence[Replica],
    slots: Sequence[Slot],
    *,
    held: frozenset[int],
    leaving: frozenset[int],
) -> Plan:
    """Plan the changes of ``replica`` towards equal shares; ``leaving`` are slots that it is already handing over."""
    ours = frozenset(slot.slot for slot in slots if slot.owner == replica)
    lost, found = held - ours, ours - held
    takers = [replica.id for replica in replicas if not replica.draining]
    if replica not in takers:
        return Plan(lost=lost, hand_over=ours - leaving)
    share = math.ceil(SLOTS / len(takers))
    free = sum(1 for slot in slots if slot.owner is None)
    staying = sorted(ours - leaving)
    return Plan(
        lost=lost,
        found=found,
        claim=max(0, min(share - len(ours), free)),
        hand_over=frozenset(staying[share:]),
    )
