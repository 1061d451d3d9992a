"""A journal file as the source or the target of a move. Blocks: it runs in a command, not in a server."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from trackpush_server.journal.sqlite import schema
from trackpush_server.journal.sqlite.connection import (
    FILE_NAME,
    SqliteConnection,
    SqliteError,
    explain_read,
    open_writer,
)
from trackpush_server.journal.sqlite.indexing import ID_OF_KEY, store_all_terms
from trackpush_server.journal.sqlite.lock import FolderLock
from trackpush_server.journal.transfer import unrecognised
from trackpush_server.journal.transfer.port import Part
from trackpush_server.journal.transfer.records import (
    AttemptRecord,
    AuditRecord,
    ErasureRecord,
    PushRecord,
    Rest,
    TransferError,
    UpdateRecord,
    single,
)

RETIRED: Final = "journal.copied.db"
PART: Final = "journal.part.db"
_UPDATE_COLUMNS = (
    "key, received_at, occurred_at, erased_at, shipment, awb, forward_awb, order_id, status, trace, notification, body"
)
_PUSH_COLUMNS = (
    "state, late, tries, rejections, due_at, ended_at, error, replays, replayed_at, tries_before"  # as in PushRecord
)
_READ_UPDATES = f"""
SELECT u.id, a.name, {_UPDATE_COLUMNS} FROM updates AS u JOIN names AS a ON a.id = u.account_id
WHERE u.id > ? ORDER BY u.id LIMIT ?
"""  # noqa: S608  constants
_READ_PUSHES = f"""
SELECT p.update_id, c.name, {_PUSH_COLUMNS} FROM pushes AS p JOIN names AS c ON c.id = p.config_id
WHERE p.update_id BETWEEN ? AND ? ORDER BY p.update_id, c.name
"""  # noqa: S608  same
_READ_ATTEMPTS = """
SELECT t.update_id, c.name, t.number, t.started_at, t.duration_ms, t.http_status, t.error
FROM attempts AS t JOIN names AS c ON c.id = t.config_id
WHERE t.update_id BETWEEN ? AND ? ORDER BY t.update_id, c.name, t.number
"""
_ERASURE_COLUMNS = "subject, reason, begun_at, ended_at, updates, pushes"
_AUDIT_COLUMNS = "at, actor, role, action, target, address"


class SqliteReading:
    """Reads one file."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    async def count(self) -> int:
        """See `Reading`."""
        return int(self._connection.execute("SELECT count(*) FROM updates").fetchone()[0])

    async def position(self, key: bytes) -> int | None:
        """See `Reading`."""
        row = self._connection.execute(ID_OF_KEY, (key,)).fetchone()
        return None if row is None else int(row[0])

    async def part(self, after: int, limit: int) -> Part:
        """See `Reading`."""
        rows = self._connection.execute(_READ_UPDATES, (after, limit)).fetchall()
        if not rows:
            return Part((), after)
        ends = (rows[0][0], rows[-1][0])
        pushes: defaultdict[int, list[PushRecord]] = defaultdict(list)
        for update_id, config, state, late, *more in self._connection.execute(_READ_PUSHES, ends):
            pushes[update_id].append(PushRecord(config, state, bool(late), *more))
        attempts: defaultdict[int, list[AttemptRecord]] = defaultdict(list)
        for update_id, config, number, started_at, duration_ms, *more in self._connection.execute(_READ_ATTEMPTS, ends):
            attempts[update_id].append(AttemptRecord(config, number, started_at, single(duration_ms), *more))
        names = UpdateRecord.__struct_fields__
        records = tuple(
            UpdateRecord(
                **dict(zip(names, (key, account, *more), strict=False)),
                pushes=tuple(pushes[update_id]),
                attempts=tuple(attempts[update_id]),
            )
            for update_id, account, key, *more in rows
        )
        return Part(records, rows[-1][0])

    async def rest(self) -> Rest:
        """See `Reading`."""
        erasures = self._connection.execute(f"SELECT {_ERASURE_COLUMNS} FROM erasures ORDER BY id")  # noqa: S608  constants
        audits = self._connection.execute(f"SELECT {_AUDIT_COLUMNS} FROM audits ORDER BY id")  # noqa: S608  same
        return Rest(
            erasures=tuple(ErasureRecord(*row) for row in erasures),
            audits=tuple(AuditRecord(*row) for row in audits),
            unrecognised=unrecognised.records(self._connection.execute(unrecognised.READ.format(table="unrecognised"))),
        )


