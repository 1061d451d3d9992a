"""Conformance, property: pages and commits together show every push exactly once.

The rule of the port: what a page read, a page brought; of commits, those up to the last page's snapshot are ignored.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal.stores import OMS, Opened, Store, page_of, postgres_store, sqlite_store, update
from support.examples import examples
from support.postgres_fixtures import EMPTY


def _settings(number: int) -> settings:
    unchecked = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=number, deadline=None, suppress_health_check=unchecked)


_STEPS = given(
    before=st.integers(0, 30),
    bursts=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), max_size=40),
    limit=st.integers(1, 20),
)


@_STEPS
@_settings(examples(25))
def test_pages_and_commits_never_miss_or_repeat_a_push(before: int, bursts: list[tuple[int, int]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_drain(sqlite_store(Path(folder)), before, bursts, limit))


@_STEPS
@_settings(examples(4))
def test_nor_do_they_in_postgresql(
    journal_dsn: str, journal_sql: Callable[[str], str], before: int, bursts: list[tuple[int, int]], limit: int
) -> None:
    journal_sql(EMPTY)
    asyncio.run(_drain(postgres_store(journal_dsn), before, bursts, limit))


async def _drain(store: Store, before: int, bursts: list[tuple[int, int]], limit: int) -> None:
    async with store.open() as opened:
        if before:
            await opened.put(*(update() for _ in range(before)))
        reading = asyncio.create_task(_read_until_short(opened, limit))
        appends = []
        for size, pauses in bursts:
            appends.append(opened.journal.updates.append([update() for _ in range(size)]))
            for _ in range(pauses):
                await asyncio.sleep(0)
        await asyncio.gather(*appends)
        pages, snapshot = await reading
        from_memory = [commit.update_id for commit in opened.committed if commit.update_id > snapshot]
        assert pages + from_memory == [commit.update_id for commit in opened.committed]


async def _read_until_short(opened: Opened, limit: int) -> tuple[list[int], int]:
    seen: list[int] = []
    while True:
        page = await page_of(opened.journal, OMS, after=seen[-1] if seen else 0, limit=limit)
        seen += [push.update_id for push in page.pushes]
        if len(page.pushes) < limit:
            return seen, page.snapshot
