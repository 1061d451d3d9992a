"""A journal in PostgreSQL as the source or the target of a move.

What keeps servers off it is a row in the book of schema changes that no version knows: a server that comes by refuses
to start and says why (see `journal.postgres.schema`). The adapter's tables are filled as its own function would fill
them; what they derive from others (shipments, the counter) is made in the end from what was stored.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final

import asyncpg

from trackpush_server.journal.ownership import slot_of
from trackpush_server.journal.postgres import schema
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
    without_nul,
)

_LOCK: Final = 0x7472_6163_6B63_7079
"""Of the advisory lock that keeps a second copy away: "trackcpy"."""
_LEASE_SECONDS: Final = 12.0
"""A replica whose beat hasn't changed for so long is dead: see docs/storage.md."""
_CONNECT_SECONDS: Final = 20.0
_DAY_BITS: Final = 36
_FIRST_DAY: Final = date(2020, 1, 1)
_DAYS_BEFORE: Final = 18262
"""From 1970-01-01 to the first day."""
_DAY_MS: Final = 86_400_000
_DAILY: Final = (("updates", 100), ("pushes", 70), ("undelivered", 90), ("attempts", 100))
"""Tables with partitions by day, and their fill factors: as `make_partitions_v1` makes them."""
_PENDING, _DELIVERED = 0, 1

_UPDATE_COLUMNS = (
    "key", "account_id", "received_at", "occurred_at", "erased_at", "shipment", "awb", "forward_awb", "order_id",
    "status", "trace", "notification", "body",
)  # fmt: skip
_PUSH_COLUMNS = (
    "config_id", "state", "late", "tries", "rejections", "due_at", "ended_at", "error", "replays", "replayed_at",
    "tries_before",
)  # fmt: skip
_INLINE_COLUMNS = ("started_at", "duration_ms", "http_status")
_ATTEMPT_COLUMNS = ("config_id", "number", "started_at", "duration_ms", "http_status", "error")
_ERASURE_COLUMNS = "subject, reason, begun_at, ended_at, updates, pushes"
_AUDIT_COLUMNS = "at, actor, role, action, target, address"

_READ_UPDATES = f"""
SELECT u.id, u.key, a.name, {", ".join(f"u.{name}" for name in _UPDATE_COLUMNS[2:])}
FROM trackpush.updates AS u JOIN trackpush.accounts AS a ON a.id = u.account_id WHERE u.id > $1 ORDER BY u.id LIMIT $2
"""  # noqa: S608  constants
_READ_PUSHES = f"""
SELECT p.update_id, c.name, {", ".join(f"p.{name}" for name in (*_PUSH_COLUMNS[1:], *_INLINE_COLUMNS))}
FROM trackpush.pushes AS p JOIN trackpush.push_configs AS c ON c.id = p.config_id
WHERE p.update_id BETWEEN $1 AND $2 ORDER BY p.update_id, c.name COLLATE "C"
"""  # noqa: S608  same
_READ_ATTEMPTS = """
SELECT t.update_id, c.name, t.number, t.started_at, t.duration_ms, t.http_status, t.error
FROM trackpush.attempts AS t JOIN trackpush.push_configs AS c ON c.id = t.config_id
WHERE t.update_id BETWEEN $1 AND $2
"""
_SHIPMENTS = """
INSERT INTO trackpush.shipments (hash, latest, open_id, last_id, origin)
SELECT hashtextextended(u.shipment, u.account_id), max(u.occurred_at),
    coalesce(min(u.id) FILTER (WHERE EXISTS (
        SELECT FROM trackpush.pushes AS p WHERE p.update_id = u.id AND p.state = 0
    )), max(u.id)), max(u.id), 0
FROM trackpush.updates AS u WHERE u.erased_at IS NULL GROUP BY 1
"""
"""Origin 0: several replicas stored them, so that each looks before it pushes."""


