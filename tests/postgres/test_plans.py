"""Hot statements use their indexes, and look into the partitions of their days only."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from journal.stores import NOW, OMS, outcome, postgres_store, update
from postgres.test_retention import CLOCK, LONG_AGO, on_day
from support.deadline import until
from support.postgres import Server
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.session import EACH_SESSION

_STATS = """
SELECT relname, coalesce(seq_scan, 0), coalesce(idx_scan, 0) FROM pg_stat_user_tables
WHERE schemaname = 'trackpush' AND relname ~ '^(keys|shipments|(updates|pushes|undelivered|attempts)_)' ORDER BY 1
"""
_LOOKED_UP = "SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = 'trackpush' AND indexrelname = 'keys_pkey'"
_RESET = "SELECT pg_stat_reset()"
_SNAPSHOTS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
"""
"""Sessions for which VACUUM keeps deleted rows, such as an automatic ANALYZE."""


@pytest.mark.parametrize("late", [False, True])
async def test_storing_looks_into_no_other_day_and_reads_no_table_from_end_to_end(
    postgres_dsn: str,
    postgres_sql: Callable[[str], str],
    late: bool,  # noqa: FBT001
) -> None:
    async with on_day(postgres_dsn, postgres_sql, LONG_AGO) as opened:
        await opened.put(*(update(shipment=f"S{number % 7}") for number in range(50)))
    day = await asyncio.to_thread(postgres_sql, "SELECT trackpush.day_v1()")
    await asyncio.to_thread(postgres_sql, CLOCK.format(day=day))  # it may be midnight
    await asyncio.to_thread(postgres_sql, _RESET)
    async with postgres_store(postgres_dsn).open() as opened:
        for number in range(150):
            occurred_at = NOW - 1 - number if late else NOW + number
            await opened.put(update(shipment=f"S{number % 7}", occurred_at=occurred_at))
            await opened.record(outcome(opened.committed[-1].update_id))
    today = await asyncio.to_thread(postgres_sql, f"SELECT to_char(date '2020-01-01' + {day}, 'YYYYMMDD')")
    rows = [row.split("|") for row in (await asyncio.to_thread(postgres_sql, _STATS)).splitlines()]
    scans = {name: (int(whole), int(by_index)) for name, whole, by_index in rows}
    assert scans[f"pushes_{today}"][1] > 0, "the counters were not read"
    assert {name: found for name, found in scans.items() if found[0]} == {}, "read from end to end"
    days = {name: (name.rpartition("_")[2], found) for name, found in scans.items() if "_2" in name}
    assert {date for date, _ in days.values()} > {today}, "there are no other days"
    looked = {name for name, (date, found) in days.items() if date != today and found != (0, 0)}
    assert {name for name in looked if days[name][0] > today} == set(), "looked into a day to come"
    assert bool(looked) is late, f"only what is late asks whether earlier days know its shipment: {looked}"


async def test_a_table_that_had_one_row_when_it_was_analysed_is_still_searched_by_key(
    postgres_dsn: str, postgres_sql: Callable[[str], str]
) -> None:
    async with postgres_store(postgres_dsn).open() as opened:
        await opened.put(update())
    await asyncio.to_thread(postgres_sql, "ANALYZE")
    await asyncio.to_thread(postgres_sql, _RESET)
    async with postgres_store(postgres_dsn).open() as opened:
        for _ in range(4):
            await opened.put(*(update() for _ in range(500)))
    looked_up = await asyncio.to_thread(postgres_sql, _LOOKED_UP)
    assert int(looked_up) >= 4 * 500, "keys were compared row by row with a copy of the table"


