"""Reads a journal in PostgreSQL: each update with its pushes and attempts."""

from collections import defaultdict

import asyncpg

from trackpush_server.journal.copying import unrecognised
from trackpush_server.journal.copying.ports import Chunk
from trackpush_server.journal.copying.records import (
    AttemptRecord,
    AuditRecord,
    ConfigEntryRecord,
    ConfigResourceRecord,
    ErasureRecord,
    LastUpdateRecord,
    ListeningRecord,
    PortalChangeRecord,
    PortalKeyRecord,
    PortalLinkRecord,
    PushRecord,
    RollupRecord,
    TenantRecord,
    UnscopedRecords,
    UpdateRecord,
    single,
)
from trackpush_server.journal.postgres.config_history import SQL as CONFIG_HISTORY
from trackpush_server.journal.postgres.copying.announcements import read_announcements
from trackpush_server.journal.postgres.copying.database import SQL, explained
from trackpush_server.journal.postgres.last_updates import SQL as LAST_UPDATES
from trackpush_server.journal.postgres.portal_changes import SQL as PORTAL_CHANGES
from trackpush_server.journal.postgres.portal_links import SQL as PORTAL_LINKS
from trackpush_server.journal.postgres.rollups import SQL as ROLLUPS
from trackpush_server.journal.postgres.tenants import SQL as TENANTS


class PostgresReading:
    """Implements `StoreReader` on one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def count(self) -> int:
        with explained():
            return int(await self._connection.fetchval(SQL["count_updates"]))

    async def position(self, key: bytes) -> int | None:
        with explained():
            found: int | None = await self._connection.fetchval(SQL["find_key"], key)
            return found

    async def part(self, after: int, limit: int) -> Chunk:
        with explained():
            rows = await self._connection.fetch(SQL["read_updates"], after, limit)
            if not rows:
                return Chunk((), after)
            ends = (rows[0]["id"], rows[-1]["id"])
            attempts = await self._attempts(*ends)
            pushes = await self._pushes(*ends, attempts)
        records = []
        for row in rows:
            columns = dict(row)
            update_id = columns.pop("id")
            ordered = sorted(attempts[update_id], key=lambda attempt: (attempt.push_config, attempt.number))
            records.append(UpdateRecord(**columns, pushes=tuple(pushes[update_id]), attempts=tuple(ordered)))
        return Chunk(tuple(records), ends[1])

    async def _attempts(self, first: int, last: int) -> defaultdict[int, list[AttemptRecord]]:
        found: defaultdict[int, list[AttemptRecord]] = defaultdict(list)
        for row in await self._connection.fetch(SQL["read_attempts"], first, last):
            columns = dict(row)
            update_id = columns.pop("update_id")
            found[update_id].append(AttemptRecord(**{**columns, "duration_ms": single(columns["duration_ms"])}))
        return found

    async def _pushes(
        self, first: int, last: int, attempts: defaultdict[int, list[AttemptRecord]]
    ) -> defaultdict[int, list[PushRecord]]:
        """Read pushes. Their rows contain the last attempt; add it to ``attempts``."""
        found: defaultdict[int, list[PushRecord]] = defaultdict(list)
        for row in await self._connection.fetch(SQL["read_pushes"], first, last):
            columns = dict(row)
            update_id, started_at, duration_ms, http_status = (
                columns.pop(name) for name in ("update_id", "started_at", "duration_ms", "http_status")
            )
            push = PushRecord(**columns)
            found[update_id].append(push)
            if started_at is not None:
                held = AttemptRecord(
                    push.push_config, push.tries, started_at, single(duration_ms), http_status, push.error
                )
                attempts[update_id].append(held)
        return found

    async def rest(self) -> UnscopedRecords:
        with explained():
            erasures = await self._connection.fetch(SQL["read_erasures"])
            audits = await self._connection.fetch(SQL["read_audits"])
            tenants = await self._connection.fetch(TENANTS["of_copy"])
            times = await self._connection.fetch(LAST_UPDATES["all"])
            listening = await self._connection.fetch(LAST_UPDATES["listening"])
            rollups = await self._connection.fetch(ROLLUPS["all"])
            portal_key = await self._connection.fetch(PORTAL_LINKS["key"])
            portal_links = await self._connection.fetch(PORTAL_LINKS["all"])
            changes = await self._connection.fetch(PORTAL_CHANGES["all"])
            announcements = await read_announcements(self._connection)
            entries = await self._connection.fetch(CONFIG_HISTORY["all"])
            resources = await self._connection.fetch(CONFIG_HISTORY["all_resources"])
            bodies = await self._connection.fetch(unrecognised.READ.format(table="trackpush.unrecognised"))
        return UnscopedRecords(
            erasures=tuple(ErasureRecord(**dict(row)) for row in erasures),
            audits=tuple(AuditRecord(**dict(row)) for row in audits),
            unrecognised=unrecognised.records(bodies),
            tenants=tuple(TenantRecord(**dict(row)) for row in tenants),
            last_updates=tuple(LastUpdateRecord(*row) for row in times),
            listening=tuple(ListeningRecord(*row) for row in listening),
            rollups=tuple(RollupRecord(*row) for row in rollups),
            portal_key=tuple(PortalKeyRecord(*row) for row in portal_key),
            portal_links=tuple(PortalLinkRecord(*row) for row in portal_links),
            portal_changes=tuple(PortalChangeRecord(*row) for row in changes),
            **announcements,
            config_history=tuple(ConfigEntryRecord(*row) for row in entries),
            config_resources=tuple(ConfigResourceRecord(*row) for row in resources),
        )
