"""A journal file as the source or the target of `trackpush journal copy`.

The methods block the event loop: they run in a command, not in a server.
"""

import asyncio
import socket
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from trackpush_server.journal.announcements import MessageRecord
from trackpush_server.journal.copying import unrecognised
from trackpush_server.journal.copying.announcements import announcement_tables
from trackpush_server.journal.copying.ports import Chunk
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
    single,
)
from trackpush_server.journal.migrations import NewerSchemaError
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.rollups import RollupSubject
from trackpush_server.journal.sqlite import schema
from trackpush_server.journal.sqlite.announcements import SQL as ANNOUNCEMENTS
from trackpush_server.journal.sqlite.announcements import (
    announced_row,
    collected_event,
    subject_total,
    target_state,
)
from trackpush_server.journal.sqlite.config_history import SQL as CONFIG_HISTORY
from trackpush_server.journal.sqlite.connection import (
    SqliteConnection,
    SqliteError,
    open_outside_reader,
    open_writer,
)
from trackpush_server.journal.sqlite.explain import explain_read
from trackpush_server.journal.sqlite.folder import FILE_NAME, LOCK, NOTE, PART, RETIRED, SPOOL, UNREAD, prepare, sync
from trackpush_server.journal.sqlite.indexing import ID_OF_KEY, store_all_terms
from trackpush_server.journal.sqlite.last_updates import SQL as LAST_UPDATES
from trackpush_server.journal.sqlite.lock import FolderLock
from trackpush_server.journal.sqlite.portal_changes import SQL as PORTAL_CHANGES
from trackpush_server.journal.sqlite.portal_links import SQL as PORTAL_LINKS
from trackpush_server.journal.sqlite.rollups import SQL as ROLLUPS
from trackpush_server.journal.sqlite.tenants import SQL as TENANTS

_SQL: Final = load("trackpush_server.journal.sqlite.sql", "copying")
_FILL: Final = {
    "announced": "fill_announced",
    "announced_events": "fill_collected",
    "announcement_targets": "fill_targets",
    "subject_totals": "fill_totals",
}