@pytest.mark.parametrize(
    ("file", "name", "values", "index"),
    [
        ("reading", "pending", f"ARRAY['{OMS}', 'a/b'], ARRAY[5, 7], ARRAY[10, 10], ARRAY['u', NULL]", "undelivered_"),
        ("reading", "pending_configs", "", "undelivered_"),
        ("replay", "by_state", f"'{OMS}', 2::smallint, 5, 9, 0, 9, 10", "undelivered_"),
        ("replay", "delivered", f"'{OMS}', 1::smallint, 5, 9, 0, 9, 10", "config_id_update_id_idx"),
        ("replay", "by_awb", f"'{OMS}', 'A', 5, 9, 0, 9", "hashtextextended"),
        ("search", "awb", "5, 0, 9, 0, 0, 9, 10, ARRAY['A', 'B']", "hashtextextended"),
        ("unpushed", "next", f"'{OMS}', ARRAY['a/b'], 0, 9, 5, 9, 10", "_id_idx"),
        ("unpushed", "by_awb", f"'{OMS}', ARRAY['a/b'], 0, 9, 5, 'A'", "hashtextextended"),
        ("erasure", "of_awb", "'A', 5, null::text", "hashtextextended"),
    ],
)
async def test_a_statement_is_served_by_its_index(
    journal_sql: Callable[[str], str], file: str, name: str, values: str, index: str
) -> None:
    text = load("trackpush_server.journal.postgres.sql", file)[name].replace("{columns}", "*").replace("{way}", "DESC")
    plan = await asyncio.to_thread(
        journal_sql,
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan;"
        f" PREPARE one AS {text}; EXPLAIN (COSTS OFF) EXECUTE one{f' ({values})' if values else ''}",
    )
    assert index in plan, plan
    whole = [line for line in plan.splitlines() if "Seq Scan" in line and any(table in line for table in _LARGE)]
    assert whole == [], plan


_LARGE = ("updates", "pushes", "undelivered", "attempts", "keys")


async def test_who_has_anything_pending_costs_by_the_number_of_push_configs_not_of_pushes(
    postgres_server: Server, journal_database: str, journal_sql: Callable[[str], str]
) -> None:
    async with postgres_store(postgres_server.dsn(journal_database)).open() as opened:
        await opened.put(*(update(to=[f"acme/p-{number % 5}"]) for number in range(2000)))
    statement = load("trackpush_server.journal.postgres.sql", "reading")["pending_configs"]
    plan = await asyncio.to_thread(
        journal_sql,
        "ANALYZE trackpush.undelivered; SET plan_cache_mode = force_generic_plan;"
        f" EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, FORMAT JSON) {statement}",
    )
    ((whole,),) = [json.loads(plan)]
    pages = whole["Plan"]["Shared Hit Blocks"] + whole["Plan"]["Shared Read Blocks"]
    read = [node for node in _nodes(whole["Plan"]) if node.get("Relation Name", "").startswith("undelivered_")]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) <= 2 * 6, plan
    assert pages < 4 * 6 * len(read), plan


async def test_a_page_of_a_push_config_with_little_costs_little_behind_the_backlog_of_another(
    postgres_server: Server, journal_database: str, journal_sql: Callable[[str], str]
) -> None:
    """Once the database knows of the backlog, it would merge whole tables for the page."""
    async with postgres_store(postgres_server.dsn(journal_database)).open() as opened:
        for to in ("acme/much", "acme/little"):
            for _ in range(20 if to == "acme/much" else 1):
                await opened.put(*(update(to=[to]) for _ in range(250 if to == "acme/much" else 5)))
    statement = load("trackpush_server.journal.postgres.sql", "reading")["pending"]
    plan = await asyncio.to_thread(
        journal_sql,
        f"{EACH_SESSION}; ANALYZE; SET plan_cache_mode = force_generic_plan; PREPARE one AS {statement};"
        " EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, FORMAT JSON)"
        " EXECUTE one (ARRAY['acme/little'], ARRAY[0], ARRAY[100], ARRAY['u'])",
    )
    ((whole,),) = [json.loads(plan)]
    read = [node for node in _nodes(whole["Plan"]) if node.get("Relation Name", "").startswith(_LARGE)]
    assert {node["Relation Name"].rpartition("_")[0] for node in read} == {"updates", "pushes", "undelivered"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) == 3 * 5, plan
    assert whole["Plan"]["Shared Hit Blocks"] + whole["Plan"]["Shared Read Blocks"] < 200, plan


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("known", [False, True], ids=["unknown", "analysed"])
async def test_no_read_costs_by_the_backlog_of_another_push_config(
    postgres_server: Server,
    journal_database: str,
    journal_sql: Callable[[str], str],
    known: bool,  # noqa: FBT001
    mode: str,
) -> None:
    """Whether the database knows of the backlog or not: right after a burst it doesn't."""
    async with postgres_store(postgres_server.dsn(journal_database)).open() as opened:
        await opened.put(*(update(to=["acme/much"]) for _ in range(5)), *(update(to=["acme/little"]) for _ in range(5)))
    await asyncio.to_thread(journal_sql, _PILE)
    await asyncio.to_thread(journal_sql, "INSERT INTO trackpush.push_configs (name, slot) VALUES ('acme/none', 1)")
    await until(lambda: journal_sql(_SNAPSHOTS) == "0", seconds=60, what="VACUUM keeps rows for another's snapshot")
    for table in ("updates", "pushes", "undelivered"):  # of what tests before have left
        await asyncio.to_thread(journal_sql, f"VACUUM trackpush.{table}")
    little = await asyncio.to_thread(journal_sql, "SELECT id FROM trackpush.push_configs WHERE name = 'acme/little'")
    prepare = f"{EACH_SESSION};{' ANALYZE;' if known else ''} SET plan_cache_mode = {mode};"
    dear = {}
    for (file, name), values in _READS.items():
        statement = load("trackpush_server.journal.postgres.sql", file)[name].format(columns="p.update_id", way="")
        plan = await asyncio.to_thread(
            journal_sql,
            f"{prepare} PREPARE one AS {statement}; EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE one"
            + values.replace("LITTLE", little),
        )
        ((whole,),) = [json.loads(plan)]
        pages = whole["Plan"]["Shared Hit Blocks"] + whole["Plan"]["Shared Read Blocks"]
        if pages > _FEW_PAGES:
            dear[name] = pages, plan
    assert dear == {}


