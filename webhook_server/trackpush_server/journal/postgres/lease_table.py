"""The statements on the tables ``replicas`` and ``slots``. None compares clocks.

docs/storage.md, "Leases and fencing", describes the protocol.
"""

from collections.abc import Mapping
from typing import Final

from trackpush_server.journal.postgres.session import Session
from trackpush_server.journal.postgres.slot_balancer import Replica, Slot

CHANNEL: Final = "trackpush_slots"
"""Channel for joins, drains and released slots: replicas rebalance without waiting for a heartbeat."""

_REGISTER = """
WITH joined AS (
    INSERT INTO trackpush.replicas AS r (id, beat, name, lease_seconds) VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET beat = greatest(r.beat + 1, excluded.beat), lease_seconds = excluded.lease_seconds
    RETURNING id
)
SELECT pg_notify('trackpush_slots', '') FROM joined
"""
_BEAT = "UPDATE trackpush.replicas SET beat = $2, draining = $3 WHERE id = $1 AND beat < $2 RETURNING id"
_REPLICAS = "SELECT id, beat, name, draining, lease_seconds FROM trackpush.replicas ORDER BY id"
_SLOTS = "SELECT slot, owner, epoch FROM trackpush.slots ORDER BY slot"
_REMOVE = "DELETE FROM trackpush.replicas WHERE id = $1 AND beat = $2 RETURNING id"
_CLAIM = """
WITH turn AS MATERIALIZED (SELECT FROM trackpush.counter FOR UPDATE), free AS (
    SELECT s.slot FROM turn CROSS JOIN trackpush.slots AS s WHERE s.owner IS NULL ORDER BY s.slot LIMIT $2
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE trackpush.slots AS s SET owner = $1, epoch = s.epoch + 1 FROM free WHERE s.slot = free.slot
RETURNING s.slot, s.owner, s.epoch
"""
_RELEASE = """
WITH freed AS (
    UPDATE trackpush.slots AS s SET owner = NULL
    FROM unnest($2::smallint[], $3::bigint[]) AS r (slot, epoch)
    WHERE s.slot = r.slot AND s.epoch = r.epoch AND s.owner = $1
    RETURNING s.slot
)
SELECT pg_notify('trackpush_slots', '') FROM (SELECT count(*) FROM freed) AS n
"""
_LEAVE = """
WITH left_ AS (DELETE FROM trackpush.replicas WHERE id = $1 RETURNING id)
SELECT pg_notify('trackpush_slots', '') FROM (SELECT count(*) FROM left_) AS n
"""
_TELL = "SELECT pg_notify('trackpush_slots', '')"


class LeaseTable:
    """Access to both tables on one connection, for one replica; one call at a time."""

    def __init__(self, session: Session, replica: int) -> None:
        self._session = session
        self._replica = replica

    async def register(self, name: str, beat: int, lease: float) -> None:
        """Insert or update this replica. Others may declare it dead after ``lease`` seconds without a heartbeat."""
        await self._session.fetch(_REGISTER, self._replica, beat, name, lease)

    async def beat(self, beat: int, *, draining: bool) -> bool:
        """Send a heartbeat, a number that must increase; False if this replica was declared dead."""
        return bool(await self._session.fetch(_BEAT, self._replica, beat, draining))

    async def replicas(self) -> tuple[Replica, ...]:
        """All registered replicas."""
        return tuple(Replica(*row) for row in await self._session.fetch(_REPLICAS))

    async def slots(self) -> tuple[Slot, ...]:
        """All slots, in order."""
        return tuple(Slot(*row) for row in await self._session.fetch(_SLOTS))

    async def remove(self, dead: Replica) -> bool:
        """Declare a replica dead, which frees its slots; False if its heartbeat has changed or it is already gone."""
        return bool(await self._session.fetch(_REMOVE, dead.id, dead.beat))

    async def claim(self, most: int) -> tuple[Slot, ...]:
        """Claim free slots, at most ``most``.

        It waits for the counter's lock, so that earlier appends are committed; NOTIFY reports later ones.
        """
        return tuple(Slot(*row) for row in await self._session.fetch(_CLAIM, self._replica, most))

    async def release(self, epochs: Mapping[int, int]) -> None:
        """Free slots that this replica owns in these epochs, and notify the others."""
        await self._session.fetch(_RELEASE, self._replica, list(epochs), list(epochs.values()))

    async def tell(self) -> None:
        """Notify all replicas to run a round."""
        await self._session.fetch(_TELL)

    async def leave(self) -> None:
        """Delete this replica, which frees all its slots, and notify the others."""
        await self._session.fetch(_LEAVE, self._replica)
