"""Finds stored updates without a push for a PushConfig (its filter excluded them), and adds pushes."""

from collections.abc import Sequence

from trackpush_server.journal.model import FoundUpdates, StoredUpdate, Unpushed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.search import bounds
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.search import PushQuery
from trackpush_server.journal.slots import slot_of

_SQL = load(f"{__package__}.sql", "unpushed")
_NAMES = load(f"{__package__}.sql", "writing")["push_configs"]


async def find(pool: Pool, push_config: str, wanted: Unpushed, after: int, limit: int) -> FoundUpdates:
    """Implements `ReplayStore.find_unpushed`."""
    async with pool.session() as session:
        where = await bounds(session, PushQuery(since=wanted.since, until=wanted.until), None)
        values = (push_config, list(wanted.accounts), where.since, where.until)
        if wanted.awb is not None:
            rows = await session.fetch(_SQL["by_awb"], *values, after, wanted.awb)
            return FoundUpdates(tuple(row["id"] for row in rows), None)
        stretch = (max(after, where.low[0] - 1), where.high[0], limit)
        rows = await session.fetch(_SQL["next"], *values, *stretch)
    return FoundUpdates(
        tuple(row["id"] for row in rows if row["wanted"]), rows[-1]["id"] if len(rows) == limit else None
    )


async def read(pool: Pool, sealer: Sealer, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
    """Implements `ReplayStore.read_updates`."""
    found = []
    for row in await pool.fetch(_SQL["read"], list(update_ids)):
        payload = sealer.payload(key=row["key"], notification=row["notification"], body=row["body"])
        found.append(
            StoredUpdate(
                update_id=row["id"], account=row["account"], received_at=row["received_at"], **payload._asdict()
            )
        )
    return tuple(found)


async def add(pool: Pool, push_config: str, update_ids: Sequence[int], now: int, replica: int) -> int:
    """Implements `ReplayStore.add_pushes`."""
    # The PushConfig may have no number yet, if its filter has excluded all updates so far.
    await pool.fetch(_NAMES, [push_config], [slot_of(push_config)])
    return await pool.write(_SQL["add"], push_config, list(update_ids), now, replica, news=True)