_FEW_PAGES = 200
"""Any index with the pile in it has more."""
_PILE = """
DO $$
DECLARE
    day    text := to_char(date '2020-01-01' + trackpush.day_v1(), 'YYYYMMDD');
    v_last bigint := (SELECT last_id FROM trackpush.counter);
    v_much integer := (SELECT id FROM trackpush.push_configs WHERE name = 'acme/much');
BEGIN
    EXECUTE format($q$
        INSERT INTO trackpush.updates_%s
            (id, key, account_id, received_at, shipment, awb, status, notification, body)
        SELECT $1 + g, decode(md5(g::text), 'hex'), 1, g, 'P' || g, 'P' || g, 'INFO', '', ''
        FROM generate_series(1, 80000) AS g
    $q$, day) USING v_last;
    EXECUTE format($q$
        INSERT INTO trackpush.pushes_%s (update_id, config_id, origin)
        SELECT $1 + g, $2, 1 FROM generate_series(1, 80000) AS g
    $q$, day) USING v_last, v_much;
    EXECUTE format($q$
        INSERT INTO trackpush.undelivered_%s (state, config_id, update_id)
        SELECT 0, $2, $1 + g FROM generate_series(1, 80000) AS g
    $q$, day) USING v_last, v_much;
    UPDATE trackpush.counter SET last_id = last_id + 80000;
END $$
"""
_READS = {
    (
        "reading",
        "pending",
    ): "(ARRAY['acme/much', 'acme/little', 'acme/none'], ARRAY[0, 0, 0], ARRAY[5, 100, 100], ARRAY['u', NULL, 'u'])",
    ("reading", "pending_configs"): "",
    ("reading", "push_configs"): "",
    ("search", "counts"): "(100)",
    ("search", "delivered"): f"(1::smallint, LITTLE, 0, {1 << 62}, 0, {1 << 62}, 10)",
    ("search", "undelivered"): f"(0::smallint, LITTLE, 0, {1 << 62}, 0, {1 << 62}, 10)",
    ("replay", "delivered"): "('acme/little', 1::smallint, 0, 9, 0, 9, 10)",
    ("replay", "by_state"): "('acme/little', 2::smallint, 0, 9, 0, 9, 10)",
    ("replay", "expire"): "('acme/little', 0, 100)",
    ("replay", "drop"): "('acme/little', 'why', 0, 100)",
    ("unpushed", "next"): f"('acme/little', ARRAY['acme/clickpost'], 0, {1 << 62}, 0, {1 << 62}, 10)",
}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


async def test_what_is_asked_by_id_looks_into_its_day_only(journal_sql: Callable[[str], str]) -> None:
    fetch = load("trackpush_server.journal.postgres.sql", "reading")["fetch"]
    await asyncio.to_thread(journal_sql, "SELECT trackpush.make_partitions_v1(3)")
    plan = await asyncio.to_thread(
        journal_sql,
        f"{EACH_SESSION}; PREPARE one AS {fetch}; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)"
        f" EXECUTE one ('{OMS}', ARRAY[(trackpush.day_v1()::bigint << 36) + 1], 'u')",
    )
    scans = [line for line in plan.splitlines() if " on pushes_" in line]
    assert len(scans) > 1
    assert len([line for line in scans if "never executed" not in line]) <= 1, plan