class PostgresReading:
    """Reads over one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def count(self) -> int:
        """See `Reading`."""
        return int(await self._connection.fetchval("SELECT count(*) FROM trackpush.updates"))

    async def position(self, key: bytes) -> int | None:
        """See `Reading`."""
        found: int | None = await self._connection.fetchval("SELECT update_id FROM trackpush.keys WHERE key = $1", key)
        return found

    async def part(self, after: int, limit: int) -> Part:
        """See `Reading`."""
        rows = await self._connection.fetch(_READ_UPDATES, after, limit)
        if not rows:
            return Part((), after)
        ends = (rows[0]["id"], rows[-1]["id"])
        pushes: defaultdict[int, list[PushRecord]] = defaultdict(list)
        attempts: defaultdict[int, list[AttemptRecord]] = defaultdict(list)
        for update_id, config, number, started_at, duration_ms, *more in await self._connection.fetch(
            _READ_ATTEMPTS, *ends
        ):
            attempts[update_id].append(AttemptRecord(config, number, started_at, single(duration_ms), *more))
        for update_id, config, *columns, started_at, duration_ms, http_status in await self._connection.fetch(
            _READ_PUSHES, *ends
        ):
            push = PushRecord(config, *columns)
            pushes[update_id].append(push)
            if started_at is not None:  # the last attempt stands in the push's own row
                last = AttemptRecord(config, push.tries, started_at, single(duration_ms), http_status, push.error)
                attempts[update_id].append(last)
        names = UpdateRecord.__struct_fields__
        records = tuple(
            UpdateRecord(
                **dict(zip(names, columns, strict=False)),
                pushes=tuple(pushes[update_id]),
                attempts=tuple(sorted(attempts[update_id], key=lambda one: (one.push_config, one.number))),
            )
            for update_id, *columns in rows
        )
        return Part(records, ends[1])

    async def rest(self) -> Rest:
        """See `Reading`."""
        erasures = await self._connection.fetch(f"SELECT {_ERASURE_COLUMNS} FROM trackpush.erasures ORDER BY id")  # noqa: S608  constants
        audits = await self._connection.fetch(f"SELECT {_AUDIT_COLUMNS} FROM trackpush.audits ORDER BY id")  # noqa: S608  same
        return Rest(
            erasures=tuple(ErasureRecord(*row) for row in erasures),
            audits=tuple(AuditRecord(*row) for row in audits),
            unrecognised=unrecognised.records(
                await self._connection.fetch(unrecognised.READ.format(table="trackpush.unrecognised"))
            ),
        )


class _Database:
    """One connection that no other copy and no server shares the journal with."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._opened: asyncpg.Connection | None = None

    @property
    def connection(self) -> asyncpg.Connection:
        """Once open."""
        assert self._opened is not None, "not open"
        return self._opened

    async def open(self) -> None:
        """Connect, and see that it is free."""
        with told():
            self._opened = await asyncpg.connect(self._dsn, timeout=_CONNECT_SECONDS)
            await self._opened.execute("SET statement_timeout = 0; SET synchronous_commit = on; SET jit = off")
            if not await self._opened.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                raise TransferError("another copy works in this database; end it, or wait for it")

    async def mark(self) -> str | None:
        """What keeps servers off it, if anything does."""
        if not await self.connection.fetchval("SELECT to_regclass('trackpush.schema_changes') IS NOT NULL"):
            return None
        found: str | None = await self.connection.fetchval(
            "SELECT name FROM trackpush.schema_changes WHERE number = $1", schema.HELD
        )
        return found

    async def hold(self, name: str) -> None:
        """Keep servers off it; ``name`` says why."""
        await self.connection.execute(
            "INSERT INTO trackpush.schema_changes (number, name, needs) VALUES ($1, $2, $1)", schema.HELD, name
        )

    async def let_go(self) -> None:
        """Servers may use it."""
        await self.connection.execute("DELETE FROM trackpush.schema_changes WHERE number = $1", schema.HELD)

    async def refuse_if_served(self) -> None:
        """Raise when a replica lives. A dead one may have left its row: its beat is watched for a lease."""
        before = await self._beats()
        if not before:
            return
        await asyncio.sleep(_LEASE_SECONDS)
        alive = [name for name, beat in (await self._beats()).items() if before.get(name) != beat]
        if alive:
            raise TransferError(
                f"{', '.join(sorted(alive))} serves this journal; end it (spec.suspend: true), then copy"
            )

    async def _beats(self) -> dict[str, int]:
        rows = await self.connection.fetch("SELECT id, name, beat FROM trackpush.replicas")
        return {f"{row['name']} (replica {row['id']})": row["beat"] for row in rows}

    async def close(self) -> None:
        """Also gives the lock back."""
        if self._opened is not None:
            await self._opened.close(timeout=5)
            self._opened = None


