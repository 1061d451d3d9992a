"""The history of the configuration in a database, under the counter's lock, so that replicas store each change once."""

from collections.abc import Mapping, Sequence

from trackpush_server.journal.config_history import (
    MOST_ENTRIES,
    ConfigEntry,
    ConfigHead,
    NewConfigEntry,
    StoredFields,
    decoded,
    decoded_fields,
    encoded,
    encoded_fields,
)
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.pool import Pool

SQL = load(f"{__package__}.sql", "config_history")
_LOCK = load(f"{__package__}.sql", "reading")["lock"]
_LAST = (1 << 62) - 1


class PostgresConfigHistory:
    """See `trackpush_server.journal.ports.ConfigHistoryStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def head(self, *, since: int) -> ConfigHead | None:
        async with self._access.pool.session() as session:
            row = await session.row(SQL["head"])
            if row is None:
                return None
            recent = await session.fetch(SQL["recent"], since)
        return ConfigHead(id=row["id"], revision=row["revision"], recent=tuple(each["revision"] for each in recent))

    async def resources(self) -> dict[str, StoredFields]:
        rows = await self._access.pool.fetch(SQL["snapshot"])
        return {row["name"]: decoded_fields(row["fields"]) for row in rows}

    async def append(
        self, entry: NewConfigEntry, *, after: int, resources: Mapping[str, StoredFields], gone: Sequence[str]
    ) -> bool:
        self._access.appends.check()
        written = [encoded_fields(fields) for fields in resources.values()]
        number = after + 1
        async with self._access.pool.session() as session, session.begin():
            await session.fetch(_LOCK)
            newest = await session.row(SQL["head"])
            if (0 if newest is None else newest["id"]) != after:
                return False
            counts = (entry.added, entry.removed, entry.changed, entry.is_first)
            await session.fetch(SQL["add"], number, entry.at, entry.revision, *counts, encoded(entry.resources))
            await session.fetch(SQL["trim"], number - MOST_ENTRIES)
            await session.fetch(SQL["set_resources"], list(resources), written)
            await session.fetch(SQL["drop_resources"], list(gone))
        return True


async def read(pool: Pool, before: int | None, limit: int) -> tuple[ConfigEntry, ...]:
    """See `JournalSearch.config_history`."""
    rows = await pool.fetch(SQL["read"], _LAST if before is None else before, limit)
    return tuple(ConfigEntry(**{**dict(row), "resources": decoded(row["resources"])}) for row in rows)
