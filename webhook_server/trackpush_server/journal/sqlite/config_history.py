"""The history of the configuration in a journal file, written in the writer's transaction."""

from collections.abc import Mapping, Sequence

import msgspec

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
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection

SQL = load(f"{__package__}.sql", "config_history")
_LAST = (1 << 63) - 1


class SqliteConfigHistory:
    """See `trackpush_server.journal.ports.ConfigHistoryStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def head(self, *, since: int) -> ConfigHead | None:
        return await self._access.read(lambda connection: _head(connection, since))

    async def resources(self) -> dict[str, StoredFields]:
        return await self._access.read(
            lambda connection: {name: decoded_fields(fields) for name, fields in connection.execute(SQL["snapshot"])}
        )

    async def append(
        self, entry: NewConfigEntry, *, after: int, resources: Mapping[str, StoredFields], gone: Sequence[str]
    ) -> bool:
        rows = [(name, encoded_fields(fields)) for name, fields in resources.items()]
        written = msgspec.json.encode(rows).decode()
        return await self._access.write(lambda connection: _append(connection, entry, after, written, gone))


def _head(connection: SqliteConnection, since: int) -> ConfigHead | None:
    row = connection.execute(SQL["head"]).fetchone()
    if row is None:
        return None
    recent = tuple(revision for (revision,) in connection.execute(SQL["recent"], (since,)))
    return ConfigHead(id=row[0], revision=row[1], recent=recent)


def _append(connection: SqliteConnection, entry: NewConfigEntry, after: int, rows: str, gone: Sequence[str]) -> bool:
    newest = connection.execute(SQL["head"]).fetchone()
    if (0 if newest is None else newest[0]) != after:
        return False
    number = after + 1
    counts = (entry.added, entry.removed, entry.changed, int(entry.is_first))
    connection.execute(SQL["add"], (number, entry.at, entry.revision, *counts, encoded(entry.resources)))
    connection.execute(SQL["trim"], (number - MOST_ENTRIES,))
    connection.execute(SQL["set_resources"], {"rows": rows})
    connection.execute(SQL["drop_resources"], {"names": msgspec.json.encode(list(gone)).decode()})
    return True


def read(connection: SqliteConnection, before: int | None, limit: int) -> tuple[ConfigEntry, ...]:
    """See `JournalSearch.config_history`."""
    rows = connection.execute(SQL["read"], (_LAST if before is None else before, limit))
    return tuple(
        ConfigEntry(
            id=number,
            at=at,
            revision=revision,
            added=added,
            removed=removed,
            changed=changed,
            is_first=bool(is_first),
            resources=decoded(resources),
        )
        for number, at, revision, added, removed, changed, is_first, resources in rows
    )
