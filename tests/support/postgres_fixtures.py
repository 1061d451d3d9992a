"""Fixtures: a real PostgreSQL for the whole run, a fresh database for each test, and a server of a test's own."""

from collections.abc import Callable, Iterator

import pytest

from support.postgres import Server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server that all tests share; nobody stops it."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_postgres() -> Iterator[Server]:
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
