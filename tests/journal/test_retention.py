"""Conformance: what is kept no longer goes, what is pending or younger stays, and a repeat is known for as long."""

import asyncio

import msgspec

from journal.stores import NOW, OMS, Opened, Store, outcome, page_of, update
from trackpush_server.journal.model import NewPush, PushState, RetentionCutoffs, Trimmed

CRM = "acme/crm"


async def trim(opened: Opened, *, delivered: int = NOW, dead: int = NOW, limit: int = 3) -> Trimmed:
    """Trim in steps until nothing is left to trim; returns the totals."""
    keep = RetentionCutoffs(delivered_since=delivered, dead_since=dead)
    updates = pushes = 0
    after: int | None = 0
    while after is not None:
        step = await opened.journal.retention.trim(keep, after=after, limit=limit)
        updates, pushes, after = updates + step.updates, pushes + step.pushes, step.next_after
    return Trimmed(updates=updates, pushes=pushes)


async def put(opened: Opened, state: PushState, *, received_at: int, **fields: object) -> int:
    """An update whose push to OMS came to this, just now."""
    one = await opened.put_one(received_at=received_at, **fields)
    if state is not PushState.PENDING:
        await opened.record(outcome(one.update_id, state))
    return one.update_id


FUTURE = 1 << 60
"""Nothing ends later: the journal's own clock stamps the end of a push."""


async def test_delivered_ones_go_with_their_updates_and_pending_ones_stay(store: Store) -> None:
    async with store.open() as opened:
        for _ in range(10):
            await put(opened, PushState.DELIVERED, received_at=NOW - 10)
        pending = await put(opened, PushState.PENDING, received_at=NOW - 10)
        assert await trim(opened, delivered=FUTURE, dead=FUTURE) == Trimmed(updates=10, pushes=10)
        assert await opened.pending_ids() == [pending]
        assert await trim(opened, delivered=FUTURE, dead=FUTURE) == Trimmed()


async def test_dead_and_delivered_ones_are_kept_for_times_of_their_own(store: Store) -> None:
    async with store.open() as opened:
        for state in (PushState.DELIVERED, PushState.DEAD, PushState.DROPPED):
            await put(opened, state, received_at=NOW - 10)
        assert await trim(opened, delivered=FUTURE, dead=0) == Trimmed(updates=2, pushes=2)
        assert await trim(opened, delivered=FUTURE, dead=FUTURE) == Trimmed(updates=1, pushes=1)


async def test_time_counts_from_the_end_of_a_push_not_from_the_receipt(store: Store) -> None:
    async with store.open() as opened:
        await put(opened, PushState.DELIVERED, received_at=NOW - 10)  # ends now, which is long after NOW
        assert await trim(opened) == Trimmed()


async def test_who_meets_what_is_too_young_looks_at_what_came_just_before_again(store: Store) -> None:
    """At a steady load there are always as many as a step looks at, and the last old ones ended a moment too late."""
    async with store.open() as opened:
        await put(opened, PushState.DELIVERED, received_at=NOW - 10)  # ends now, which is long after NOW
        await put(opened, PushState.DELIVERED, received_at=NOW + 10)
        step = await opened.journal.retention.trim(
            RetentionCutoffs(delivered_since=NOW, dead_since=NOW), after=0, limit=2
        )
        assert step == Trimmed()


async def test_an_update_stays_with_the_last_of_its_pushes(store: Store) -> None:
    async with store.open() as opened:
        both = await put(opened, PushState.DELIVERED, received_at=NOW - 10, to=[OMS, CRM])
        assert await trim(opened, delivered=FUTURE, dead=FUTURE) == Trimmed(pushes=1)
        assert await opened.pending_ids(CRM) == [both]
        await opened.record(outcome(both, push_config=CRM))
        assert await trim(opened, delivered=FUTURE, dead=FUTURE) == Trimmed(updates=1, pushes=1)


