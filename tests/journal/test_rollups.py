"""Every adapter adds up counts by the hour, merges old ones, and keeps them through a restart."""

import asyncio

from journal.stores import NOW, OMS, Opened, Store, update
from trackpush_api.routing import Tenant
from trackpush_server.journal.rollups import DAY, HOUR, WEEK, WIDE, NewTally, RollupSubject, Tallied, TallyRow

ACME = "acme/clickpost"
HOURS = NOW // HOUR * HOUR


def received(number: int, name: str = ACME, subject: RollupSubject = RollupSubject.ACCOUNT) -> NewTally:
    return NewTally(subject=subject, name=name, tallied=Tallied(received=number))


async def read(opened: Opened, now: int = NOW) -> list[TallyRow]:
    return list(await opened.journal.search.rollups(now=now))


async def counts(opened: Opened, now: int = NOW) -> list[tuple[str, int, int]]:
    """Name, and received of the last day and week."""
    return [(row.name, row.day.received, row.week.received) for row in await read(opened, now)]


async def test_numbers_of_each_subject_add_up_and_survive_a_restart(store: Store) -> None:
    pushed = NewTally(subject=RollupSubject.PUSH_CONFIG, name=OMS, tallied=Tallied(delivered=2, failed=3, dead=1))
    async with store.open() as opened:
        await opened.put(update())
        for _ in range(2):
            await opened.journal.rollups.add(
                [received(5), pushed, received(5, "Clickpost/DELIVERED", RollupSubject.STATUS)], at=HOURS
            )
    async with store.open() as opened:
        found = await read(opened)

    twice = Tallied(delivered=4, failed=6, dead=2)
    assert found == [
        TallyRow(subject=RollupSubject.ACCOUNT, name=ACME, day=Tallied(received=10), week=Tallied(received=10)),
        TallyRow(subject=RollupSubject.PUSH_CONFIG, name=OMS, day=twice, week=twice),
        TallyRow(
            subject=RollupSubject.STATUS,
            name="Clickpost/DELIVERED",
            day=Tallied(received=10),
            week=Tallied(received=10),
        ),
    ]


async def test_a_day_has_24_to_25_hours_and_a_week_at_most_6_hours_more(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update())
        for number, at in enumerate((HOURS, HOURS - DAY, HOURS - DAY - HOUR, HOURS - WEEK, HOURS - WEEK - WIDE)):
            await opened.journal.rollups.add([received(10**number)], at=at)
        assert await counts(opened) == [(ACME, 11, 1111)]


async def test_merging_changes_no_sum(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update())
        for hour in range(10 * 24):
            now = HOURS + hour * HOUR
            await opened.journal.rollups.add([received(1)], at=now)
            if hour % 5 == 0:
                before = await counts(opened, now)
                await opened.journal.rollups.merge(now=now)
                assert await counts(opened, now) == before
        now = HOURS + 10 * 24 * HOUR
        await opened.journal.rollups.merge(now=now)
        ((_, day, week),) = await counts(opened, now)
        assert day == 24
        assert 7 * 24 <= week <= 7 * 24 + 6


async def test_numbers_of_a_clock_that_was_ahead_are_not_counted_before_their_time(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update())
        await opened.journal.rollups.add([received(1)], at=HOURS)
        await opened.journal.rollups.add([received(10)], at=HOURS + DAY)
        assert await counts(opened) == [(ACME, 1, 1)]
        assert await counts(opened, NOW + DAY) == [(ACME, 11, 11)]


async def test_additions_of_several_replicas_at_once_all_count(store: Store) -> None:
    names = [f"acme/{number}" for number in range(20)]
    async with store.open() as opened:
        await opened.put(*(update(account=name) for name in names))
        await asyncio.gather(
            *(
                opened.journal.rollups.add([received(1, name) for name in order], at=HOURS)
                for order in (names, names[::-1]) * 10
            )
        )
        assert await counts(opened) == [(name, 20, 20) for name in sorted(names)]


async def test_a_namespace_of_the_same_name_does_not_get_the_numbers_of_the_former_one(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.tenants.bind({"acme": [Tenant(uid="u-1")]})
        await opened.put(update())
        await opened.journal.rollups.add([received(3)], at=HOURS)
        await opened.journal.tenants.bind({"acme": [Tenant(uid="u-2")]})
        assert await counts(opened) == [("acme@u-1/clickpost", 3, 3)]


async def test_names_that_the_journal_does_not_know_are_left_out(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.rollups.add([received(1, "nobody/clickpost")], at=HOURS)
        assert await counts(opened) == []
