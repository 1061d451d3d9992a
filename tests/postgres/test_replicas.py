"""Several replicas on one database: one order, outcomes from the owner, and news of what others did."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from io import StringIO

import asyncpg
import pytest
import structlog

from journal.stores import NOW, OMS, Opened, outcome, page_of, timeless, update
from support.deadline import until
from support.postgres import Server
from trackpush_server import logs
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import PushState
from trackpush_server.journal.postgres import PostgresJournal, change_feed, writer
from trackpush_server.journal.postgres.change_feed import ChangeFeed
from trackpush_server.journal.postgres.errors import UnusableError
from trackpush_server.journal.postgres.session import Session
from trackpush_server.journal.slots import slot_of

OWNER, OTHER = 1, 2


class Replica(Opened):
    """A journal and what it told of others."""

    def __init__(self, dsn: str, number: int) -> None:
        journal = PostgresJournal(dsn, replica=number)
        super().__init__(journal)
        self.elsewhere: list[tuple[str, int]] = []
        self.replayed: list[tuple[str, list[int]]] = []
        self.erased: list[frozenset[int]] = []
        journal.subscribe(
            JournalListener(
                on_elsewhere=lambda push_config, lowest: self.elsewhere.append((push_config, lowest)),
                on_replayed=lambda push_config, ids: self.replayed.append((push_config, list(ids))),
                on_erased=self.erased.append,
            )
        )


@contextlib.asynccontextmanager
async def running(dsn: str, number: int) -> AsyncIterator[Replica]:
    """A started replica."""
    replica = Replica(dsn, number)
    await replica.journal.start()
    try:
        yield replica
    finally:
        await replica.journal.close()


@pytest.fixture(params=["directly", "through a transaction pooler"])
def journal_address(request: pytest.FixtureRequest, postgres_server: Server, journal_database: str) -> str:
    """Of a database with an empty journal."""
    if request.param == "directly":
        return postgres_server.dsn(journal_database)
    return postgres_server.dsn(journal_database, port=request.getfixturevalue("postgres_pooler").port)


@pytest.fixture
async def replicas(journal_address: str, journal_sql: Callable[[str], str]) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two replicas; the first owns the slot of `OMS`."""
    statements = (
        f"INSERT INTO trackpush.replicas (id, name) VALUES ({OWNER}, 'a'), ({OTHER}, 'b');"  # noqa: S608  numbers
        f" UPDATE trackpush.slots SET owner = {OWNER} WHERE slot = {slot_of(OMS)}"
    )
    await asyncio.to_thread(journal_sql, statements)
    async with running(journal_address, OWNER) as owner, running(journal_address, OTHER) as other:
        yield owner, other


async def test_of_the_same_report_without_a_time_at_several_replicas_at_once_one_is_stored(
    replicas: tuple[Replica, Replica],
) -> None:
    counts = await asyncio.gather(
        *(
            replica.journal.updates.append([timeless("S", "A"), update(), timeless("S", "A")])
            for replica in replicas * 20
        )
    )
    assert sum(counts) == 40 + 1
    assert await replicas[1].put(timeless("S", "B")) == await replicas[0].put(timeless("S", "A")) == 1


async def test_the_owner_learns_what_others_store_and_not_what_it_stores_itself(
    replicas: tuple[Replica, Replica],
) -> None:
    owner, other = replicas
    await owner.put_one()
    first = await other.put_one()
    await until(lambda: bool(owner.elsewhere), seconds=30, what="told")
    assert owner.elsewhere == [(OMS, first.update_id)]
    await other.put(update(to=["acme/crm"]), update())
    await until(lambda: len(owner.elsewhere) == 2, seconds=30, what="told again")
    assert owner.elsewhere[1] == (OMS, other.committed[-1].update_id)
    assert other.elsewhere == []


async def test_ids_are_dense_and_in_commit_order_over_all_replicas(replicas: tuple[Replica, Replica]) -> None:
    appends = [replica.journal.updates.append([update(), update()]) for _ in range(200) for replica in replicas]
    assert await asyncio.gather(*appends) == [2] * 400
    each = [[commit.update_id for commit in replica.committed] for replica in replicas]
    assert each == [sorted(ids) for ids in each]
    together = sorted(each[0] + each[1])
    assert together == list(range(together[0], together[0] + 800))


async def test_an_update_shows_the_highest_pending_one_of_its_shipment_that_another_replica_stored(
    replicas: tuple[Replica, Replica],
) -> None:
    owner, other = replicas
    first = await other.put_one(shipment="S")
    second = await other.put_one(shipment="S")
    assert (first.behind, second.behind) == (0, 0), "its own ones are no news"
    third = await owner.put_one(shipment="S")
    assert third.behind == second.update_id
    assert (await owner.put_one(shipment="T")).behind == 0
    await owner.record(*(outcome(entry.update_id) for entry in (first, second)))
    assert (await owner.put_one(shipment="S")).behind == 0
    assert (await other.put_one(shipment="S")).behind == third.update_id + 2


