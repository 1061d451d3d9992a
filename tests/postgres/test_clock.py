"""A replica whose clock is wrong: it goes by the database's, says so, and disturbs no other replica."""

import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from journal.stores import Opened, postgres_store, update
from support.bodies import body
from support.deadline import until
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_api.routing import Destination, Postgres, Retry
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.postgres.clock import SharedClock

HOURS = 7200.0


@pytest.fixture
def clock_ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets this process's wall clock so far ahead."""
    real = time.time

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return ahead


@pytest.mark.parametrize("ahead", [HOURS, -HOURS])
async def test_housekeeping_by_a_wrong_clock_takes_no_answer_and_no_news_from_others(
    journal_dsn: str, journal_sql: Callable[[str], str], clock_ahead: Callable[[float], None], ahead: float
) -> None:
    async with postgres_store(journal_dsn).open() as well, postgres_store(journal_dsn).open() as wrong:
        await well.put(update())
        journal_sql("INSERT INTO trackpush.news (origin, update_ids, at) VALUES (1, '{}', trackpush.now_v1())")
        journal_sql(
            "INSERT INTO trackpush.news (origin, update_ids, at) VALUES (1, '{}', trackpush.now_v1() - 3700000)"
        )
        clock_ahead(ahead)
        await _journal(wrong)._housekeeping.see_to_it()
        await well.put(update())
        assert well.states == [None]
        assert journal_sql("SELECT count(*) FROM trackpush.news") == "1"


def _journal(opened: Opened) -> PostgresJournal:
    assert isinstance(opened.journal, PostgresJournal)
    return opened.journal


async def test_a_server_whose_clock_is_wrong_retries_by_the_databases_and_says_so(
    tmp_path: Path, journal_dsn: str, journal_sql: Callable[[str], str], clock_ahead: Callable[[float], None]
) -> None:
    async def refuse(_: object) -> int:
        return 503

    clock_ahead(HOURS)
    async with open_sink(refuse) as sink, aiohttp.ClientSession() as session:
        retry = Retry(schedule=(60.0,), jitter=0.0)
        destination = Destination(name="acme/push", url=sink.url, retry=retry)
        given = table(
            account(Aggregator.CLICKPOST, "the-key", destinations=["acme/push"]),
            destinations=[destination],
            storage=Postgres(dsn=journal_dsn),
        )
        async with serving(tmp_path, given, lease=3.0) as server:
            url = f"http://{server.address}/rms/in/api/clickpost/notify"
            content = body("clickpost", mark=1, shipment=1, second=1)
            async with session.post(url, data=content, headers={"x-api-key": "the-key"}) as answer:
                assert answer.status == 200
            wait = "SELECT coalesce(max(due_at - trackpush.now_v1()), 0) FROM trackpush.pushes WHERE tries = 1"
            await until(lambda: int(journal_sql(wait)) > 0, seconds=30, what="the retry is stored")
            assert int(journal_sql(wait)) <= 60_000
            async with session.get(f"http://{server.admin_address}/config") as answer:
                problems = (await answer.json())["problems"]
    assert len(problems) == 1
    assert "this machine's clock is 7200 s ahead of the database's; synchronise both (NTP)" in problems[0]


async def test_times_of_receipt_are_stored_by_the_databases_clock(
    journal_dsn: str, journal_sql: Callable[[str], str]
) -> None:
    async with postgres_store(journal_dsn).open() as opened:
        _journal(opened).clock.ahead = HOURS
        one = update(received_at=1_760_007_200_000)
        await opened.put(one)
        assert journal_sql("SELECT received_at FROM trackpush.updates") == "1760000000000"
        assert opened.committed[0].update.received_at == 1_760_000_000_000


@pytest.mark.parametrize(
    ("clock", "database", "took", "ahead"),
    [
        (1000.0, 1000.0, 0.0, 0.0),
        (1000.0, 998.0, 0.0, 0.0),
        (1000.0, 990.0, 0.0, 10.0),
        (1000.0, 1010.0, 0.0, -10.0),
        (1000.0, 990.0, 30.0, 0.0),
    ],
)
def test_a_difference_counts_beyond_a_few_seconds_and_beyond_what_the_answer_took(
    clock: float, database: float, took: float, ahead: float
) -> None:
    shared = SharedClock(lambda: clock)
    shared.measured(database, before=clock - took)
    assert shared.ahead == ahead
    assert shared() == clock - ahead
    assert (shared.problem is None) == (ahead == 0)


def test_a_clock_that_is_set_right_is_no_problem_any_more() -> None:
    shared = SharedClock(lambda: 1000.0)
    shared.measured(900.0, before=1000.0)
    assert shared.problem is not None
    shared.measured(1000.0, before=1000.0)
    assert shared.problem is None
    assert shared() == 1000.0