async def test_updates_that_nobody_wanted_go_by_their_receipt(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update(to=[], received_at=NOW - 10), update(to=[], received_at=NOW + 10))
        assert await trim(opened) == Trimmed(updates=1)
        assert await trim(opened) == Trimmed()


async def test_a_repeat_is_known_while_duplicates_are_remembered_even_when_its_dead_push_is_gone(store: Store) -> None:
    async with store.open() as opened:
        one = update(received_at=NOW)
        await opened.put(one)
        await opened.record(outcome(opened.committed[-1].update_id, PushState.DEAD))
        assert await trim(opened, delivered=NOW, dead=FUTURE) == Trimmed(pushes=1)
        assert await opened.put(msgspec.structs.replace(one, received_at=NOW + 5)) == 0
        assert await trim(opened, delivered=FUTURE, dead=FUTURE) == Trimmed(updates=1)
        assert await opened.put(one) == 1


async def test_what_is_replayed_while_it_is_to_go_stays(store: Store) -> None:
    async with store.open() as opened:
        ids = [await put(opened, PushState.DEAD, received_at=NOW - 10) for _ in range(20)]
        trimming = asyncio.ensure_future(trim(opened, delivered=FUTURE, dead=FUTURE, limit=100))
        replayed = await opened.journal.replays.replay(OMS, ids, now=NOW, replayed_before=NOW)
        trimmed = await trimming
        assert trimmed.updates + replayed == 20
        assert len(await opened.pending_ids()) == replayed


async def test_new_updates_get_numbers_of_their_own_when_the_last_ones_are_gone(store: Store) -> None:
    async with store.open() as opened:
        last = await put(opened, PushState.DELIVERED, received_at=NOW - 10)
        await trim(opened, delivered=FUTURE, dead=FUTURE)
        assert (await opened.put_one()).update_id > last


async def test_what_was_dropped_as_late_at_its_receipt_goes_by_its_receipt(store: Store) -> None:
    async with store.open() as opened:
        await put(opened, PushState.PENDING, received_at=NOW - 5, shipment="S", occurred_at=NOW)
        dropped = update(shipment="S", occurred_at=NOW - 1, received_at=NOW - 4, to=[NewPush(OMS, drop_late=True)])
        await opened.put(dropped)
        assert opened.committed[-1].dropped == (OMS,)
        assert await trim(opened, delivered=NOW - 4, dead=NOW - 4) == Trimmed()
        assert await trim(opened) == Trimmed(updates=1, pushes=1)


async def test_a_dead_push_that_outlives_the_newer_one_of_its_shipment_is_still_late_when_replayed(
    store: Store,
) -> None:
    async with store.open() as opened:
        old = await put(opened, PushState.DEAD, received_at=NOW - 9, shipment="S", occurred_at=NOW)
        await put(opened, PushState.DELIVERED, received_at=NOW - 8, shipment="S", occurred_at=NOW + 1)
        assert await trim(opened, delivered=FUTURE, dead=0) == Trimmed(updates=1, pushes=1)
        await opened.journal.replays.replay(OMS, [old], now=NOW, replayed_before=NOW)
        (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
        assert (push.update_id, push.late) == (old, True)


async def test_a_retention_that_was_shortened_and_is_long_again_keeps_what_came_since(store: Store) -> None:
    async with store.open() as opened:
        one = await opened.put_one(received_at=NOW - 10, shipment="S", occurred_at=200)
        await opened.record(outcome(one.update_id))
        assert await trim(opened, delivered=FUTURE, dead=FUTURE) == Trimmed(updates=1, pushes=1)
        assert (await opened.put_one(received_at=NOW - 10, shipment="S", occurred_at=100)).late == ()
        assert await opened.put(one.update) == 1, "it was forgotten, so it is new"
        await opened.record(*(outcome(other.update_id) for other in opened.committed[1:]))
        assert await trim(opened, delivered=0, dead=0) == Trimmed()
        assert await opened.put(*(other.update for other in opened.committed[1:])) == 0
        assert (await opened.put_one(received_at=NOW, shipment="S", occurred_at=150)).late == (OMS,)
