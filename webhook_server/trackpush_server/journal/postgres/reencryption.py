"""Re-encrypts updates that are not sealed with the current key. docs/encryption.md.

A first statement finds them by their first bytes. They are then decrypted and encrypted with their rows locked, because
an update can be erased between the two steps.
"""

import time

from trackpush_server.journal.model import Resealed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres import inbox
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.erasure import vacuum_all
from trackpush_server.journal.sealing import BODY, NOTIFICATION, PREFIX_BYTES

_SQL = load(f"{__package__}.sql", "reencryption")


class PostgresReencryption:
    """See `trackpush_server.journal.ports.ReencryptionStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def reseal(self, *, after: int, limit: int) -> Resealed:
        rows = await self._access.pool.fetch(_SQL["next"], after, limit, PREFIX_BYTES)
        stale = [
            row["id"]
            for row in rows
            if not (self._access.sealer.is_current(row["notification"]) and self._access.sealer.is_current(row["body"]))
        ]
        next_after = rows[-1]["id"] if len(rows) == limit else None
        if not stale:
            return Resealed(looked=len(rows), resealed=0, next_after=next_after)
        begun = time.perf_counter()
        unreadable = []
        ids, notifications, bodies = [], [], []
        async with self._access.pool.session() as session, session.begin():
            for row in await session.fetch(_SQL["payloads"], stale):
                key = row["key"]
                payload = self._access.sealer.payload(key=key, notification=row["notification"], body=row["body"])
                if payload.unreadable is not None:
                    unreadable.append(payload.unreadable)
                    continue
                ids.append(row["id"])
                notifications.append(self._access.sealer.seal(payload.notification, key=key, column=NOTIFICATION))
                bodies.append(self._access.sealer.seal(payload.body, key=key, column=BODY))
            await session.fetch(_SQL["replace"], ids, notifications, bodies)
        return Resealed(
            looked=len(rows),
            resealed=len(ids),
            unreadable=tuple(unreadable),
            seconds=time.perf_counter() - begun,
            next_after=next_after,
        )

    async def reseal_unrecognised(self, *, after: int, limit: int) -> Resealed:
        return await inbox.reseal(self._access.pool, self._access.sealer, after, limit)

    async def scrub(self) -> None:
        await vacuum_all(self._access.pool)
