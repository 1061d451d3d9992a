"""A journal lives on in one place: the one that was moved names that place, and nothing writes to it again."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from journal.stores import postgres_store, sqlite_store, update
from journal.test_transfer import everything, fill, without_nul
from support.deadline import until
from support.postgres import Server
from trackpush_server.journal.announcements import Announced, CollectedEvent, SubjectTotal, TargetState
from trackpush_server.journal.copying.move import move
from trackpush_server.journal.copying.ports import CopySource, CopyTarget
from trackpush_server.journal.copying.records import (
    AttemptRecord,
    AuditRecord,
    ConfigEntryRecord,
    ConfigResourceRecord,
    ErasureRecord,
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
)
from trackpush_server.journal.copying.unrecognised import UnrecognisedRecord
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.postgres import PostgresJournal, schema
from trackpush_server.journal.postgres.copying import PostgresSource, PostgresTarget
from trackpush_server.journal.sqlite.copying import SqliteSource, SqliteTarget

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
WAYS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("postgres", "postgres"), ("sqlite", "sqlite")]


class Places:
    """Empty places of both kinds."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder = folder
        self._server = server
        self._numbers = itertools.count()
        self.databases: list[str] = []

    def empty(self, kind: str) -> "Place":
        if kind == "sqlite":
            return Place(folder=self._folder / f"place-{next(self._numbers)}")
        self.databases.append(self._server.create_database())
        return Place(dsn=self._server.dsn(self.databases[-1]))


class Place:
    """A folder or a database."""

    def __init__(self, *, folder: Path | None = None, dsn: str = "") -> None:
        self.folder, self.dsn = folder, dsn

    @property
    def source(self) -> SqliteSource | PostgresSource:
        return PostgresSource(self.dsn) if self.folder is None else SqliteSource(self.folder)

    @property
    def target(self) -> SqliteTarget | PostgresTarget:
        return PostgresTarget(self.dsn) if self.folder is None else SqliteTarget(self.folder)

    @property
    def name(self) -> str:
        return self.dsn.rpartition("@")[2] if self.folder is None else str(self.folder)

    async def why_not_served(self) -> str | None:
        """What a server says that is started on it."""
        store = postgres_store(self.dsn) if self.folder is None else sqlite_store(self.folder)
        async with store.open() as opened:
            return opened.journal.unavailable


@pytest.fixture
def places(tmp_path: Path, postgres_server: Server) -> Iterator[Places]:
    found = Places(tmp_path, postgres_server)
    yield found
    for name in found.databases:
        postgres_server.drop_database(name)


async def filled(places: Places, kind: str) -> Place:
    """A journal in use, with everything in it."""
    first = places.empty("sqlite")
    assert first.folder is not None
    await fill(first.folder, shipments=6)
    if kind == "sqlite":
        return first
    place = places.empty(kind)
    await move(first.source, place.target, lambda _: None)
    return place


async def as_copied(old: Place, other: str) -> tuple[list[UpdateRecord], UnscopedRecords]:
    """What a store of the other kind holds of it."""
    updates, rest = await everything(old.source)
    return (without_nul(updates) if other == "postgres" else updates), rest


@pytest.mark.parametrize(("kind", "other"), WAYS)
async def test_a_moved_journal_goes_to_no_second_place_and_is_not_served(places: Places, kind: str, other: str) -> None:
    old, new = await filled(places, kind), places.empty(other)
    before = await as_copied(old, other)
    await move(old.source, new.target, lambda _: None)
    assert await everything(new.source) == before

    for third in (places.empty("sqlite"), places.empty("postgres")):
        with pytest.raises(TransferError, match=f"was moved to .*{re.escape(new.name)} .*before; start the server on"):
            await move(old.source, third.target, lambda _: None)
    assert await move(old.source, new.target, lambda _: None) == ()
    with pytest.raises(TransferError, match="moved"):
        await move(new.source, old.target, lambda _: None)
    if old.folder is None:
        told = await old.why_not_served()
        assert told is not None
        assert f"its journal was moved to {'PostgreSQL at ' if new.folder is None else 'the folder '}" in told
        assert new.name in told
    else:  # somebody gives the file its name back
        (old.folder / "journal.copied.db").rename(old.folder / "journal.db")
        told = await old.why_not_served()
        assert told is not None
        assert new.name in told
    assert await new.why_not_served() is None


class _KilledError(Exception):
    """The command was killed."""


def cut(subject: CopySource | CopyTarget, method: str, *, after: bool) -> None:
    """End it there, as a kill does: nothing that comes later is done."""
    original: Callable[..., Awaitable[object]] = getattr(subject, method)

    async def instead(*arguments: object) -> object:
        if after:
            await original(*arguments)
        raise _KilledError

    setattr(subject, method, instead)


