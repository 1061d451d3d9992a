"""Fixtures: a real PostgreSQL for the whole run, a fresh database for each test, and a server of a test's own."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from support.pooler import Pooler
from support.postgres import Server, programs
from trackpush_api.routing import Postgres, Sqlite, Storage
from trackpush_server.journal.postgres.schema import migrate

EITHER_STORAGE = pytest.mark.parametrize(
    "storage", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""Runs a test, whose fixtures use `storage`, once with each."""


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs."""
    return programs()


@pytest.fixture(scope="session")
def postgres_server(postgres_programs: Path) -> Iterator[Server]:  # noqa: ARG001  marks the test
    """A server that all tests share; nobody stops it."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_pooler(postgres_server: Server) -> Iterator[Pooler]:
    """PgBouncer before the server that all tests share, in transaction mode."""
    pooler = Pooler(postgres_server)
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.stop()


@pytest.fixture
def own_postgres(postgres_programs: Path) -> Iterator[Server]:  # noqa: ARG001  marks the test
    """A server for one test, which may stop, kill and start it."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_database(postgres_server: Server) -> Iterator[str]:
    """The name of a fresh, empty database."""
    name = postgres_server.create_database()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def postgres_dsn(postgres_server: Server, postgres_database: str) -> str:
    """The address of a fresh, empty database."""
    return postgres_server.dsn(postgres_database)


@pytest.fixture
def postgres_sql(postgres_server: Server, postgres_database: str) -> Callable[[str], str]:
    """Runs statements in the fresh database as the superuser; the rows as text, columns separated by ``|``."""
    return lambda statement: postgres_server.sql(statement, database=postgres_database)


@pytest.fixture(scope="session")
def journal_template(postgres_server: Server) -> str:
    """A database with the journal's schema, emptied before each test that uses it: that is faster than a new one."""
    name = postgres_server.create_database()

    async def make() -> None:
        connection = await asyncpg.connect(postgres_server.dsn(name))
        await migrate(connection)
        await connection.close()

    asyncio.run(make())
    return name


@pytest.fixture
def journal_database(postgres_server: Server, journal_template: str) -> str:
    """The name of a database with an empty journal."""
    postgres_server.sql(EMPTY, database=journal_template)
    return journal_template


@pytest.fixture
def journal_dsn(postgres_server: Server, journal_database: str) -> str:
    """The address of a database with an empty journal."""
    return postgres_server.dsn(journal_database)


@pytest.fixture
def journal_sql(postgres_server: Server, journal_database: str) -> Callable[[str], str]:
    """Runs statements in the journal's database as the superuser; the rows as text, columns separated by ``|``."""
    return lambda statement: postgres_server.sql(statement, database=journal_database)


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> Storage:
    """Where the test's server keeps its journal: SQLite, if the test isn't marked `EITHER_STORAGE`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return Sqlite()
    return Postgres(dsn=request.getfixturevalue("journal_dsn"))


_TABLES = (
    "accounts", "push_configs", "keys", "shipments", "updates", "pushes", "undelivered", "attempts", "erasures",
    "audits", "news", "answers", "replicas", "unrecognised", "tenants", "last_updates",
    "listening", "rollups", "portal_links", "portal_key", "portal_changes",
    "announced", "announced_events", "announcement_targets", "subject_totals",
    "config_history", "config_resources",
)  # fmt: skip
_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
EMPTY = "; ".join(
    [
        _CUT,
        *(f"DELETE FROM trackpush.{table}" for table in _TABLES),  # noqa: S608  constants only
        "UPDATE trackpush.counter SET last_id = 0",
        "UPDATE trackpush.slots SET epoch = 0",
    ]
)
"""Cuts all connections and empties the journal."""
