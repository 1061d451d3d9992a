"""Every adapter stores when each account's aggregator last sent an update, and while no server could receive one."""

import time

import msgspec
import pytest

from journal.stores import NOW, Store, update
from trackpush_api.routing import Tenant
from trackpush_server.journal.last_updates import (
    LONGEST_PAUSE,
    STORE_EVERY,
    AccountTimes,
    LastUpdates,
    Listening,
    arrivals,
    is_due,
    listened,
)
from trackpush_server.journal.model import RetentionCutoffs

ACME, ZEN = "acme/clickpost", "zen/shipway"
MINUTE = 60_000


async def read(store: Store, now: int = NOW) -> LastUpdates:
    async with store.open() as opened:
        return await opened.journal.last_updates.listen(now=now)


async def test_the_last_update_of_an_account_survives_a_restart(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update(received_at=NOW), update(received_at=NOW + 5, account=ZEN))
        await opened.put(update(received_at=NOW + 2 * STORE_EVERY))
    found = await read(store)
    assert found.accounts == {
        ACME: AccountTimes(last_update=NOW + 2 * STORE_EVERY),
        ZEN: AccountTimes(last_update=NOW + 5),
    }


async def test_a_duplicate_shows_that_the_aggregator_is_alive(store: Store) -> None:
    first = update(received_at=NOW)
    async with store.open() as opened:
        assert await opened.put(first) == 1
        again = msgspec.structs.replace(first, received_at=NOW + 5 * MINUTE)
        assert await opened.put(again) == 0
        assert opened.arrived == [{ACME: NOW}, {ACME: NOW + 5 * MINUTE}]
    assert (await read(store)).accounts[ACME].last_update == NOW + 5 * MINUTE


async def test_a_stored_time_lags_by_a_minute_at_most_so_that_commits_rarely_write_one(store: Store) -> None:
    async with store.open() as opened:
        for offset in (0, STORE_EVERY - 1, STORE_EVERY, STORE_EVERY + 1):
            await opened.put(update(received_at=NOW + offset))
        assert opened.arrived[-1] == {ACME: NOW + STORE_EVERY + 1}
    assert (await read(store)).accounts[ACME].last_update == NOW + STORE_EVERY


async def test_a_body_that_is_parsed_again_later_counts_as_arrived_when_it_came(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update(received_at=NOW + 3 * MINUTE))
        await opened.put(update(received_at=NOW + 9 * MINUTE, arrived_at=NOW))
        await opened.put(update(account=ZEN, received_at=NOW + 9 * MINUTE, arrived_at=NOW + MINUTE))
        assert opened.arrived[1:] == [{ACME: NOW}, {ZEN: NOW + MINUTE}]
    accounts = (await read(store)).accounts
    assert accounts[ACME].last_update == NOW + 3 * MINUTE
    assert accounts[ZEN].last_update == NOW + MINUTE


async def test_retention_keeps_the_time_of_an_account_whose_updates_it_deleted(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update(received_at=NOW, to=()))
        keep = RetentionCutoffs(delivered_since=NOW + MINUTE, dead_since=NOW + MINUTE)
        trimmed = await opened.journal.retention.trim(keep, after=0, limit=100)
        assert trimmed.updates == 1 or trimmed.next_after is None
    assert (await read(store)).accounts[ACME].last_update == NOW


async def test_an_account_is_served_since_the_first_time_unless_it_was_created_again(store: Store) -> None:
    async with store.open() as opened:
        times = opened.journal.last_updates
        await opened.put(update(received_at=NOW))
        await times.serve([ACME, ZEN], now=NOW + 1, again=False)
        await times.serve([ACME, ZEN], now=NOW + 2, again=False)
        await times.serve([ZEN], now=NOW + 3, again=True)
    assert (await read(store)).accounts == {
        ACME: AccountTimes(last_update=NOW, served_since=NOW),
        ZEN: AccountTimes(served_since=NOW + 3),
    }


async def test_an_account_of_a_new_namespace_of_the_same_name_begins_without_times(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.tenants.bind({"acme": (Tenant(uid="u-1"),)})
        await opened.put(update(received_at=NOW))
        await opened.journal.tenants.bind({"acme": (Tenant(uid="u-2"),)})
        await opened.journal.last_updates.serve([ACME], now=NOW + 1, again=False)
        await opened.put(update(received_at=NOW + 2))
    accounts = (await read(store)).accounts
    assert accounts[ACME] == AccountTimes(last_update=NOW + 2, served_since=NOW + 1)
    assert accounts["acme@u-1/clickpost"] == AccountTimes(last_update=NOW)


async def test_a_long_pause_between_two_reports_is_remembered_and_a_short_one_is_not(store: Store) -> None:
    short, long = NOW + LONGEST_PAUSE, NOW + 3 * LONGEST_PAUSE
    assert (await read(store, NOW)).listening == Listening(until=NOW)
    assert (await read(store, short)).listening == Listening(until=short)
    after = Listening(until=long, pause_from=short, pause_to=long)
    assert (await read(store, long)).listening == after
    assert (await read(store, long + 1)).listening == msgspec.structs.replace(after, until=long + 1)


async def test_times_of_a_clock_that_was_ahead_are_corrected(store: Store) -> None:
    """Otherwise an account would not become silent until the wrong time is reached."""
    year = 365 * 86_400_000
    async with store.open() as opened:
        times = opened.journal.last_updates
        await times.listen(now=NOW + year)
        await opened.put(update(received_at=NOW + year))
        await times.serve([ACME, ZEN], now=NOW + year, again=False)
        found = await times.listen(now=NOW)
    assert found.accounts == {
        ACME: AccountTimes(last_update=NOW, served_since=NOW),
        ZEN: AccountTimes(served_since=NOW),
    }
    assert found.listening == Listening(until=NOW)


async def test_an_update_replaces_a_time_in_the_future(store: Store) -> None:
    now = int(time.time() * 1000)
    async with store.open() as opened:
        await opened.put(update(received_at=now + 3_600_000))
        await opened.put(update(received_at=now - 1))
    async with store.open() as opened:
        found = await opened.journal.last_updates.listen(now=now)
    assert found.accounts[ACME].last_update == now - 1


def test_a_time_is_stored_if_the_stored_one_is_old_or_in_the_future() -> None:
    assert is_due(None, NOW, NOW)
    assert not is_due(NOW, NOW + STORE_EVERY - 1, NOW + STORE_EVERY)
    assert is_due(NOW, NOW + STORE_EVERY, NOW + STORE_EVERY)
    assert is_due(NOW + 1, NOW - MINUTE, NOW)


def test_the_latest_arrival_of_each_account_counts() -> None:
    given = [update(received_at=NOW + 2), update(received_at=NOW + 1), update(received_at=NOW, account=ZEN)]
    assert arrivals(given) == {ACME: NOW + 2, ZEN: NOW}


@pytest.mark.parametrize("back", [1, 3_600_000])
def test_a_clock_that_is_set_back_leaves_no_pause_in_the_future(back: int) -> None:
    before = Listening(until=NOW, pause_from=NOW - 7_200_000, pause_to=NOW - 1_800_000)
    now = NOW - back
    after = listened(before, now)
    assert after.until == now
    assert after.pause_to == min(before.pause_to, now)
    assert after.pause_from <= after.pause_to
