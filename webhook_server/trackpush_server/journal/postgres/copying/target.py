"""A new journal in PostgreSQL as the target of a copy.

The rows are the same that the adapter's own SQL function would write. Derived data (shipments, the counter) is computed
at the end.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from trackpush_server.journal.copying import unrecognised
from trackpush_server.journal.copying.announcements import announcement_tables
from trackpush_server.journal.copying.records import (
    AttemptRecord,
    AuditRecord,
    ConfigEntryRecord,
    ConfigResourceRecord,
    ErasureRecord,
    Existing,
    JournalPlace,
    LastUpdateRecord,
    ListeningRecord,
    PortalChangeRecord,
    PortalKeyRecord,
    PortalLinkRecord,
    PushRecord,
    RollupRecord,
    TenantRecord,
    TransferError,
    UnscopedRecords,
    UpdateRecord,
    without_nul,
)
from trackpush_server.journal.postgres import schema
from trackpush_server.journal.postgres.announcements import SQL as ANNOUNCEMENTS
from trackpush_server.journal.postgres.copying.database import SQL, CopyingDatabase, explained
from trackpush_server.journal.postgres.copying.reading import PostgresReading
from trackpush_server.journal.rollups import RollupSubject
from trackpush_server.journal.slots import slot_of

_DAY_BITS: Final = 36
_DAYS_BEFORE: Final = 18262
"""Days from 1970-01-01 to 2020-01-01, which is day 0 of ids."""
_DAY_MS: Final = 86_400_000
_DELIVERED = 1
_UPDATE_COLUMNS = ("id", "key", "account_id", *UpdateRecord.__struct_fields__[2:-2])
_PUSH_COLUMNS = ("config_id", *PushRecord.__struct_fields__[1:])
_ROLLUP_COLUMNS = ("at", "subject", "number", "label", *RollupRecord.__struct_fields__[3:])
_INLINE_COLUMNS = ("started_at", "duration_ms", "http_status")
_ATTEMPT_COLUMNS = ("config_id", *AttemptRecord.__struct_fields__[1:])


class PostgresTarget:
    """Implements `CopyTarget` for a database without a journal."""

    def __init__(self, dsn: str, say: Callable[[str], None] = lambda _: None) -> None:
        self._database = CopyingDatabase(dsn, say)
        self._last_id = 0
        self._today = 0
        self._days: set[int] = set()
        self._accounts: dict[str, int] = {}
        self._configs: dict[str, int] = {}

    async def open(self) -> Existing | None:
        await self._database.open()
        with explained():
            mark = await self._database.mark()
            found = await self._database.identity()
            if found is None:  # no journal, or one of an older version, which has no id
                return None if mark is None else Existing(self._place(""), is_finished=mark != schema.COPYING)
            if mark == schema.MOVED:
                raise TransferError(
                    f"the journal of this database was moved to {found['moved_to_place'] or 'another place'};"
                    " name another, empty database"
                )
            is_empty = not await self._database.connection.fetchval(SQL["last_id"])
            if mark is None and is_empty and found["copied_from"] is None:
                return None
            return Existing(self._place(found["id"]), is_finished=mark is None, copied_from=found["copied_from"])

    async def begin(self, source: str) -> PostgresReading:
        database = self._database
        connection = database.connection
        with explained():
            mark = await database.mark()
            await database.migrate()
            if mark is None:
                await database.refuse_if_served()
                async with connection.transaction(isolation="read_committed"):
                    await database.fence()
                    if await connection.fetchval(SQL["last_id"]):
                        raise TransferError("this database holds a journal already; name an empty one")
                    await connection.execute(SQL["begin_copy"], source)
                    await database.hold(schema.COPYING)
            state = await connection.fetchrow(SQL["state"])
            self._last_id, self._today = state["last_id"], state["today"]
            self._accounts = await self._names("accounts")
            self._configs = await self._names("push_configs")
        return PostgresReading(connection)

    async def place(self) -> JournalPlace:
        with explained():
            return self._place((await self._database.identity())["id"])

    def _place(self, journal: str) -> JournalPlace:
        return JournalPlace(journal, self._database.place)

    async def last_key(self) -> bytes | None:
        with explained():
            found: bytes | None = await self._database.connection.fetchval(SQL["key_of"], self._last_id)
            return found

    async def write(self, records: Sequence[UpdateRecord]) -> None:
        numbered = list(zip(self._numbers(records), records, strict=True))
        with explained():
            async with self._database.connection.transaction():
                for day in sorted({number >> _DAY_BITS for number, _ in numbered} - self._days):
                    await self._database.connection.execute(SQL["make_partition"], day)
                    self._days.add(day)
                await self._learn_names(records)
                await self._fill("keys", ("key", "update_id"), ((record.key, number) for number, record in numbered))
                await self._fill("updates", _UPDATE_COLUMNS, map(self._update_row, numbered))
                columns = ("update_id", "origin", *_PUSH_COLUMNS, *_INLINE_COLUMNS)
                await self._fill("pushes", columns, self._push_rows(numbered))
                await self._fill("undelivered", ("update_id", "config_id", "state"), self._undelivered_rows(numbered))
                await self._fill("attempts", ("update_id", *_ATTEMPT_COLUMNS), self._attempt_rows(numbered))
        self._last_id = numbered[-1][0]

    async def finish(self, rest: UnscopedRecords) -> None:
        connection = self._database.connection
        with explained():
            async with connection.transaction():
                await connection.execute(SQL["empty_rest"])
                await connection.execute(SQL["derive_shipments"])
                await connection.execute(SQL["set_last_id"], self._last_id)
                await self._fill("erasures", ErasureRecord.__struct_fields__, map(_fields, rest.erasures))
                await self._fill("audits", AuditRecord.__struct_fields__, map(_fields, rest.audits))
                await self._fill("unrecognised", unrecognised.COLUMNS, unrecognised.values(rest.unrecognised))
                await self._fill("tenants", TenantRecord.__struct_fields__, map(_fields, rest.tenants))
                counted = {
                    subject: {each.name for each in rest.rollups if each.subject == subject}
                    for subject in RollupSubject
                }
                await self._learn_accounts(
                    {entry.account for entry in rest.last_updates} | counted[RollupSubject.ACCOUNT]
                )
                await self._learn_configs(counted[RollupSubject.PUSH_CONFIG])
                await self._fill("rollups", _ROLLUP_COLUMNS, map(self._rollup_row, rest.rollups))
                entry_columns = ConfigEntryRecord.__struct_fields__
                await self._fill("config_history", entry_columns, map(_fields, rest.config_history))
                resource_columns = ConfigResourceRecord.__struct_fields__
                await self._fill("config_resources", resource_columns, map(_fields, rest.config_resources))
                columns = ("account_id", *LastUpdateRecord.__struct_fields__[1:])
                await self._fill("last_updates", columns, map(self._last_update_row, rest.last_updates))
                columns = PortalChangeRecord.__struct_fields__
                await self._fill("portal_changes", columns, map(_fields, rest.portal_changes))
                await self._fill("listening", ListeningRecord.__struct_fields__, map(_fields, rest.listening))
                await self._fill(
                    "portal_key", ("one", *PortalKeyRecord.__struct_fields__), map(_key_row, rest.portal_key)
                )
                await self._fill("portal_links", PortalLinkRecord.__struct_fields__, map(_fields, rest.portal_links))
                await connection.execute(ANNOUNCEMENTS["empty_totals"])
                for table, records in announcement_tables(rest):
                    await self._fill(table, records[0].__struct_fields__, map(_fields, records))
                await connection.executemany(
                    ANNOUNCEMENTS["fill_body"], [(entry.target, entry.body) for entry in rest.messages]
                )
                await connection.execute(ANNOUNCEMENTS["next_seq"])
            await connection.execute("ANALYZE")

    def storable(self, record: UpdateRecord) -> UpdateRecord:
        cleaned: UpdateRecord = without_nul(record)
        return cleaned

    async def release(self) -> None:
        with explained():
            await self._database.connection.execute(SQL["let_go"], schema.HELD)

    async def close(self) -> None:
        await self._database.close()

    def _numbers(self, records: Sequence[UpdateRecord]) -> Iterator[int]:
        """Ascending ids. The day of an id is the day of receipt, but never earlier than the day of the previous id."""
        last = self._last_id
        for record in records:
            day = min(max(record.received_at // _DAY_MS - _DAYS_BEFORE, 0), self._today)
            last = max(last, day << _DAY_BITS) + 1
            yield last

    async def _names(self, table: str) -> dict[str, int]:
        rows = await self._database.connection.fetch(SQL[table])
        return {row["name"]: row["id"] for row in rows}

    async def _learn_names(self, records: Sequence[UpdateRecord]) -> None:
        """Insert names that have no number yet."""
        await self._learn_accounts({record.account for record in records})
        await self._learn_configs({push.push_config for record in records for push in record.pushes})

    async def _learn_configs(self, configs: set[str]) -> None:
        new = configs - self._configs.keys()
        if new:
            rows = ((name, slot_of(name)) for name in sorted(new))
            await self._fill("push_configs", ("name", "slot"), rows)
            self._configs = await self._names("push_configs")

    async def _learn_accounts(self, accounts: set[str]) -> None:
        new = accounts - self._accounts.keys()
        if new:
            await self._fill("accounts", ("name",), ((name,) for name in sorted(new)))
            self._accounts = await self._names("accounts")

    async def _fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        await self._database.connection.copy_records_to_table(
            table, schema_name="trackpush", columns=list(columns), records=list(rows)
        )

    def _last_update_row(self, record: LastUpdateRecord) -> Sequence[Any]:
        return (self._accounts[record.account], record.at, record.served_since)

    def _rollup_row(self, record: RollupRecord) -> Sequence[Any]:
        at, subject, name, *counts = _fields(record)
        if subject == RollupSubject.STATUS:
            return (at, subject, 0, name, *counts)
        return (at, subject, (self._accounts if subject == RollupSubject.ACCOUNT else self._configs)[name], "", *counts)

    def _update_row(self, numbered: tuple[int, UpdateRecord]) -> Sequence[Any]:
        number, record = numbered
        key, account, *more = _fields(record)
        return (number, key, self._accounts[account], *more[:-2])

    def _push_rows(self, numbered: Iterable[tuple[int, UpdateRecord]]) -> Iterator[Sequence[Any]]:
        for number, record in numbered:
            for push in record.pushes:
                config, *more = _fields(push)
                last = _inline(push, record.attempts)
                inline = (None,) * 3 if last is None else (last.started_at, last.duration_ms, last.http_status)
                yield (number, 0, self._configs[config], *more, *inline)

    def _undelivered_rows(self, numbered: Iterable[tuple[int, UpdateRecord]]) -> Iterator[Sequence[Any]]:
        for number, record in numbered:
            for push in record.pushes:
                if push.state != _DELIVERED:
                    yield (number, self._configs[push.push_config], push.state)

    def _attempt_rows(self, numbered: Iterable[tuple[int, UpdateRecord]]) -> Iterator[Sequence[Any]]:
        for number, record in numbered:
            inline = {(push.push_config, push.tries) for push in record.pushes if _inline(push, record.attempts)}
            for attempt in record.attempts:
                if (attempt.push_config, attempt.number) not in inline:
                    config, *more = _fields(attempt)
                    yield (number, self._configs[config], *more)


def _inline(push: PushRecord, attempts: Sequence[AttemptRecord]) -> AttemptRecord | None:
    """The attempt to store in the push's row: the last one, unless the push ended for another reason."""
    for attempt in attempts:
        if (attempt.push_config, attempt.number, attempt.error) == (push.push_config, push.tries, push.error):
            return attempt
    return None


def _key_row(record: PortalKeyRecord) -> Sequence[Any]:
    return (1, record.key)


def _fields(record: Any) -> list[Any]:
    return [getattr(record, name) for name in record.__struct_fields__]
