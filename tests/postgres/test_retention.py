"""Retention by day, and what an erasure leaves behind in the database's pages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from journal.stores import NOW, OMS, Opened, outcome, postgres_store, update
from trackpush_server.journal.model import PushState, RetentionCutoffs, Trimmed

FUTURE = 1 << 60
LONG_AGO, LATER = 1000, 1001
"""Days since 2020."""
_DAYS = """
SELECT string_agg((to_date(right(c.relname, 8), 'YYYYMMDD') - date '2020-01-01')::text, ',' ORDER BY c.relname)
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'trackpush.{table}'::regclass AND c.relname < '{table}_2025'
"""
CLOCK = "CREATE OR REPLACE FUNCTION trackpush.day_v1() RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT {day}'"
"""Lets the database's clock stand at a day."""


@contextlib.asynccontextmanager
async def on_day(dsn: str, sql: Callable[[str], str], day: int) -> AsyncIterator[Opened]:
    """A journal while the database's clock stands at a day."""
    store = postgres_store(dsn)
    async with store.open():
        pass  # the schema is there
    source = await asyncio.to_thread(sql, "SELECT pg_get_functiondef('trackpush.day_v1'::regproc)")
    made = await asyncio.to_thread(sql, "SELECT partitions_to FROM trackpush.counter")
    await asyncio.to_thread(sql, CLOCK.format(day=day) + _PARTITIONS.format(day=day, made=made))
    async with store.open() as opened:
        yield opened
    await asyncio.to_thread(sql, source)


_PARTITIONS = """;
UPDATE trackpush.counter SET partitions_to = {day};
SET ROLE trackpush;
SELECT trackpush.make_partitions_v1(0);
UPDATE trackpush.counter SET partitions_to = {made}
"""


async def trim(opened: Opened, *, dead: int = FUTURE) -> Trimmed:
    """One whole round."""
    keep = RetentionCutoffs(delivered_since=FUTURE, dead_since=dead)
    updates = pushes = 0
    after: int | None = 0
    while after is not None:
        step = await opened.journal.retention.trim(keep, after=after, limit=3)
        updates, pushes, after = updates + step.updates, pushes + step.pushes, step.next_after
    return Trimmed(updates=updates, pushes=pushes)


async def test_a_day_of_which_nothing_is_kept_is_dropped_whole_and_one_with_a_pending_push_stays(
    postgres_dsn: str, postgres_sql: Callable[[str], str]
) -> None:
    first = update()
    async with on_day(postgres_dsn, postgres_sql, LONG_AGO) as opened:
        await opened.put(first, *(update() for _ in range(7)))
        await opened.record(*(outcome(commit.update_id) for commit in opened.committed))
    async with on_day(postgres_dsn, postgres_sql, LATER) as opened:
        waits, *ended = [await opened.put_one() for _ in range(4)]
        await opened.record(*(outcome(push.update_id, PushState.DEAD) for push in ended))
    async with postgres_store(postgres_dsn).open() as opened:
        today = await opened.put_one()
        assert await trim(opened, dead=0) == Trimmed(updates=8, pushes=8)
        for table in ("updates", "pushes", "undelivered", "attempts"):
            days = (await asyncio.to_thread(postgres_sql, _DAYS.format(table=table))).split(",")
            assert str(LONG_AGO) not in days
            assert str(LATER) in days
        assert await opened.pending_ids() == [waits.update_id, today.update_id]
        assert await opened.put(first) == 1, "its key is still remembered"
        assert await trim(opened) == Trimmed(updates=3, pushes=3)
        assert await opened.pending_ids() == [waits.update_id, today.update_id, opened.committed[-1].update_id]


async def test_what_was_made_pending_again_keeps_its_day(postgres_dsn: str, postgres_sql: Callable[[str], str]) -> None:
    async with on_day(postgres_dsn, postgres_sql, LONG_AGO) as opened:
        one = await opened.put_one()
        await opened.record(outcome(one.update_id))
    async with postgres_store(postgres_dsn).open() as opened:
        await opened.put_one()
        assert await opened.journal.replays.replay(OMS, [one.update_id], now=NOW, replayed_before=NOW) == 1
        assert await trim(opened) == Trimmed()
        assert (await opened.pending_ids())[0] == one.update_id


_VERSIONS = """
SELECT count(*) FROM generate_series(0, pg_relation_size('{table}') / 8192 - 1) AS page,
    heap_page_items(get_raw_page('{table}', page::integer)) AS item
WHERE position('a secret'::bytea IN item.t_data) > 0
"""


async def test_no_version_of_a_row_holds_what_was_erased(postgres_dsn: str, postgres_sql: Callable[[str], str]) -> None:
    await asyncio.to_thread(postgres_sql, "CREATE EXTENSION pageinspect")
    async with postgres_store(postgres_dsn).open() as opened:
        one = await opened.put_one(body=b'{"name":"a secret"}', awb="a secret")
        date = f"to_char(date '2020-01-01' + {one.update_id >> 36}, 'YYYYMMDD')"
        table = "trackpush.updates_" + await asyncio.to_thread(postgres_sql, f"SELECT {date}")
        number = await opened.journal.erasures.begin("awb", "", now=NOW)
        assert await opened.journal.erasures.erase(number, [one.update_id], now=NOW) == 1
        count = _VERSIONS.format(table=table)
        assert int(await asyncio.to_thread(postgres_sql, count)) > 0, "nothing to see"
        await opened.journal.erasures.end(number, now=NOW)
        assert int(await asyncio.to_thread(postgres_sql, count)) == 0
