"""Conformance: updates without a push for a PushConfig are found, and get one that counts as replayed."""

from typing import Any

from journal.stores import NOW, OMS, Opened, Store, outcome, page_of, update
from trackpush_server.journal.model import FoundUpdates, PushState, Selection, Subject, Unpushed

CRM = "acme/crm"
ACCOUNT = "acme/clickpost"
LATER = NOW + 1_000_000


async def look(
    opened: Opened, push_config: str = OMS, *, after: int = 0, limit: int = 100, **given: Any
) -> FoundUpdates:
    """One look, by default at the updates of the usual account."""
    wanted = Unpushed(**{"accounts": (ACCOUNT,), **given})
    return await opened.journal.replays.find_unpushed(push_config, wanted, after=after, limit=limit)


async def found(opened: Opened, push_config: str = OMS, **given: Any) -> list[int]:
    """Ids that one look finds."""
    return list((await look(opened, push_config, **given)).update_ids)


async def put(opened: Opened, *, to: tuple[str, ...] = (), **fields: object) -> int:
    """An update that its filters left out; its id."""
    return (await opened.put_one(to=to, **fields)).update_id


async def add(opened: Opened, *update_ids: int, push_config: str = OMS, now: int = LATER) -> int:
    """How many pushes were added."""
    return await opened.journal.replays.add_pushes(push_config, update_ids, now=now)


async def test_updates_without_a_push_for_a_push_config_are_found_in_order_and_in_pages(store: Store) -> None:
    async with store.open() as opened:
        first, pushed, elsewhere, last = [
            await put(opened), await put(opened, to=(OMS,)), await put(opened, to=(CRM,)), await put(opened),
        ]  # fmt: skip
        assert await found(opened) == [first, elsewhere, last]
        assert await found(opened, CRM) == [first, pushed, last]
        assert await found(opened, "acme/never-pushed") == [first, pushed, elsewhere, last]
        page = await look(opened, limit=2)
        assert page == FoundUpdates((first,), pushed)
        assert await look(opened, after=pushed, limit=2) == FoundUpdates((elsewhere, last), last)
        assert await look(opened, after=last, limit=2) == FoundUpdates((), None)


async def test_only_updates_of_the_given_accounts_are_found(store: Store) -> None:
    async with store.open() as opened:
        mine, other = await put(opened), await put(opened, account="globex/shipway")
        assert await found(opened) == [mine]
        assert await found(opened, accounts=("globex/shipway", "no/such")) == [other]
        assert await found(opened, accounts=()) == []


async def test_updates_without_a_push_are_found_by_awb_and_time_of_receipt(store: Store) -> None:
    async with store.open() as opened:
        one = await put(opened, awb="A1", shipment="A1", received_at=NOW + 10)
        back = await put(opened, awb="R1", shipment="return:9", forward_awb="A1", received_at=NOW + 20_000)
        other = await put(opened, awb="B1", shipment="B1", received_at=NOW + 40_000)
        await put(opened, awb="A1", shipment="A1", to=(OMS,), received_at=NOW + 50_000)
        assert await found(opened, awb="A1") == [one, back]
        assert await found(opened, awb="A1", since=NOW + 20_000) == [back]
        assert await found(opened, awb="A1", accounts=("globex/shipway",)) == []
        assert await found(opened, since=NOW + 11, until=NOW + 40_000) == [back]
        assert await found(opened, since=NOW + 20_000, until=NOW + 40_001) == [back, other]


async def test_an_added_push_is_pending_and_counts_as_replayed_once(store: Store) -> None:
    async with store.open() as opened:
        left_out = await put(opened, notification=b'{"a":1}', body=b'{"b":2}')
        assert await add(opened, left_out) == 1
    async with store.open() as opened:
        (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
        assert (push.update_id, push.replays, push.replayed_at, push.tries_before) == (left_out, 1, LATER, 0)
        assert (push.tries, push.due_at, push.late) == (0, 0, False)
        assert (push.notification, push.body) == (b'{"a":1}', b'{"b":2}')
        assert await found(opened) == []
        await opened.record(outcome(left_out, PushState.DEAD, tries=1))
        assert await found(opened) == []
        selection = Selection(replayed_before=LATER + 1)
        assert [push.update_id for push in await opened.journal.replays.ended(OMS, selection, after=0, limit=9)] == [
            left_out
        ]
        assert await opened.journal.replays.push_configs() == (OMS,)


async def test_a_push_is_added_once_and_only_where_there_is_none(store: Store) -> None:
    async with store.open() as opened:
        left_out, pushed = await put(opened), await put(opened, to=(OMS,))
        await opened.record(outcome(pushed))
        assert await add(opened, left_out, left_out, pushed, pushed + 1000) == 1
        assert await add(opened, left_out, pushed, now=LATER + 1) == 0
        assert await opened.pending_ids() == [left_out]
        assert await opened.pending_ids(CRM) == []


async def test_a_push_config_whose_first_push_is_added_takes_new_updates_afterwards(store: Store) -> None:
    async with store.open() as opened:
        assert await add(opened, await put(opened), push_config=CRM) == 1
        assert await opened.put(update(to=[CRM]), update(to=[OMS, CRM])) == 2
        assert len(await opened.pending_ids(CRM)) == 3


async def test_an_added_push_is_late_after_a_newer_one_was_delivered_there(store: Store) -> None:
    async with store.open() as opened:
        old = await put(opened, shipment="S", occurred_at=NOW)
        newer = await put(opened, to=(OMS, CRM), shipment="S", occurred_at=NOW + 1)
        await opened.record(outcome(newer))
        await add(opened, old)
        await add(opened, old, push_config=CRM)
        (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
        assert push.late
        there = (await page_of(opened.journal, CRM, after=0, limit=10)).pushes
        assert [(entry.update_id, entry.late) for entry in there] == [(old, False), (newer, False)]


async def test_an_added_push_expires_from_its_replay_on(store: Store) -> None:
    async with store.open() as opened:
        await add(opened, await put(opened, received_at=NOW), now=NOW + 5000)
        assert await opened.journal.pushes.expire(OMS, received_before=NOW + 5000, limit=10) == 0
        assert await opened.journal.pushes.expire(OMS, received_before=NOW + 5001, limit=10) == 1


async def test_an_erased_update_is_neither_found_nor_read_nor_pushed(store: Store) -> None:
    async with store.open() as opened:
        gone, kept = await put(opened, awb="A1", shipment="A1"), await put(opened)
        journal = opened.journal
        erasure = await journal.erasures.begin("awb", "", now=LATER)
        ids = (await journal.erasures.find(Subject(awb="A1"), after=0, limit=10)).update_ids
        await journal.erasures.erase(erasure, ids, now=LATER)
        assert await found(opened) == [kept]
        assert await found(opened, awb="A1") == []
        assert [update.update_id for update in await journal.replays.read_updates([gone, kept])] == [kept]
        assert await add(opened, gone) == 0


async def test_updates_are_read_with_their_account_and_payloads(store: Store) -> None:
    async with store.open() as opened:
        await put(opened)
        wanted = await put(opened, notification=b'{"a":1}', body=b'{"b":2}', received_at=NOW + 7)
        (read,) = await opened.journal.replays.read_updates([wanted, wanted + 1000])
        assert (read.update_id, read.account, read.received_at) == (wanted, ACCOUNT, NOW + 7)
        assert (read.notification, read.body, read.unreadable) == (b'{"a":1}', b'{"b":2}', None)