@pytest.mark.parametrize(("kind", "other"), WAYS)
async def test_one_that_is_cut_at_any_step_is_in_use_in_one_place_at_most_and_ends_when_it_is_repeated(
    places: Places, kind: str, other: str
) -> None:
    steps = [("target", step, after) for step in ("begin", "write", "finish") for after in (False, True)]
    steps += [("source", "retire", False), ("source", "retire", True), ("target", "release", True)]
    old, new = await filled(places, kind), places.empty(other)
    before = await as_copied(old, other)
    for whose, step, after in steps:
        ends = {"source": old.source, "target": new.target}
        cut(ends[whose], step, after=after)
        with pytest.raises(_KilledError):
            await move(ends["source"], ends["target"], lambda _: None)
        retired = after and step in {"retire", "release"}
        if not retired:
            assert await old.why_not_served() is None, f"{step}: the old journal is as it was"
        elif step == "retire":
            with pytest.raises(TransferError, match=re.escape(new.name)):
                await move(old.source, places.empty(kind).target, lambda _: None)
        if step != "release" and other == "postgres" and (step, after) != ("begin", False):
            assert "a copy into it is not finished" in str(await new.why_not_served())
    assert await move(old.source, new.target, lambda _: None) == ()
    assert await everything(new.source) == before


async def test_an_unfinished_copy_is_continued_only_from_its_own_journal(places: Places) -> None:
    for kind in ("sqlite", "postgres"):
        new = places.empty(kind)
        old, another = await filled(places, "sqlite"), await filled(places, "sqlite")
        source, target = old.source, new.target
        cut(target, "finish", after=False)
        with pytest.raises(_KilledError):
            await move(source, target, lambda _: None)
        with pytest.raises(TransferError, match=f"holds an unfinished copy of another journal \\({source.id}\\)"):
            await move(another.source, new.target, lambda _: None)
        assert await move(old.source, new.target, lambda _: None)


async def test_a_source_that_an_older_version_moved_is_only_finished_where_its_copy_is(
    places: Places, postgres_server: Server
) -> None:
    """Its mark names no place."""
    old, new = await filled(places, "postgres"), places.empty("postgres")
    source, target = old.source, new.target
    cut(target, "release", after=False)
    with pytest.raises(_KilledError):
        await move(source, target, lambda _: None)
    forget = "UPDATE trackpush.journal SET moved_to = NULL, moved_to_place = NULL"
    postgres_server.sql(forget, database=places.databases[0])
    with pytest.raises(TransferError, match="this journal was moved before"):
        await move(old.source, places.empty("sqlite").target, lambda _: None)
    assert await move(old.source, new.target, lambda _: None)


@pytest.mark.parametrize("other", ["sqlite", "postgres"])
async def test_what_a_connected_server_stores_meanwhile_is_copied_or_refused(places: Places, other: str) -> None:
    """The server has no row in replicas, so the copy can't know of it, as of one whose heartbeats it doesn't see."""
    old, new = await filled(places, "postgres"), places.empty(other)
    journal = PostgresJournal(old.dsn)
    await journal.start()
    accepted: set[bytes] = set()
    refusals: set[str] = set()

    async def append() -> None:
        while not refusals:
            one = update()
            try:
                await journal.updates.append([one])
            except JournalUnavailableError as error:
                refusals.add(str(error))
            else:
                accepted.add(one.key)

    appending = [asyncio.create_task(append()) for _ in range(4)]
    try:
        await until(lambda: len(accepted) > 50, seconds=30, what="some are stored")
        await move(old.source, new.target, lambda _: None)
        await asyncio.gather(*appending)
        assert all("its journal was moved to" in refusal and new.name in refusal for refusal in refusals), refusals
        with pytest.raises(JournalUnavailableError):
            await journal.updates.append([update()])
    finally:
        await journal.close()
    copied = {record.key for record in (await everything(new.source))[0]}
    assert accepted <= copied


async def test_a_server_that_stores_while_the_copy_fails_continues(places: Places) -> None:
    old, new = await filled(places, "postgres"), places.empty("sqlite")
    async with postgres_store(old.dsn).open() as opened:
        await opened.put_one()
        source, target = old.source, new.target
        cut(target, "finish", after=True)
        with pytest.raises(_KilledError):
            await move(source, target, lambda _: None)
        await opened.put_one()


@pytest.mark.parametrize("table", ["answers", "replicas", "slots", "news", "erasures", "audits", "unrecognised"])
async def test_nothing_writes_to_a_moved_journal_whatever_its_version(places: Places, table: str) -> None:
    """Each append and outcome of any version writes to answers, each heartbeat to replicas, each claim to slots."""
    old, new = await filled(places, "postgres"), places.empty("sqlite")
    await move(old.source, new.target, lambda _: None)
    connection = await asyncpg.connect(old.dsn)
    try:
        with pytest.raises(asyncpg.PostgresError, match="its journal was moved to the folder") as refused:
            await connection.execute(f"DELETE FROM trackpush.{table}")  # noqa: S608  constants
        assert refused.value.sqlstate == "TP001"
    finally:
        await connection.close()


