"""A database that comes back without its last commits: every replica notices, and forgets what it knew by id."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from journal.stores import OMS, Opened, outcome, page_of, postgres_store, update
from postgres.test_replicas import Replica
from support.cutting import Cutter
from support.deadline import until
from support.postgres import Server
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import JournalUnavailableError, LostCommits
from trackpush_server.journal.slots import slot_of

FIRST, SECOND = 1, 2


class Rollback:
    """A database whose state can be kept, and brought back under the same name within a moment."""

    def __init__(self, server: Server, name: str, cutter: Cutter) -> None:
        self._server = server
        self._name = name
        self._cutter = cutter

    @property
    def dsn(self) -> str:
        """Through the proxy."""
        return self._server.dsn(self._name, port=self._cutter.port)

    def direct(self, statement: str) -> str:
        """Past the proxy."""
        return self._server.sql(statement, database=self._name)

    async def keep(self) -> None:
        """Keep its state."""
        async with self._away():
            await asyncio.to_thread(self._server.sql, f"CREATE DATABASE {self._name}_kept TEMPLATE {self._name}")

    async def bring_back(self, *, stores: int = 0) -> None:
        """Give its name to what was kept; ``stores``: updates that another replica stores before anybody reaches it."""
        async with self._away():
            await asyncio.to_thread(self._server.sql, f"ALTER DATABASE {self._name} RENAME TO {self._name}_gone")
            await asyncio.to_thread(self._server.sql, f"ALTER DATABASE {self._name}_kept RENAME TO {self._name}")
            if stores:
                async with postgres_store(self._server.dsn(self._name)).open() as other:
                    for _ in range(stores):
                        await other.put(update())

    def cut(self) -> None:
        """Nobody reaches it."""
        self._cutter.refuses = True
        self._cutter.cut_all()

    @contextlib.asynccontextmanager
    async def _away(self) -> AsyncIterator[None]:
        self.cut()
        count = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self._name}'"  # noqa: S608  its name
        await until(lambda: self._server.sql(count) == "0", seconds=30, what="all connections are gone")
        try:
            yield
        finally:
            self._cutter.refuses = False


@pytest.fixture
async def database(postgres_server: Server, postgres_database: str) -> AsyncIterator[Rollback]:
    async with Cutter(postgres_server.port).running() as cutter:
        yield Rollback(postgres_server, postgres_database, cutter)
    for name in ("kept", "gone"):
        postgres_server.drop_database(f"{postgres_database}_{name}")


class Member(Replica):
    """A replica, and what it told of lost commits."""

    def __init__(self, dsn: str, number: int) -> None:
        super().__init__(dsn, number)
        self.lost: list[LostCommits] = []
        self.journal.subscribe(JournalListener(on_lost_commits=self._note))

    def _note(self, lost: LostCommits) -> None:
        self.lost.append(lost)

    async def until_reached(self) -> None:
        """Wait until it stores again."""
        for _ in range(1000):
            with contextlib.suppress(JournalUnavailableError):
                await self.put(update())
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it stores nothing any more")


@contextlib.asynccontextmanager
async def running(database: Rollback, number: int) -> AsyncIterator[Member]:
    member = Member(database.dsn, number)
    await member.journal.start()
    statement = (
        f"INSERT INTO trackpush.replicas (id, name) VALUES ({number}, 'm');"  # noqa: S608  numbers
        f" UPDATE trackpush.slots SET owner = {number} WHERE slot = {slot_of(OMS)}"
    )
    await asyncio.to_thread(database.direct, statement)
    try:
        yield member
    finally:
        await member.journal.close()


async def test_ids_that_went_back_are_noticed_before_anything_more_is_stored(database: Rollback) -> None:
    async with running(database, FIRST) as member:
        kept = await member.put_one()
        await database.keep()
        await member.until_reached()
        lost = [await member.put_one() for _ in range(5)]
        await database.bring_back()
        await member.until_reached()
        assert len(member.lost) == 1
        assert (member.lost[0].kept_to, member.lost[0].highest) == (kept.update_id, lost[-1].update_id)
        assert member.lost[0].updates == 6
        assert member.committed[-1].update_id == kept.update_id + 1


async def test_an_idle_replica_notices_it_too_though_others_have_stored_more_than_was_lost(database: Rollback) -> None:
    async with running(database, FIRST) as idle, running(database, SECOND) as busy:
        await busy.put_one()
        await database.keep()
        await busy.until_reached()
        lost = [await busy.put_one() for _ in range(5)]
        await until(lambda: _saw(idle, lost[-1].update_id), seconds=30, what="news of the last one")

        await database.bring_back(stores=50)
        await until(lambda: bool(idle.lost), seconds=30, what="the idle one noticed")
        assert idle.lost[0].highest == lost[-1].update_id
        assert idle.lost[0].updates == 6


def _saw(member: Opened, update_id: int) -> bool:
    return member.journal._access.history.highest >= update_id  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("rest", [1.0, 4.0])
async def test_outcomes_that_were_lost_are_noticed_though_no_update_was(
    database: Rollback, monkeypatch: pytest.MonkeyPatch, rest: float
) -> None:
    """With the longer rest, nothing listens for news while the database is replaced."""
    monkeypatch.setattr("trackpush_server.journal.postgres.change_feed._AFTER_FAULT", rest)
    async with running(database, FIRST) as member:
        one = await member.put_one()
        await database.keep()
        await until(lambda: member.journal.unavailable is None, seconds=30, what="the journal is back")
        await member.record(outcome(one.update_id))
        assert await _pending(member) == []
        await database.bring_back()
        await until(lambda: bool(member.lost), seconds=30, what="noticed")
        assert member.lost[0].updates == 0
        assert await _pending(member) == [one.update_id]


async def test_no_outcome_reaches_an_update_that_got_the_id_of_a_lost_one(database: Rollback) -> None:
    async with running(database, FIRST) as member:
        kept = await member.put_one()
        await database.keep()
        await member.until_reached()
        lost = await member.put_one()
        database.cut()
        member.journal.pushes.record(outcome(lost.update_id))
        member.journal.pushes.record(outcome(kept.update_id))
        await database.bring_back(stores=10)
        await until(lambda: bool(member.lost), seconds=30, what="noticed")
        await until(lambda: member.journal.outcomes_waiting == 0, seconds=30, what="outcomes are stored or dropped")
        await asyncio.wait_for(member.journal.pushes.flush(), 30)
        ids = [int(identifier) for identifier in database.direct("SELECT id FROM trackpush.updates ORDER BY 1").split()]
        pending = [
            int(identifier) for identifier in database.direct("SELECT update_id FROM trackpush.undelivered").split()
        ]
        assert lost.update_id in ids, "the id was not given again: the test proves nothing"
        assert lost.update_id in pending, "the outcome of a lost update was stored on another"
        assert kept.update_id not in pending, "the outcome of an update that is still there was dropped"
        assert member.lost[0].outcomes == 1


async def test_a_restart_that_loses_nothing_is_not_a_loss(own_postgres: Server) -> None:
    dsn = own_postgres.dsn(own_postgres.create_database())
    member = Member(dsn, FIRST)
    await member.journal.start()
    try:
        for how in (own_postgres.stop, own_postgres.kill):
            ids = [(await member.put_one()).update_id for _ in range(3)]
            await asyncio.to_thread(how)
            await asyncio.to_thread(own_postgres.start)
            await member.until_reached()
            assert member.lost == []
            assert set(ids) <= set(await _pending(member))
    finally:
        await member.journal.close()


async def test_a_read_of_a_database_that_the_writer_does_not_know_is_refused(database: Rollback) -> None:
    async with running(database, FIRST) as member:
        await member.put_one()
        token = "UPDATE trackpush.counter SET history = gen_random_uuid()"
        await asyncio.to_thread(database.direct, token)
        with pytest.raises(JournalUnavailableError, match="restarted or replaced"):
            await page_of(member.journal, OMS, after=0, limit=10)
        assert len(await _pending(member)) == 1
        assert member.lost == []


async def _pending(member: Opened) -> list[int]:
    """Retries while the writer looks."""
    for _ in range(1000):
        with contextlib.suppress(JournalUnavailableError):
            return await member.pending_ids()
        await asyncio.sleep(0.02)
    raise AssertionError("it reads nothing any more")