class PostgresSource:
    """The journal of a database."""

    def __init__(self, dsn: str) -> None:
        self._database = _Database(dsn)

    async def open(self) -> PostgresReading:
        """See `Source`."""
        await self._database.open()
        mark = await self._database.mark()
        if mark == schema.COPYING:
            raise TransferError("this database holds an unfinished copy, no journal; name the other one")
        if mark is None:
            with told():
                await schema.migrate(self._database.connection)
                await self._database.refuse_if_served()
        return PostgresReading(self._database.connection)

    async def retire(self) -> None:
        """See `Source`."""
        with told():
            if await self._database.mark() is None:
                await self._database.hold(schema.MOVED)

    async def close(self) -> None:
        """See `Source`."""
        await self._database.close()


class PostgresTarget:
    """A new journal in a database without one."""

    def __init__(self, dsn: str) -> None:
        self._database = _Database(dsn)
        self._last_id = 0
        self._today = 0
        self._days: set[int] = set()
        self._accounts: dict[str, int] = {}
        self._configs: dict[str, int] = {}

    async def open(self) -> PostgresReading:
        """See `Target`."""
        await self._database.open()
        connection = self._database.connection
        with told():
            if await self._database.mark() != schema.COPYING:
                await self._begin()
            self._last_id = int(await connection.fetchval("SELECT coalesce(max(id), 0) FROM trackpush.updates"))
            self._today = int(await connection.fetchval("SELECT trackpush.day_v1()"))
            self._accounts = await self._names("accounts")
            self._configs = await self._names("push_configs")
        return PostgresReading(connection)

    async def _begin(self) -> None:
        connection = self._database.connection
        if await self._database.mark() is not None:
            raise TransferError("this database's journal was moved away; name another, empty database")
        await schema.migrate(connection)
        await self._database.refuse_if_served()
        if await connection.fetchval("SELECT last_id FROM trackpush.counter"):
            raise TransferError("this database holds a journal already; name an empty one")
        await self._database.hold(schema.COPYING)

    async def last_key(self) -> bytes | None:
        """See `Target`."""
        found: bytes | None = await self._database.connection.fetchval(
            "SELECT key FROM trackpush.updates WHERE id = $1", self._last_id
        )
        return found

    async def write(self, records: Sequence[UpdateRecord]) -> None:
        """See `Target`."""
        numbered = list(zip(self._numbers(records), records, strict=True))
        with told():
            async with self._database.connection.transaction():
                for day in sorted({number >> _DAY_BITS for number, _ in numbered} - self._days):
                    await self._make_partitions(day)
                await self._know(records)
                await self._fill("keys", ("key", "update_id"), ((one.key, number) for number, one in numbered))
                await self._fill("updates", ("id", *_UPDATE_COLUMNS), map(self._update_row, numbered))
                columns = ("update_id", "origin", *_PUSH_COLUMNS, *_INLINE_COLUMNS)
                await self._fill("pushes", columns, self._push_rows(numbered))
                await self._fill("undelivered", ("update_id", "config_id", "state"), self._undelivered_rows(numbered))
                await self._fill("attempts", ("update_id", *_ATTEMPT_COLUMNS), self._attempt_rows(numbered))
        self._last_id = numbered[-1][0]

    async def finish(self, rest: Rest) -> None:
        """See `Target`."""
        connection = self._database.connection
        with told():
            async with connection.transaction():
                await connection.execute("TRUNCATE trackpush.shipments, trackpush.erasures, trackpush.audits")
                await connection.execute("TRUNCATE trackpush.unrecognised, trackpush.unrecognised_accounts")
                await connection.execute(_SHIPMENTS)
                await connection.execute("UPDATE trackpush.counter SET last_id = $1", self._last_id)
                await self._fill("erasures", _ERASURE_COLUMNS.split(", "), map(_fields, rest.erasures))
                await self._fill("audits", _AUDIT_COLUMNS.split(", "), map(_fields, rest.audits))
                await self._fill("unrecognised", unrecognised.COLUMNS, unrecognised.values(rest.unrecognised))
            await connection.execute("ANALYZE")

    def storable(self, record: UpdateRecord) -> UpdateRecord:
        """See `Target`."""
        cleaned: UpdateRecord = without_nul(record)
        return cleaned

    async def release(self) -> None:
        """See `Target`."""
        with told():
            await self._database.let_go()

    async def close(self) -> None:
        """See `Target`."""
        await self._database.close()

    def _numbers(self, records: Sequence[UpdateRecord]) -> Iterator[int]:
        """Ids in order, each within the day of its receipt, or of the one before it: days never go back."""
        last = self._last_id
        for one in records:
            day = min(max(one.received_at // _DAY_MS - _DAYS_BEFORE, 0), self._today)
            last = max(last, day << _DAY_BITS) + 1
            yield last

    async def _make_partitions(self, day: int) -> None:
        """Days before today have none yet."""
        connection = self._database.connection
        suffix = (_FIRST_DAY + timedelta(days=day)).strftime("%Y%m%d")
        for table, fill in _DAILY:
            name = f"trackpush.{table}_{suffix}"
            if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
                continue
            await connection.execute(
                f"CREATE TABLE {name} (LIKE trackpush.{table} INCLUDING ALL) WITH (fillfactor = {fill});"
                f" ALTER TABLE trackpush.{table} ATTACH PARTITION {name}"
                f" FOR VALUES FROM ({day << _DAY_BITS}) TO ({(day + 1) << _DAY_BITS})"
            )
        self._days.add(day)

    async def _names(self, table: str) -> dict[str, int]:
        rows = await self._database.connection.fetch(f"SELECT name, id FROM trackpush.{table}")  # noqa: S608  constants
        return {row["name"]: row["id"] for row in rows}

    async def _know(self, records: Sequence[UpdateRecord]) -> None:
        """Names that are new."""
        accounts = {one.account for one in records} - self._accounts.keys()
        configs = {push.push_config for one in records for push in one.pushes} - self._configs.keys()
        if accounts:
            await self._fill("accounts", ("name",), ((name,) for name in sorted(accounts)))
            self._accounts = await self._names("accounts")
        if configs:
            rows = ((name, slot_of(name)) for name in sorted(configs))
            await self._fill("push_configs", ("name", "slot"), rows)
            self._configs = await self._names("push_configs")

    async def _fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        await self._database.connection.copy_records_to_table(
            table, schema_name="trackpush", columns=list(columns), records=list(rows)
        )

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
    """The attempt that the push's own row holds: the last one, unless the push ended for another reason."""
    for one in attempts:
        if (one.push_config, one.number, one.error) == (push.push_config, push.tries, push.error):
            return one
    return None


def _fields(record: Any) -> list[Any]:
    return [getattr(record, name) for name in record.__struct_fields__]


@contextmanager
def told() -> Iterator[None]:
    """The database's errors as people are told of them; never with a value of a row."""
    try:
        yield
    except schema.NewerSchemaError as error:
        raise TransferError(str(error)) from None
    except asyncpg.PostgresError as error:
        text = error.args[0] if error.args else type(error).__name__
        raise TransferError(f"PostgreSQL: {text} ({error.sqlstate})") from None
    except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
        raise TransferError(f"PostgreSQL: {type(error).__name__}: {error}; see that it runs, and copy again") from None