class SqliteSource:
    """The journal of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FolderLock(folder / "journal.lock")
        self._connection: SqliteConnection | None = None

    async def open(self) -> SqliteReading:
        """See `Source`. One that was retired before the target was released is still the source."""
        path = next((one for one in (self._folder / FILE_NAME, self._folder / RETIRED) if one.exists()), None)
        if path is None:
            raise TransferError(f"{self._folder} holds no {FILE_NAME}; name the folder that --data names")
        with _told(path):
            await asyncio.to_thread(self._lock.acquire)
            self._connection = open_writer(path, create=False)
            schema.migrate(self._connection)
        return SqliteReading(self._connection)

    async def retire(self) -> None:
        """See `Source`. A server started here by mistake begins with an empty journal, and pushes nothing twice."""
        await self._close()
        if (self._folder / FILE_NAME).exists():
            _rename(self._folder / FILE_NAME, self._folder / RETIRED)

    async def close(self) -> None:
        """See `Source`."""
        await self._close()
        self._lock.release()

    async def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()  # the last to close moves the log into the file
            self._connection = None


class SqliteTarget:
    """A new journal in a data folder, under another name until it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FolderLock(folder / "journal.lock")
        self._opened: SqliteConnection | None = None
        self._last_id = 0
        self._names: dict[str, int] = {}

    async def open(self) -> SqliteReading:
        """See `Target`."""
        path = self._folder / PART
        if (self._folder / FILE_NAME).exists():
            raise TransferError(f"{self._folder} holds a journal already; name an empty folder")
        with _told(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(self._lock.acquire)
            self._opened = open_writer(path, create=True)
            schema.migrate(self._opened)
        self._last_id = int(self._connection.execute("SELECT coalesce(max(id), 0) FROM updates").fetchone()[0])
        self._names = {name: number for number, name in self._connection.execute("SELECT id, name FROM names")}
        return SqliteReading(self._connection)

    async def last_key(self) -> bytes | None:
        """See `Target`."""
        row = self._connection.execute("SELECT key FROM updates WHERE id = ?", (self._last_id,)).fetchone()
        return None if row is None else bytes(row[0])

    async def write(self, records: Sequence[UpdateRecord]) -> None:
        """See `Target`."""
        first = self._last_id + 1
        numbered = list(enumerate(records, first))
        with self._transaction():
            self._insert("updates", f"id, account_id, {_UPDATE_COLUMNS}", map(self._update_row, numbered))
            self._insert("pushes", f"update_id, config_id, {_PUSH_COLUMNS}", self._push_rows(numbered))
            columns = "update_id, config_id, number, started_at, duration_ms, http_status, error"
            self._insert("attempts", columns, self._attempt_rows(numbered))
        self._last_id += len(records)

    async def finish(self, rest: Rest) -> None:
        """See `Target`."""
        with self._transaction():
            self._connection.execute("DELETE FROM erasures")
            self._connection.execute("DELETE FROM audits")
            self._insert("erasures", _ERASURE_COLUMNS, map(_fields, rest.erasures))
            self._insert("audits", _AUDIT_COLUMNS, map(_fields, rest.audits))
            unrecognised.write_sqlite(self._connection, rest.unrecognised)
        with _told(self._folder / PART):
            store_all_terms(self._connection)

    def storable(self, record: UpdateRecord) -> UpdateRecord:
        """See `Target`: anything is."""
        return record

    async def release(self) -> None:
        """See `Target`."""
        self._connection.close()
        self._opened = None
        _rename(self._folder / PART, self._folder / FILE_NAME)

    async def close(self) -> None:
        """See `Target`."""
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

    def _insert(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        marks = ", ".join("?" * (columns.count(",") + 1))
        self._connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(rows))  # noqa: S608  constants

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
            cursor = self._connection.execute(
                "INSERT INTO names (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id", (name,)
            )
            found = self._names[name] = int(cursor.fetchone()[0])
        return found


def _fields(record: Any) -> list[Any]:
    return [getattr(record, name) for name in record.__struct_fields__]


def _rename(path: Path, to: Path) -> None:
    """On disk when it returns."""
    path.replace(to)
    descriptor = os.open(to.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Any:
    try:
        yield
    except (SqliteError, OSError, schema.NewerSchemaError) as error:
        raise TransferError(explain_read(path, error)) from None