async def test_the_copy_waits_for_the_longest_lease_that_a_replica_published(
    places: Places, postgres_server: Server
) -> None:
    old = await filled(places, "postgres")
    dead = "INSERT INTO trackpush.replicas (id, name, lease_seconds) VALUES (7, 'short', 0.1), (8, 'long', 1.5)"
    postgres_server.sql(dead, database=places.databases[0])
    told: list[str] = []
    begun = asyncio.get_running_loop().time()
    await move(PostgresSource(old.dsn, told.append), places.empty("sqlite").target, lambda _: None)
    assert asyncio.get_running_loop().time() - begun > 1.5
    assert told == ["waiting up to 2 s to see that long (replica 8), short (replica 7) no longer runs"]


# ---- one source for schema and copy

DERIVED = {
    "updates": {"id", "account_id"},
    "pushes": {"update_id", "config_id", "origin", "started_at", "http_status", "duration_ms"},
    "attempts": {"update_id", "config_id"},
    "erasures": {"id", "days"},
    "audits": {"id"},
    "unrecognised": {"id"},
    "tenants": set(),
    "last_updates": {"account_id"},
    "listening": {"one"},
    "rollups": {"number", "label"},
    "portal_key": {"one"},
    "portal_links": set(),
    "portal_changes": set(),
    "announced": set(),
    "announced_events": set(),
    "announcement_targets": {"body"},
    "subject_totals": set(),
    "config_history": set(),
    "config_resources": set(),
}
"""Columns of copied tables that the copy makes itself: ids, and in PostgreSQL the last attempt in the push's row."""
OTHER_TABLES = {
    "postgres": {
        "counter", "accounts", "push_configs", "keys", "shipments", "undelivered", "news", "replicas", "slots",
        "answers",
        "journal", "schema_changes", "unrecognised_accounts", "histories",
    },
    "sqlite": {"names", "journal", "unrecognised_accounts", "terms", "indexed"},
}  # fmt: skip
"""Tables that the copy fills from others, or that are of one store."""
RECORDS = {
    "updates": UpdateRecord,
    "pushes": PushRecord,
    "attempts": AttemptRecord,
    "erasures": ErasureRecord,
    "audits": AuditRecord,
    "unrecognised": UnrecognisedRecord,
    "tenants": TenantRecord,
    "last_updates": LastUpdateRecord,
    "listening": ListeningRecord,
    "rollups": RollupRecord,
    "portal_key": PortalKeyRecord,
    "portal_links": PortalLinkRecord,
    "portal_changes": PortalChangeRecord,
    "announced": Announced,
    "announced_events": CollectedEvent,
    "announcement_targets": TargetState,
    "subject_totals": SubjectTotal,
    "config_history": ConfigEntryRecord,
    "config_resources": ConfigResourceRecord,
}
NAMES: dict[str, set[str]] = {
    "updates": {"account", "pushes", "attempts"},
    "last_updates": {"account"},
    "rollups": {"name"},
    "portal_changes": set(),
}
"""Fields of records that are numbers in the tables, or records of other tables; of others it is the PushConfig."""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_each_column_of_the_schema_is_copied_or_made_by_the_copy(
    places: Places, postgres_server: Server, kind: str
) -> None:
    """A table or column that is added to the schema alone fails here."""
    place = await filled(places, kind)
    if place.folder is None:
        listed = postgres_server.sql(
            "SELECT c.relname, a.attname"
            " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace = 'trackpush'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND NOT a.attisdropped",
            database=places.databases[-1],
        )
        rows = [tuple(line.split("|")) for line in listed.splitlines()]
    else:
        connection = place.source
        await connection.open()
        assert isinstance(connection, SqliteSource)
        assert connection._connection is not None
        rows = connection._connection.execute(
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
            " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
        ).fetchall()
        await connection.close()
    columns: dict[str, set[str]] = {}
    for table, column in rows:
        columns.setdefault(table, set()).add(column)
    assert columns.keys() - OTHER_TABLES[kind] == RECORDS.keys()
    for table, record in RECORDS.items():
        copied = set(record.__struct_fields__) - NAMES.get(table, {"push_config"})
        assert columns[table] - DERIVED[table] <= copied, table
        assert copied <= columns[table], table


async def test_partitions_of_a_copied_journal_are_as_the_schema_makes_them(
    places: Places, postgres_server: Server
) -> None:
    copied, grown = await filled(places, "postgres"), places.empty("postgres")
    connection = await asyncpg.connect(grown.dsn)
    await schema.migrate(connection)
    await connection.close()
    kinds = (
        "SELECT DISTINCT p.relname, array_to_string(c.reloptions, ','),"
        " (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid)"
        " FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid JOIN pg_class AS p ON p.oid = h.inhparent"
        " WHERE p.relkind = 'p' ORDER BY 1"
    )
    assert copied.dsn != grown.dsn
    wanted = postgres_server.sql(kinds, database=places.databases[-1])
    assert "pushes|fillfactor=50|" in wanted
    assert postgres_server.sql(kinds, database=places.databases[0]) == wanted


def test_a_place_is_shown_without_the_password() -> None:
    target = PostgresTarget("postgresql://user:s3cret@db.example:5432/journal?sslmode=require")
    assert target._place("x") == JournalPlace("x", "PostgreSQL at db.example:5432/journal")
