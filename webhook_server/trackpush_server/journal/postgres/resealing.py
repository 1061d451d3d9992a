"""Finds updates that aren't sealed as they would be now, and encrypts them again. docs/encryption.md.

Found by their first bytes; opened and sealed with their rows locked, since an update may have been erased in between.
"""

import time

from trackpush_server.journal.model import Resealed
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.queries import load
from trackpush_server.journal.sealing import BODY, NOTIFICATION, PREFIX_BYTES, Sealer

_SQL = load(f"{__package__}.sql", "resealing")


async def reseal(pool: Pool, sealer: Sealer, after: int, limit: int) -> Resealed:
    """See `Journal.reseal`."""
    rows = await pool.fetch(_SQL["next"], after, limit, PREFIX_BYTES)
    stale = [
        row["id"] for row in rows if not (sealer.is_current(row["notification"]) and sealer.is_current(row["body"]))
    ]
    next_after = rows[-1]["id"] if len(rows) == limit else None
    if not stale:
        return Resealed(looked=len(rows), resealed=0, next_after=next_after)
    begun = time.perf_counter()
    unreadable = []
    ids, notifications, bodies = [], [], []
    async with pool.session() as session, session.begin():
        for row in await session.fetch(_SQL["payloads"], stale):
            key = row["key"]
            payload = sealer.payload(key=key, notification=row["notification"], body=row["body"])
            if payload.unreadable is not None:
                unreadable.append(payload.unreadable)
                continue
            ids.append(row["id"])
            notifications.append(sealer.seal(payload.notification, key=key, column=NOTIFICATION))
            bodies.append(sealer.seal(payload.body, key=key, column=BODY))
        await session.fetch(_SQL["replace"], ids, notifications, bodies)
    return Resealed(
        looked=len(rows),
        resealed=len(ids),
        unreadable=tuple(unreadable),
        seconds=time.perf_counter() - begun,
        next_after=next_after,
    )
