"""What a replica does about slots: who is silent, what to claim, what to hand over. Pure: time comes in, in seconds.

The trap is time. A replica is dead when its beat does not change for its lease. Only its observers' clocks can tell,
and only over reads that worked: while the database is away no beat can change, and that proves nothing about a replica.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec

from trackpush_server.journal.slots import SLOTS


class Timing(msgspec.Struct, frozen=True):
    """Seconds."""

    lease: float = 10.0
    """A replica whose beat has not changed for so long is dead to its observers."""

    @property
    def beat(self) -> float:
        """Between two beats."""
        return self.lease / 5

    @property
    def stop(self) -> float:
        """An owner stops sending so long after it sent its last beat that arrived: before anybody thinks it dead."""
        return self.lease * 0.8


class Replica(msgspec.Struct, frozen=True):
    """A row of ``replicas``."""

    id: int
    beat: int
    name: str
    draining: bool = False
    """It takes nothing more."""
    lease: float | None = None
    """As it published it, in seconds; None: its version does not publish one."""

    def lease_or(self, unknown: float) -> float:
        """Its lease in seconds."""
        return unknown if self.lease is None else self.lease


class Slot(msgspec.Struct, frozen=True):
    """A row of ``slots``."""

    slot: int
    owner: int | None
    epoch: int


def shared_timing(own: Timing, replicas: Iterable[Replica]) -> Timing:
    """The timing of an owner beside these replicas: that of the smallest lease.

    New versions judge an owner by the lease that it published. Older ones judge it by their own and publish none: it is
    taken for the default.
    """
    unknown = Timing().lease
    return Timing(lease=min([own.lease, *(replica.lease_or(unknown) for replica in replicas)]))


class Silence:
    """Knows for how long each replica's beat has not changed, and which of them have outlived their leases."""

    def __init__(self, timing: Timing) -> None:
        """``timing`` of this replica: decides how often it reads, and judges replicas that publish no lease."""
        self._timing = timing
        self._since: dict[int, tuple[int, float]] = {}
        self._ends: dict[int, float] = {}
        """When each lease runs out, if its replica stays silent."""
        self._read_at = -math.inf

    def forget(self) -> None:
        """A read failed: what comes next is seen for the first time."""
        self._since.clear()
        self._ends.clear()

    def has_outlived_its_lease(self, replica: int) -> bool:
        """Whether the last read found it silent for its whole lease."""
        return self._ends[replica] <= self._read_at

    def read(self, replicas: Sequence[Replica], now: float) -> dict[int, float]:
        """For how long each beat has not changed, by replica.

        After a pause without reads nothing is known of the time between: this process may have been stopped, and the
        database with it.
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
        """When the next lease runs out, if its replica stays silent."""
        return min(self._ends.values(), default=math.inf)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one look at both tables."""

    lost: frozenset[int] = frozenset()
    """Held here, but no longer ours in the database."""
    found: frozenset[int] = frozenset()
    """Ours in the database, not held here: from before the lease ran out, or of a call whose answer was lost."""
    claim: int = 0
    """How many free slots to take."""
    hand_over: frozenset[int] = frozenset()


def decide(
    replica: int,
    replicas: Sequence[Replica],
    slots: Sequence[Slot],
    *,
    held: frozenset[int],
    leaving: frozenset[int],
) -> Plan:
    """For ``replica``: towards an equal share for all that take part. ``leaving`` are being handed over already."""
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
