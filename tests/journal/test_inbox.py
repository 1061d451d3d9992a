"""Every adapter keeps unrecognised bodies: once per body, within bounds, sealed, for as long as they are kept."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from journal.stores import NOW, Opened, Store, postgres_store, sealing, sqlite_store
from support.deadline import until
from trackpush_server.journal.inbox import InboxBounds, InboxQuery, NewUnrecognised, unrecognised_key
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite.connection import open_reader

OLD, NEW = b"o" * 32, b"n" * 32


def unrecognised(
    body: bytes = b'{"data":{}}', account: str = "acme/clickpost", at: int = NOW, generation: str = ""
) -> NewUnrecognised:
    return NewUnrecognised(
        account=account,
        aggregator="clickpost",
        received_at=at,
        content_type="application/json",
        body=body,
        generation=generation,
    )


def numbered(account: str, count: int, size: int = 10) -> list[NewUnrecognised]:
    return [unrecognised(f"{number:0{size}}".encode(), account) for number in range(count)]


async def kept_bodies(opened: Opened, account: str | None = None) -> list[bytes]:
    """Newest first."""
    page = await opened.journal.search.list_unrecognised(InboxQuery(account=account, limit=1000))
    found = [await opened.journal.search.show_unrecognised(row.key) for row in page.rows]
    return [entry.body for entry in found if entry is not None]


async def test_a_body_that_was_kept_is_there_after_a_restart_with_all_that_is_known_of_it(store: Store) -> None:
    one = unrecognised(b'{"data":{"waybill":"7020"}}')
    async with store.open() as opened:
        assert await opened.journal.updates.keep([one]) == 1
    async with store.open() as opened:
        entry = await opened.journal.search.show_unrecognised(unrecognised_key(one))
    assert entry is not None
    row = entry.row
    assert (entry.body, entry.unreadable) == (one.body, None)
    assert (row.account, row.aggregator, row.content_type) == ("acme/clickpost", "clickpost", "application/json")
    assert (row.received_at, row.last_at, row.times, row.size) == (NOW, NOW, 1, len(one.body))


async def test_the_same_body_of_an_account_is_kept_once_and_counted(store: Store) -> None:
    async with store.open() as opened:
        first = await opened.journal.updates.keep([unrecognised(at=NOW + 5), unrecognised(b"other")])
        again = await opened.journal.updates.keep([unrecognised(at=NOW + 9), unrecognised(account="globex/clickpost")])
        page = await opened.journal.search.list_unrecognised(InboxQuery(account="acme/clickpost"))
    assert (first, again) == (2, 1)
    assert [(row.times, row.received_at, row.last_at) for row in page.rows] == [
        (1, NOW, NOW),
        (2, NOW + 5, NOW + 9),
    ]


async def test_an_account_beyond_its_number_of_bodies_drops_its_own_oldest(store: Store) -> None:
    dropped: list[tuple[str, int]] = []
    async with store.open() as opened:
        opened.journal.inbox.bounds = InboxBounds(of_account=3)
        opened.journal.subscribe(JournalListener(on_dropped=lambda account, count: dropped.append((account, count))))
        await opened.journal.updates.keep(numbered("globex/clickpost", 2))
        await opened.journal.updates.keep(numbered("acme/clickpost", 5))
        assert await kept_bodies(opened, "acme/clickpost") == [b"0000000004", b"0000000003", b"0000000002"]
        assert len(await kept_bodies(opened, "globex/clickpost")) == 2
    assert dropped == [("acme/clickpost", 2)]


async def test_an_account_beyond_its_bytes_drops_its_oldest_but_never_the_newest(store: Store) -> None:
    async with store.open() as opened:
        opened.journal.inbox.bounds = InboxBounds(bytes_of_account=250)
        await opened.journal.updates.keep(numbered("acme/clickpost", 5, size=100))
        assert len(await kept_bodies(opened)) == 2
        await opened.journal.updates.keep([unrecognised(b"x" * 400)])
        assert await kept_bodies(opened) == [b"x" * 400]


@pytest.mark.parametrize("bounds", [InboxBounds(in_all=10), InboxBounds(bytes_in_all=100)])
async def test_when_too_much_is_kept_in_all_the_account_with_the_most_gives_its_oldest(
    store: Store, bounds: InboxBounds
) -> None:
    async with store.open() as opened:
        opened.journal.inbox.bounds = bounds
        await opened.journal.updates.keep(numbered("quiet/clickpost", 2))
        for account in ("flood/one", "flood/two"):
            for body in numbered(account, 12):
                await opened.journal.updates.keep([body])
        counts = {count.account: count.entries for count in await opened.journal.search.count_unrecognised()}
    assert counts == {"quiet/clickpost": 2, "flood/one": 4, "flood/two": 4}


async def test_requests_that_come_together_are_each_answered_for_their_own_bodies(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.updates.keep([unrecognised(b"known")])
        each = [[unrecognised(b"known"), unrecognised(f"{number}".encode())] for number in range(40)]
        assert await asyncio.gather(*(opened.journal.updates.keep(bodies) for bodies in each)) == [1] * 40
        assert len(await kept_bodies(opened)) == 41


async def test_nothing_is_kept_by_a_journal_that_can_not_store(store: Store) -> None:
    async with store.open() as opened:
        journal = opened.journal
    with pytest.raises(JournalUnavailableError):
        await journal.updates.keep([unrecognised()])


async def test_a_database_that_was_moved_away_keeps_nothing_also_while_it_is_being_marked(
    journal_dsn: str, journal_sql: Callable[[str], str]
) -> None:
    copying = await asyncpg.connect(journal_dsn)
    try:
        async with postgres_store(journal_dsn).open() as opened:
            await opened.journal.updates.keep([unrecognised()])
            async with copying.transaction():
                await copying.execute(
                    "LOCK TABLE trackpush.unrecognised, trackpush.unrecognised_accounts IN EXCLUSIVE MODE"
                )
                late = asyncio.ensure_future(opened.journal.updates.keep([unrecognised(b"late")]))
                waits = (
                    "SELECT count(*) FROM pg_locks WHERE relation = 'trackpush.unrecognised'::regclass AND NOT granted"
                )
                await until(lambda: journal_sql(waits) == "1", seconds=30, what="the body to wait for the copy")
                await copying.execute("INSERT INTO trackpush.schema_changes VALUES (2000000000, 'moved', 2000000000)")
            with pytest.raises(JournalUnavailableError):
                await late
            with pytest.raises(JournalUnavailableError):
                await opened.journal.inbox.forget([unrecognised_key(unrecognised())])
    finally:
        await copying.execute("DELETE FROM trackpush.schema_changes WHERE number = 2000000000")
        await copying.close()
    assert journal_sql("SELECT count(*) FROM trackpush.unrecognised") == "1"


async def test_a_list_continues_page_by_page_and_by_client(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.updates.keep(numbered("acme/clickpost", 3))
        await opened.journal.updates.keep(numbered("acme-2/clickpost", 1))
        first = await opened.journal.search.list_unrecognised(InboxQuery(client="acme", limit=2))
        rest = await opened.journal.search.list_unrecognised(InboxQuery(client="acme", limit=2, before=first.older))
        counts = await opened.journal.search.count_unrecognised()
    assert [len(first.rows), len(rest.rows), rest.older] == [2, 1, None]
    assert [(count.account, count.entries, count.bytes, count.oldest_received_at) for count in counts] == [
        ("acme-2/clickpost", 1, 10, NOW),
        ("acme/clickpost", 3, 30, NOW),
    ]


async def test_bodies_are_forgotten_by_key_and_counted_no_longer(store: Store) -> None:
    async with store.open() as opened:
        bodies = numbered("acme/clickpost", 3)
        await opened.journal.updates.keep(bodies)
        keys = [unrecognised_key(body) for body in bodies]
        assert await opened.journal.inbox.forget([keys[0], b"unknown key, 16 "]) == 1
        assert await opened.journal.inbox.forget(keys) == 2
        assert await opened.journal.search.count_unrecognised() == ()
        assert await opened.journal.search.show_unrecognised(keys[1]) is None


async def test_bodies_expire_by_the_time_of_their_last_receipt(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.updates.keep(
            [unrecognised(b"old"), unrecognised(b"comes again"), unrecognised(b"new", at=NOW + 9)]
        )
        await opened.journal.updates.keep([unrecognised(b"comes again", at=NOW + 9)])
        assert await opened.journal.retention.expire_unrecognised(received_before=NOW + 5, limit=10) == 1
        assert await kept_bodies(opened) == [b"new", b"comes again"]
        assert await opened.journal.retention.expire_unrecognised(received_before=NOW + 99, limit=1) == 1


async def test_a_reseal_seals_bodies_with_the_first_key_and_names_a_missing_one(store: Store) -> None:
    async with store.open(sealer=sealing()) as opened:
        await opened.journal.updates.keep([unrecognised(b"in clear")])
    async with store.open(sealer=sealing(OLD)) as opened:
        await opened.journal.updates.keep([unrecognised(b"under the old key")])
    async with store.open(sealer=sealing(NEW)) as opened:
        step = await opened.journal.encryption.reseal_unrecognised(after=0, limit=10)
        assert (step.looked, step.resealed, len(step.unreadable)) == (2, 1, 1)
        entry = await opened.journal.search.show_unrecognised(unrecognised_key(unrecognised(b"under the old key")))
        assert entry is not None
        assert "is not among spec.encryption.keys" in (entry.unreadable or "")
    async with store.open(sealer=sealing(NEW, OLD)) as opened:
        first = await opened.journal.encryption.reseal_unrecognised(after=0, limit=1)
        second = await opened.journal.encryption.reseal_unrecognised(after=first.next_after or 0, limit=1)
        assert (first.resealed, second.resealed) == (0, 1)
        assert await kept_bodies(opened) == [b"under the old key", b"in clear"]


async def test_a_sealed_body_is_nowhere_in_the_file_and_a_forgotten_one_is_gone_from_it(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "data", sealer=sealing(NEW))
    async with store.open() as opened:
        await opened.journal.updates.keep([unrecognised(b"a secret body")])
    assert b"a secret body" not in (tmp_path / "data" / "journal.db").read_bytes()
    store = sqlite_store(tmp_path / "clear")
    one = unrecognised(b"a body in clear")
    async with store.open() as opened:
        await opened.journal.updates.keep([one])
        await opened.journal.inbox.forget([unrecognised_key(one)])
        await opened.journal.encryption.scrub()
    assert b"a body in clear" not in (tmp_path / "clear" / "journal.db").read_bytes()


def test_the_bounds_and_the_age_are_looked_up_by_index(tmp_path: Path) -> None:
    async def make() -> None:
        async with sqlite_store(tmp_path).open() as opened:
            await opened.journal.updates.keep([unrecognised()])

    asyncio.run(make())
    connection = open_reader(tmp_path / "journal.db")
    plans = [
        " ".join(str(row) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
        for statement in (
            "SELECT id, size FROM unrecognised WHERE account = 'a' ORDER BY id DESC",
            "SELECT id FROM unrecognised WHERE last_at < 1 ORDER BY last_at LIMIT 1",
        )
    ]
    connection.close()
    assert "USING COVERING INDEX unrecognised_by_account" in plans[0]
    assert "USING COVERING INDEX unrecognised_by_time" in plans[1]
