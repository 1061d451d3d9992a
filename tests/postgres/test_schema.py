"""The schema: applied once whoever comes first, and two server versions run on it while an upgrade rolls."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from postgres.test_retention import CLOCK
from trackpush_server.journal.postgres.schema import CHANGES, NewerSchemaError, SchemaChange, migrate, parse

NEXT = CHANGES[-1].number + 1


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection, closed in the end."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def migrate_to(dsn: str, *known: SchemaChange) -> None:
    """As a server that knows these changes on top of ours."""
    async with connected(dsn) as connection:
        await migrate(connection, (*CHANGES, *known))


async def test_four_servers_that_start_at_once_make_one_schema(postgres_dsn: str) -> None:
    await asyncio.gather(*(migrate_to(postgres_dsn) for _ in range(4)))
    async with connected(postgres_dsn) as connection:
        numbers = [row[0] for row in await connection.fetch("SELECT number FROM trackpush.schema_changes ORDER BY 1")]
        assert numbers == [change.number for change in CHANGES]
        assert await connection.fetchval("SELECT count(*) FROM trackpush.slots") == 128
        assert await connection.fetchval("SELECT count(*) FROM trackpush.counter") == 1


async def test_an_older_server_runs_on_a_newer_schema_until_a_change_takes_away_what_it_needs(
    postgres_dsn: str,
) -> None:
    expand = SchemaChange(
        number=NEXT,
        name="expand",
        needs=1,
        script="ALTER TABLE trackpush.erasures ADD COLUMN by text;"
        "CREATE FUNCTION trackpush.append_v2() RETURNS integer LANGUAGE sql AS 'SELECT 2';",
    )
    await migrate_to(postgres_dsn)
    await migrate_to(postgres_dsn, expand)
    await migrate_to(postgres_dsn)
    async with connected(postgres_dsn) as connection:
        functions = await connection.fetch("SELECT proname FROM pg_proc WHERE proname LIKE 'append_v%' ORDER BY 1")
        assert [row[0] for row in functions] == ["append_v1", "append_v2"]
    contract = SchemaChange(number=NEXT + 1, name="contract", needs=NEXT, script="SELECT 1;")
    await migrate_to(postgres_dsn, expand, contract)
    with pytest.raises(NewerSchemaError, match="run a later version"):
        await migrate_to(postgres_dsn)
    await migrate_to(postgres_dsn, expand)


async def test_a_change_that_fails_leaves_the_schema_as_it_was(postgres_dsn: str) -> None:
    good = SchemaChange(number=NEXT, name="good", needs=1, script="CREATE TABLE trackpush.half ();")
    bad = SchemaChange(number=NEXT + 1, name="bad", needs=1, script="CREATE TABLE trackpush.other (); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate_to(postgres_dsn, good, bad)
    async with connected(postgres_dsn) as connection:
        assert not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'trackpush')")


def test_every_change_says_what_it_needs_and_numbers_have_no_gaps() -> None:
    assert [change.number for change in CHANGES] == list(range(1, len(CHANGES) + 1))
    assert all(change.needs <= change.number for change in CHANGES)
    with pytest.raises(ValueError, match=r"0009_odd\.sql: its first line must be"):
        parse(9, "odd", "SELECT 1;")


async def test_partitions_are_made_ahead_and_never_twice(postgres_dsn: str, postgres_sql: Callable[[str], str]) -> None:
    await migrate_to(postgres_dsn)
    count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'trackpush.updates'::regclass"
    today = int(postgres_sql("SELECT partitions_to - 4 FROM trackpush.counter"))
    postgres_sql(CLOCK.format(day=today))  # it may be midnight
    assert postgres_sql(count) == "4"
    assert postgres_sql("SELECT trackpush.make_partitions_v1(3)") == str(today + 4)
    assert postgres_sql("SELECT trackpush.make_partitions_v1(5)") == str(today + 6)
    assert postgres_sql(count) == "6"


async def test_the_day_of_new_ids_never_goes_back_even_if_the_clock_does(
    postgres_dsn: str, postgres_sql: Callable[[str], str]
) -> None:
    await migrate_to(postgres_dsn)
    tomorrow = int(postgres_sql("SELECT partitions_to - 3 FROM trackpush.counter"))
    postgres_sql(CLOCK.format(day=tomorrow - 1))  # it may be midnight
    postgres_sql(f"UPDATE trackpush.counter SET last_id = ({tomorrow}::bigint << 36) + 5")  # noqa: S608  a number
    assert postgres_sql("SELECT trackpush.make_partitions_v1(0)") == str(tomorrow + 3)
    postgres_sql("SELECT trackpush.settle_v1(7, 0::smallint, 0)")
    update = "ARRAY['k'::bytea], '{1}', '{1}', '{1}', '{s}', '{null}', '{null}', '{null}', '{S}', '{null}'"
    nothing = ", ".join(["'{}'"] * 20)
    call = f"trackpush.append_v1(7, false, 0::smallint, 1, {update}, ARRAY[''::bytea], ARRAY[''::bytea], {nothing})"
    first = postgres_sql(f"SELECT ({call}).first_id")
    assert int(first) == (tomorrow << 36) + 6


def test_the_schemas_files_are_part_of_the_package() -> None:
    assert CHANGES[0].name == "tables"
