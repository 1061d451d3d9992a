"""The statements about replicas and slots. docs/storage.md, "Leases and fencing"; no statement compares a clock."""

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
    """One replica's sight of both tables, over one connection; one call at a time."""

    def __init__(self, session: Session, replica: int) -> None:
        self._session = session
        self._replica = replica

    async def register(self, name: str, beat: int, lease: float) -> None:
        """Take part (again). ``lease``: after so many seconds of silence the others may declare this replica dead."""
        await self._session.fetch(_REGISTER, self._replica, beat, name, lease)

    async def beat(self, beat: int, *, draining: bool) -> bool:
        """Show that we live; False when we were declared dead. ``beat`` is larger than any before."""
        return bool(await self._session.fetch(_BEAT, self._replica, beat, draining))

    async def replicas(self) -> tuple[Replica, ...]:
        """All that take part."""
        return tuple(Replica(*row) for row in await self._session.fetch(_REPLICAS))

    async def slots(self) -> tuple[Slot, ...]:
        """All, in order."""
        return tuple(Slot(*row) for row in await self._session.fetch(_SLOTS))

    async def remove(self, dead: Replica) -> bool:
        """Declare a replica dead, which frees its slots; False when its beat has moved or another was first."""
        return bool(await self._session.fetch(_REMOVE, dead.id, dead.beat))

    async def claim(self, most: int) -> tuple[Slot, ...]:
        """Take free slots. Earlier appends are committed; of later ones the channel reports."""
        return tuple(Slot(*row) for row in await self._session.fetch(_CLAIM, self._replica, most))

    async def release(self, epochs: Mapping[int, int]) -> None:
        """Free slots that we hold under these epochs, and tell the others."""
        await self._session.fetch(_RELEASE, self._replica, list(epochs), list(epochs.values()))

    async def tell(self) -> None:
        """Have all look again."""
        await self._session.fetch(_TELL)

    async def leave(self) -> None:
        """Take part no longer: all our slots are free at once."""
        await self._session.fetch(_LEAVE, self._replica)
