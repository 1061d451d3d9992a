"""Conformance: what tells of a person is gone, the rest of the record stays, a repeat is still a repeat."""

import msgspec

from journal.stores import NOW, OMS, Opened, Store, outcome, update
from trackpush_server.journal.model import Erasure, PushState, Selection, Subject


async def erase(opened: Opened, **subject: str) -> Erasure:
    """As the server does it."""
    journal = opened.journal
    number = await journal.erasures.begin("the subject", "asked for", now=NOW)
    after: int | None = 0
    while after is not None:
        found = await journal.erasures.find(Subject(**subject), after=after, limit=3)
        if found.update_ids:
            await journal.erasures.erase(number, found.update_ids, now=NOW)
        after = found.next_after
    await journal.erasures.end(number, now=NOW + 1)
    (record,) = (erasure for erasure in await journal.erasures.records(limit=10) if erasure.id == number)
    return record


async def test_pending_pushes_of_an_erased_shipment_are_dropped_others_are_not(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="A", awb="A")
        other = await opened.put_one(shipment="B", awb="B")
        record = await erase(opened, awb="A")
        assert await opened.pending_ids() == [other.update_id]
        assert (record.updates, record.pushes, record.begun_at, record.ended_at) == (1, 1, NOW, NOW + 1)
        assert (record.subject, record.reason) == ("the subject", "asked for")


async def test_an_awb_is_erased_wherever_it_is(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(
            update(shipment="A", awb="A"),
            update(shipment="A", awb=None),
            update(shipment="return:1", awb="A"),
            update(shipment="return:2", awb="R", forward_awb="A"),
            update(shipment="B", awb="B"),
        )
        assert (await erase(opened, awb="A")).updates == 4
        assert (await erase(opened, awb="A")).updates == 0


async def test_a_client_is_erased_whole_and_alone_in_steps(store: Store) -> None:
    async with store.open() as opened:
        mine = [update(account="acme/clickpost") for _ in range(10)]
        others = [update(account="acme-2/clickpost"), update(account="zeta/st")]
        await opened.put(*mine[:5], *others, *mine[5:])
        assert (await erase(opened, client="acme")).updates == 10
        assert (await erase(opened, client="acme")).updates == 0
        assert len(await opened.pending_ids()) == 2


async def test_an_awb_of_one_client_leaves_the_same_awb_of_another(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update(account="acme/clickpost", awb="A", shipment="A"))
        other = await opened.put_one(account="zeta/clickpost", awb="A", shipment="A")
        assert (await erase(opened, client="acme", awb="A")).updates == 1
        assert await opened.pending_ids() == [other.update_id]


async def test_the_aggregators_repeat_of_an_erased_update_is_not_a_new_one(store: Store) -> None:
    async with store.open() as opened:
        one = update(awb="A", shipment="A")
        await opened.put(one)
        await erase(opened, awb="A")
        assert await opened.put(msgspec.structs.replace(one, received_at=NOW + 9_000_000)) == 0
        assert await opened.pending_ids() == []


async def test_what_was_delivered_stays_so_and_cannot_be_replayed(store: Store) -> None:
    async with store.open() as opened:
        one = await opened.put_one(awb="A", shipment="A")
        await opened.record(outcome(one.update_id))
        await erase(opened, awb="A")
        every = Selection(states=tuple(PushState), keys=(one.update.key,), replayed_before=NOW + 9_000_000)
        assert await opened.journal.replays.ended(OMS, every, after=0, limit=10) == ()
        assert await opened.journal.replays.replay(OMS, [one.update_id], now=NOW, replayed_before=NOW) == 0
        assert await opened.pending_ids() == []


async def test_erasures_are_listed_newest_first(store: Store) -> None:
    async with store.open() as opened:
        for number in range(3):
            await opened.journal.erasures.begin(f"client c{number}", "", now=NOW + number)
    async with store.open() as opened:
        assert [erasure.subject for erasure in await opened.journal.erasures.records(limit=2)] == [
            "client c2",
            "client c1",
        ]
        assert [erasure.ended_at for erasure in await opened.journal.erasures.records(limit=2)] == [None, None]
