"""A database that goes away, at the worst moments too: no false 200, no double, and everything stored is announced."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from journal.stores import NOW, Opened, outcome, postgres_store, update
from support.cutting import Cutter, When
from support.deadline import until
from support.postgres import PASSWORD, Server
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.postgres import PostgresJournal


@pytest.mark.parametrize("when", ["before the message is passed on", "after its answer has come"])
async def test_an_append_whose_answer_is_lost_is_stored_and_announced_once(
    postgres_server: Server, journal_database: str, when: When
) -> None:
    async with Cutter(postgres_server.port).running() as cutter:
        store = postgres_store(postgres_server.dsn(journal_database, port=cutter.port))
        async with store.open() as opened:
            await opened.put(update())
            for _ in range(5):
                one = update()
                cutter.arm(when, one.key)
                assert await asyncio.wait_for(opened.journal.updates.append([one]), 30) == 1
                assert await opened.put(one) == 0
            assert cutter.cuts == 5
            ids = [commit.update_id for commit in opened.committed]
            assert ids == sorted(set(ids)) == await opened.pending_ids()
            assert opened.journal.unavailable is None
            assert opened.states == [None], "a connection that broke is no outage"


async def test_what_was_refused_although_it_was_stored_is_announced_when_the_database_is_back(
    postgres_server: Server, journal_database: str
) -> None:
    async with Cutter(postgres_server.port).running() as cutter:
        store = postgres_store(postgres_server.dsn(journal_database, port=cutter.port))
        async with store.open() as opened:
            await opened.put(update())
            cutter.refuses = True
            one = update()
            cutter.arm("after its answer has come", one.key)
            future = opened.journal.updates.append([one])
            await until(lambda: cutter.cuts == 1, seconds=30, what="the cut")
            cutter.cut_all()
            with pytest.raises(JournalUnavailableError, match="updates are refused with 503 until then"):
                await asyncio.wait_for(future, 30)
            await until(lambda: opened.journal.unavailable is not None, seconds=30, what="the outage is noticed")
            with pytest.raises(JournalUnavailableError):
                opened.journal.updates.append([update()])
            assert len(opened.committed) == 1
            cutter.refuses = False
            await until(lambda: opened.journal.unavailable is None, seconds=30, what="the journal is back")
            assert await opened.put(one) == 0
            await until(lambda: len(opened.committed) == 2, seconds=30, what="announced")
            assert opened.committed[1].update == one


@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_a_database_that_ends_under_load_loses_nothing_and_doubles_nothing(
    own_postgres: Server, how: str
) -> None:
    store = postgres_store(own_postgres.dsn(own_postgres.create_database()))
    async with store.open() as opened:
        accepted: set[bytes] = set()
        ending = asyncio.create_task(_end(own_postgres, how, opened))
        loads = [asyncio.create_task(_load(opened, accepted, ending)) for _ in range(8)]
        await asyncio.wait_for(asyncio.gather(ending, *loads), 100)
        await asyncio.wait_for(opened.journal.pushes.flush(), 30)
        announced = [commit.update.key for commit in opened.committed]
        assert len(announced) == len(set(announced))
        assert accepted <= set(announced)
        assert [commit.update_id for commit in opened.committed] == await opened.pending_ids(limit=100_000)
        assert opened.states[0] is None
        assert any(state is not None for state in opened.states), "nobody was told"


async def _end(server: Server, how: str, opened: Opened) -> None:
    await until(lambda: len(opened.committed) > 200, seconds=60, what="load")
    await asyncio.to_thread(server.kill if how == "kill" else server.stop)
    await until(lambda: opened.journal.unavailable is not None, seconds=60, what="the outage is noticed")
    await asyncio.to_thread(server.start)
    count = len(opened.committed)
    await until(lambda: len(opened.committed) > count + 200, seconds=60, what="load again")


async def _load(opened: Opened, accepted: set[bytes], ending: "asyncio.Task[None]") -> None:
    while not ending.done():
        one = update()
        try:
            assert await opened.journal.updates.append([one]) == 1
        except JournalUnavailableError:
            await asyncio.sleep(0.02)
        else:
            accepted.add(one.key)


async def test_outcomes_outlast_an_outage(postgres_server: Server, journal_database: str) -> None:
    async with Cutter(postgres_server.port).running() as cutter:
        store = postgres_store(postgres_server.dsn(journal_database, port=cutter.port))
        async with store.open() as opened:
            ids = [(await opened.put_one()).update_id for _ in range(3)]
            cutter.refuses = True
            cutter.cut_all()
            for update_id in ids:
                opened.journal.pushes.record(outcome(update_id))
            await until(lambda: opened.journal.unavailable is not None, seconds=30, what="the outage is noticed")
            assert opened.journal.outcomes_waiting == 3
            cutter.refuses = False
            await asyncio.wait_for(opened.journal.pushes.flush(), 30)
            assert opened.journal.outcomes_waiting == 0
            assert await opened.pending_ids() == []


async def test_a_database_that_may_lose_commits_is_not_used(
    postgres_dsn: str, postgres_sql: Callable[[str], str]
) -> None:
    postgres_sql("ALTER ROLE trackpush SET synchronous_commit = off")
    try:
        reason = await _why_unavailable(postgres_dsn)
    finally:
        postgres_sql("ALTER ROLE trackpush RESET synchronous_commit")
    assert "synchronous_commit is off" in reason
    assert "set it to on" in reason


async def test_a_message_names_the_database_and_the_remedy_but_never_the_password(
    postgres_server: Server, postgres_dsn: str
) -> None:
    wrong = await _why_unavailable(postgres_dsn.replace(PASSWORD, "of-somebody-else"))
    assert "correct user and password" in wrong
    missing = await _why_unavailable(postgres_server.dsn("nowhere"))
    assert "create the database" in missing
    nobody = await _why_unavailable(postgres_server.dsn("nowhere", port=1))
    assert "nothing listens there" in nobody
    for reason in (wrong, missing, nobody):
        assert reason.startswith("journal in PostgreSQL at 127.0.0.1:")
        assert PASSWORD not in reason
        assert "of-somebody-else" not in reason


@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
async def test_a_file_of_the_connection_string_that_cannot_be_used_is_named(
    postgres_dsn: str, tmp_path: Path, parameter: str
) -> None:
    missing = tmp_path / "missing.pem"
    files = {name: tmp_path / name for name in ("sslcert", "sslkey") if parameter in {"sslcert", "sslkey"}}
    for file in files.values():
        file.write_text("")
    given = "&".join(f"{name}={path}" for name, path in {**files, parameter: missing}.items())
    reason = await _why_unavailable(f"{postgres_dsn}?sslmode=verify-full&{given}")
    assert f"its {parameter} {missing} can't be read (No such file or directory); mount the file there" in reason
    assert PASSWORD not in reason


async def test_a_root_certificate_that_is_none_or_is_not_given_is_named(postgres_dsn: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    reason = await _why_unavailable(f"{postgres_dsn}?sslmode=verify-full&sslrootcert={empty}")
    assert f"its sslrootcert {empty} holds no certificate in PEM form" in reason
    reason = await _why_unavailable(f"{postgres_dsn}?sslmode=verify-full")
    assert "verify-full need sslrootcert=PATH" in reason


@pytest.mark.parametrize("address", ["directly", "through a transaction pooler"])
async def test_another_default_isolation_of_the_role_fails_no_update_of_two_replicas(
    request: pytest.FixtureRequest, postgres_server: Server, journal_database: str, address: str
) -> None:
    own = await asyncio.to_thread(postgres_server.sql, "SHOW default_transaction_isolation")
    assert own == "read committed"
    postgres_server.sql(f"ALTER DATABASE {journal_database} SET default_transaction_isolation = 'repeatable read'")
    try:
        port = None if address == "directly" else request.getfixturevalue("postgres_pooler").port
        dsn = postgres_server.dsn(journal_database, port=port)
        async with postgres_store(dsn).open() as one, postgres_store(dsn).open() as other:
            for _ in range(30):
                await asyncio.gather(*(opened.put(update()) for opened in (one, other, one, other)))
            number = await one.journal.erasures.begin("awb", "", now=NOW)
            await asyncio.gather(
                *(
                    opened.journal.erasures.erase(number, [opened.committed[0].update_id], now=NOW)
                    for opened in (one, other)
                ),
                *(opened.put(update()) for opened in (one, other)),
            )
            assert one.states == other.states == [None]
    finally:
        postgres_server.sql(f"ALTER DATABASE {journal_database} RESET default_transaction_isolation")


async def _why_unavailable(dsn: str) -> str:
    journal = PostgresJournal(dsn)
    await asyncio.wait_for(journal.start(), 30)
    try:
        assert journal.unavailable is not None
        return journal.unavailable
    finally:
        await journal.close()