async def test_after_a_long_call_what_comes_next_shares_one(
    replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _ = replicas
    monkeypatch.setattr(writer, "_LONG_SECONDS", 0.0)
    monkeypatch.setattr(writer, "_SHARE", 1000.0)
    monkeypatch.setattr(writer, "_MOST_SECONDS", 1.0)
    await owner.put_one()
    calls = owner.journal.stats.commits
    answers = []
    for _ in range(10):
        answers.append(owner.journal.updates.append([update()]))
        await asyncio.sleep(0)  # the writer would take it
    await asyncio.gather(*answers)
    assert owner.journal.stats.commits == calls + 1


def test_a_call_that_was_short_has_nothing_wait() -> None:
    assert [writer._company(seconds) for seconds in (0.0029, 0.008, 10.0)] == [0.0, 0.002, 0.005]


async def test_only_the_owners_outcomes_count_but_a_delivery_counts_from_anybody(
    replicas: tuple[Replica, Replica],
) -> None:
    owner, other = replicas
    one, two, three = [await owner.put_one() for _ in range(3)]
    await other.record(
        outcome(one.update_id, PushState.DEAD),
        outcome(two.update_id, PushState.PENDING, tries=3, due_at=NOW),
        outcome(three.update_id, PushState.DELIVERED),
    )
    page = await page_of(owner.journal, OMS, after=0, limit=10)
    assert [(push.update_id, push.tries) for push in page.pushes] == [(one.update_id, 0), (two.update_id, 0)]
    await owner.record(outcome(one.update_id, PushState.DEAD))
    await other.record(outcome(one.update_id, PushState.DELIVERED, tries=2))
    counts = await owner.journal.search.counts()
    assert [(count.pending, count.dead) for count in counts] == [(1, 1)], "what has ended was undone"


async def test_replays_and_erasures_are_reported_to_the_others(replicas: tuple[Replica, Replica]) -> None:
    owner, other = replicas
    one = await owner.put_one()
    await owner.record(outcome(one.update_id, PushState.DEAD))
    assert await other.journal.replays.replay(OMS, [one.update_id], now=NOW, replayed_before=NOW) == 1
    await until(lambda: bool(owner.replayed), seconds=30, what="told of the replay")
    assert owner.replayed == [(OMS, [one.update_id])]
    number = await other.journal.erasures.begin("awb", "", now=NOW)
    await other.journal.erasures.erase(number, [one.update_id], now=NOW)
    await until(lambda: bool(owner.erased), seconds=30, what="told of the erasure")
    assert owner.erased == [frozenset({one.update_id})]
    assert (other.replayed, other.erased) == ([], [])


async def test_a_push_that_one_replica_adds_is_reported_to_the_owner_of_its_slot(
    replicas: tuple[Replica, Replica],
) -> None:
    owner, other = replicas
    one = await owner.put_one(to=[])
    assert await other.journal.replays.add_pushes(OMS, [one.update_id], now=NOW) == 1
    await until(lambda: bool(owner.replayed), seconds=30, what="told of the push")
    assert owner.replayed == [(OMS, [one.update_id])]
    assert await owner.pending_ids() == [one.update_id]
    assert await other.journal.replays.add_pushes(OMS, [one.update_id], now=NOW) == 0
    assert other.replayed == []


async def test_what_was_stored_while_the_listener_was_cut_off_is_reported_afterwards(
    replicas: tuple[Replica, Replica], journal_sql: Callable[[str], str]
) -> None:
    owner, other = replicas
    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'trackpush'"
    await asyncio.to_thread(journal_sql, cut)
    one = await other.put_one()
    await until(lambda: bool(owner.elsewhere), seconds=30, what="told")
    assert owner.elsewhere[0] == (OMS, one.update_id)


async def test_news_continues_after_a_connection_breaks_in_whatever_way_and_calls_none_of_them_unexpected(
    replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = replicas
    out = StringIO()
    logs.configure("json", out)
    faults: list[Exception] = [
        asyncpg.InternalClientError("unexpected data"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        ConnectionResetError("reset"),
        TimeoutError(),
        UnusableError("it is a standby"),
    ]
    expected = len(faults)
    look = ChangeFeed._look

    async def broken(self: ChangeFeed, session: Session) -> bool:
        if faults:
            raise faults.pop()
        return await look(self, session)

    monkeypatch.setattr(ChangeFeed, "_look", broken)
    monkeypatch.setattr(change_feed, "_AFTER_FAULT", 0.01)
    await until(lambda: not faults, seconds=30, what=f"{expected} faults")
    one = await other.put_one()
    await until(lambda: bool(owner.elsewhere), seconds=30, what="told")
    structlog.reset_defaults()
    assert owner.elsewhere[0] == (OMS, one.update_id)
    assert "journal_news_failed" not in out.getvalue()