class SqliteReading:
    """Implements `StoreReader` for one file."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    async def count(self) -> int:
        return int(self._connection.execute(_SQL["count_updates"]).fetchone()[0])

    async def position(self, key: bytes) -> int | None:
        row = self._connection.execute(ID_OF_KEY, (key,)).fetchone()
        return None if row is None else int(row[0])

    async def part(self, after: int, limit: int) -> Chunk:
        rows = self._connection.execute(_SQL["read_updates"], (after, limit)).fetchall()
        if not rows:
            return Chunk((), after)
        ends = (rows[0][0], rows[-1][0])
        pushes: defaultdict[int, list[PushRecord]] = defaultdict(list)
        for update_id, config, state, late, *more in self._connection.execute(_SQL["read_pushes"], ends):
            pushes[update_id].append(PushRecord(config, state, bool(late), *more))
        attempts: defaultdict[int, list[AttemptRecord]] = defaultdict(list)
        for update_id, config, number, started_at, duration_ms, *more in self._connection.execute(
            _SQL["read_attempts"], ends
        ):
            attempts[update_id].append(AttemptRecord(config, number, started_at, single(duration_ms), *more))
        names = UpdateRecord.__struct_fields__
        records = tuple(
            UpdateRecord(
                **dict(zip(names, columns, strict=False)),
                pushes=tuple(pushes[update_id]),
                attempts=tuple(attempts[update_id]),
            )
            for update_id, *columns in rows
        )
        return Chunk(records, rows[-1][0])

    async def rest(self) -> UnscopedRecords:
        erasures = self._connection.execute(_SQL["read_erasures"])
        audits = self._connection.execute(_SQL["read_audits"])
        return UnscopedRecords(
            erasures=tuple(ErasureRecord(*row) for row in erasures),
            audits=tuple(AuditRecord(*row) for row in audits),
            unrecognised=unrecognised.records(self._connection.execute(unrecognised.READ.format(table="unrecognised"))),
            tenants=tuple(
                TenantRecord(namespace, uid, generation, bool(current))
                for namespace, uid, generation, current in self._connection.execute(TENANTS["of_copy"])
            ),
            last_updates=tuple(LastUpdateRecord(*row) for row in self._connection.execute(LAST_UPDATES["all"])),
            listening=tuple(ListeningRecord(*row) for row in self._connection.execute(LAST_UPDATES["listening"])),
            rollups=tuple(RollupRecord(*row) for row in self._connection.execute(ROLLUPS["all"])),
            portal_key=tuple(PortalKeyRecord(*row) for row in self._connection.execute(PORTAL_LINKS["key"])),
            portal_links=tuple(PortalLinkRecord(*row) for row in self._connection.execute(PORTAL_LINKS["all"])),
            portal_changes=tuple(PortalChangeRecord(*row) for row in self._connection.execute(PORTAL_CHANGES["all"])),
            **_read_announcements(self._connection),
            config_history=tuple(
                ConfigEntryRecord(*(*row[:6], bool(row[6]), row[7]))
                for row in self._connection.execute(CONFIG_HISTORY["all"])
            ),
            config_resources=tuple(
                ConfigResourceRecord(*row) for row in self._connection.execute(CONFIG_HISTORY["all_resources"])
            ),
        )


class SqliteSource:
    """Implements `CopySource` for the journal of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FolderLock(folder / LOCK)
        self._connection: SqliteConnection | None = None
        self._id = ""
        self._moved_to: JournalPlace | None = None

    @property
    def id(self) -> str:
        return self._id

    @property
    def moved_to(self) -> JournalPlace | None:
        return self._moved_to

    async def open(self) -> SqliteReading:
        """Open the journal. A retired file is also opened: an interrupted copy continues from it."""
        paths = (self._folder / FILE_NAME, self._folder / RETIRED)
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            raise TransferError(f"{self._folder} holds no {FILE_NAME}; name the folder that --data names")
        unread = next((name for name in UNREAD if (self._folder / SPOOL / name).exists()), None)
        if unread is not None:
            raise TransferError(
                f"{self._folder / SPOOL / unread} has requests that a standby answered and that are not in the journal;"
                " stop the standby, then start and stop the server, which reads them in"
            )
        with _told(path):
            await asyncio.to_thread(self._lock.acquire)
            self._connection = open_writer(path, create=False)
            schema.migrate(self._connection)
            self._id, _, moved_to, place = self._connection.execute(_SQL["identity"]).fetchone()
        if path.name == RETIRED or moved_to is not None:
            self._moved_to = JournalPlace(moved_to or "", place or "")
        return SqliteReading(self._connection)

    async def retire(self, to: JournalPlace) -> None:
        """Rename the file. A server that is started on this folder then refuses to start."""
        await self._close()
        retired = self._folder / RETIRED
        with _told(retired):
            if (self._folder / FILE_NAME).exists():
                (self._folder / NOTE).unlink(missing_ok=True)
                _rename(self._folder / FILE_NAME, retired)
            connection = open_writer(retired, create=False)
            try:
                connection.execute(_SQL["moved"], (to.id, to.name))
            finally:
                connection.close()

    async def close(self) -> None:
        await self._close()
        self._lock.release()

    async def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()  # the last connection to close copies the WAL into the file
            self._connection = None


class SqliteTarget:
    """Implements `CopyTarget`: a new journal in a data folder. The file has another name until it is complete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FolderLock(folder / LOCK)
        self._opened: SqliteConnection | None = None
        self._last_id = 0
        self._names: dict[str, int] = {}

    async def open(self) -> Existing | None:
        path = next((path for path in (self._folder / FILE_NAME, self._folder / PART) if path.exists()), None)
        if path is None:
            if (self._folder / RETIRED).exists():
                raise TransferError(f"{self._folder} holds a journal that was moved away; name an empty folder")
            return None
        with _told(path):
            connection = open_outside_reader(path)
            try:
                journal, copied_from, moved_to, where = _identity(connection)
            finally:
                connection.close()
        if moved_to is not None:
            raise TransferError(f"the journal in {self._folder} was moved to {where}; name an empty folder")
        return Existing(self._place(journal), is_finished=path.name == FILE_NAME, copied_from=copied_from)

    async def begin(self, source: str) -> SqliteReading:
        path = self._folder / PART
        with _told(path):
            prepare(self._folder)
            await asyncio.to_thread(self._lock.acquire)
            if (self._folder / FILE_NAME).exists():
                raise TransferError(f"{self._folder} holds a journal already; name an empty folder")
            self._opened = open_writer(path, create=True)
            schema.migrate(self._opened)
            self._opened.execute(_SQL["copied_from"], (source,))
            self._last_id, _ = self._last()
            self._names = {name: number for number, name in self._connection.execute(_SQL["names"])}
        return SqliteReading(self._connection)

    async def place(self) -> JournalPlace:
        journal, *_ = _identity(self._connection)
        return self._place(journal)

    def _place(self, journal: str) -> JournalPlace:
        return JournalPlace(journal, f"the folder {self._folder.absolute()} of {socket.gethostname()}")

    async def last_key(self) -> bytes | None:
        return self._last()[1]

    def _last(self) -> tuple[int, bytes | None]:
        row = self._connection.execute(_SQL["last"]).fetchone()
        return (0, None) if row is None else (int(row[0]), bytes(row[1]))

    async def write(self, records: Sequence[UpdateRecord]) -> None:
        first = self._last_id + 1
        numbered = list(enumerate(records, first))
        with self._transaction():
            self._insert("add_update", map(self._update_row, numbered))
            self._insert("add_push", self._push_rows(numbered))
            self._insert("add_attempt", self._attempt_rows(numbered))
        self._last_id += len(records)

    async def finish(self, rest: UnscopedRecords) -> None:
        with self._transaction():
            self._connection.execute(_SQL["empty_erasures"])
            self._connection.execute(_SQL["empty_audits"])
            self._insert("add_erasure", map(_fields, rest.erasures))
            self._insert("add_audit", map(_fields, rest.audits))
            self._connection.execute(_SQL["empty_unrecognised"])
            self._insert("add_unrecognised", unrecognised.values(rest.unrecognised))
            self._connection.execute(TENANTS["empty"])
            self._connection.executemany(TENANTS["add"], [_fields(entry) for entry in rest.tenants])
            self._connection.execute(LAST_UPDATES["empty"])
            times = [(self._name(entry.account), entry.at, entry.served_since) for entry in rest.last_updates]
            self._connection.executemany(LAST_UPDATES["add"], times)
            self._connection.execute(LAST_UPDATES["stop_listening"])
            self._connection.executemany(LAST_UPDATES["listen"], [_fields(entry) for entry in rest.listening])
            self._connection.execute(ROLLUPS["empty"])
            self._connection.executemany(ROLLUPS["fill"], [self._rollup(entry) for entry in rest.rollups])
            self._connection.execute(PORTAL_LINKS["empty_key"])
            self._connection.executemany(PORTAL_LINKS["make_key"], [_fields(entry) for entry in rest.portal_key])
            self._connection.execute(PORTAL_LINKS["empty"])
            self._connection.executemany(PORTAL_LINKS["add"], [_fields(entry) for entry in rest.portal_links])
            self._connection.execute(PORTAL_CHANGES["empty"])
            self._connection.executemany(PORTAL_CHANGES["fill"], [_fields(entry) for entry in rest.portal_changes])
            _write_announcements(self._connection, rest)
            self._connection.execute(CONFIG_HISTORY["empty"])
            self._connection.executemany(CONFIG_HISTORY["add"], [_fields(entry) for entry in rest.config_history])
            self._connection.execute(CONFIG_HISTORY["empty_resources"])
            resources = [_fields(entry) for entry in rest.config_resources]
            self._connection.executemany(CONFIG_HISTORY["fill_resource"], resources)
        with _told(self._folder / PART):
            store_all_terms(self._connection)

    def storable(self, record: UpdateRecord) -> UpdateRecord:
        """SQLite stores every record unchanged."""
        return record

    async def release(self) -> None:
        self._connection.close()
        self._opened = None
        (self._folder / NOTE).unlink(missing_ok=True)  # a note of another journal that was in this folder before
        _rename(self._folder / PART, self._folder / FILE_NAME)

    async def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self._lock.release()

    @property
    def _connection(self) -> SqliteConnection:
        assert self._opened is not None, "not open"
        return self._opened

    @contextmanager
    def _transaction(self) -> Any:
        with _told(self._folder / PART):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rollup(self, record: RollupRecord) -> Sequence[Any]:
        at, subject, name, *counts = _fields(record)
        return (
            (at, subject, 0, name, *counts)
            if subject == RollupSubject.STATUS
            else (at, subject, self._name(name), "", *counts)
        )

    def _insert(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(_SQL[statement], list(rows))

    def _update_row(self, numbered: tuple[int, UpdateRecord]) -> Sequence[Any]:
        number, record = numbered
        key, account, *more = _fields(record)
        return (number, self._name(account), key, *more[:-2])

    def _push_rows(self, numbered: Iterable[tuple[int, UpdateRecord]]) -> Iterable[Sequence[Any]]:
        for number, record in numbered:
            for push in record.pushes:
                config, *more = _fields(push)
                yield (number, self._name(config), *more)

    def _attempt_rows(self, numbered: Iterable[tuple[int, UpdateRecord]]) -> Iterable[Sequence[Any]]:
        for number, record in numbered:
            for attempt in record.attempts:
                config, *more = _fields(attempt)
                yield (number, self._name(config), *more)

    def _name(self, name: str) -> int:
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = int(self._connection.execute(_SQL["add_name"], (name,)).fetchone()[0])
        return found


def _read_announcements(connection: SqliteConnection) -> dict[str, Any]:
    """The fields of `UnscopedRecords` about messages to people."""
    return {
        "announced": tuple(map(announced_row, connection.execute(ANNOUNCEMENTS["all_announced"]))),
        "announced_events": tuple(map(collected_event, connection.execute(ANNOUNCEMENTS["all_collected"]))),
        "announcement_targets": tuple(map(target_state, connection.execute(ANNOUNCEMENTS["targets"]))),
        "messages": tuple(
            MessageRecord(target=target, body=bytes(body))
            for target, body in connection.execute(ANNOUNCEMENTS["all_bodies"])
        ),
        "subject_totals": tuple(map(subject_total, connection.execute(ANNOUNCEMENTS["all_totals"]))),
    }


def _write_announcements(connection: SqliteConnection, rest: UnscopedRecords) -> None:
    """Replace everything about messages to people."""
    for statement in ("empty_announced", "empty_collected", "empty_targets", "empty_totals"):
        connection.execute(ANNOUNCEMENTS[statement])
    for table, records in announcement_tables(rest):
        connection.executemany(ANNOUNCEMENTS[_FILL[table]], [_fields(entry) for entry in records])
    connection.executemany(ANNOUNCEMENTS["fill_body"], [(entry.target, entry.body) for entry in rest.messages])


def _identity(connection: SqliteConnection) -> tuple[str, str | None, str | None, str | None]:
    """The row of the table ``journal``; files of older versions have no such table."""
    if connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'journal'").fetchone()[0]:
        journal, copied_from, moved_to, where = connection.execute(_SQL["identity"]).fetchone()
        return journal, copied_from, moved_to, where
    return "", None, None, None


def _fields(record: Any) -> list[Any]:
    return [getattr(record, name) for name in record.__struct_fields__]


def _rename(path: Path, to: Path) -> None:
    """Rename and sync the folder, so that the rename is on disk."""
    path.replace(to)
    sync(to.parent)


@contextmanager
def _told(path: Path) -> Any:
    try:
        yield
    except (SqliteError, OSError, NewerSchemaError) as error:
        raise TransferError(explain_read(path, error)) from None
