"""Conformance: appending updates."""

import asyncio
from collections.abc import Sequence

import pytest

from journal.stores import OMS, Store, outcome, page_of, update
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Committed, JournalUnavailableError, NewPush, PushState

CRM = "acme/crm"


async def test_an_append_resolves_to_how_many_updates_were_new(store: Store) -> None:
    async with store.open() as opened:
        first = update()
        assert await opened.put(first) == 1
        assert await opened.put(first, update(), update()) == 2


async def test_an_empty_request_resolves_to_zero_and_announces_nothing(store: Store) -> None:
    async with store.open() as opened:
        assert await opened.put() == 0
        assert opened.commits == []


async def test_what_was_appended_is_there_after_a_restart(store: Store) -> None:
    one = update(awb="A", forward_awb="F", order_id="O", occurred_at=None, body=b"\x00\xff")
    async with store.open() as opened:
        await opened.put(one)
    async with store.open() as opened:
        (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
    assert (push.key, push.account, push.shipment, push.received_at) == (
        one.key,
        one.account,
        one.shipment,
        one.received_at,
    )
    assert (push.notification, push.body) == (one.notification, one.body)
    assert (push.tries, push.rejections, push.due_at, push.late) == (0, 0, 0, False)


async def test_a_duplicate_in_another_request_is_neither_counted_nor_announced(store: Store) -> None:
    async with store.open() as opened:
        one = update()
        assert await opened.put(one) == 1
        assert await opened.put(one) == 0
        assert len(opened.committed) == len(await opened.pending_ids()) == 1


async def test_a_duplicate_in_the_same_request_is_stored_once(store: Store) -> None:
    async with store.open() as opened:
        one, other = update(), update()
        assert await opened.put(one, one, other, one) == 2
        assert [committed.update for committed in opened.committed] == [one, other]


async def test_a_duplicate_in_the_same_commit_counts_for_the_first_request_only(store: Store) -> None:
    async with store.open() as opened:
        one = update()
        counts = await asyncio.gather(*(opened.journal.updates.append([one, update()]) for _ in range(20)))
        assert counts == [2] + [1] * 19
        assert len(opened.committed) == len(await opened.pending_ids()) == 21


async def test_a_duplicate_after_a_restart_is_recognised(store: Store) -> None:
    one = update()
    async with store.open() as opened:
        await opened.put(one)
    async with store.open() as opened:
        assert await opened.put(one) == 0
        assert opened.commits == []


async def test_ids_continue_after_a_restart(store: Store) -> None:
    async with store.open() as opened:
        first = await opened.put_one()
    async with store.open() as opened:
        assert (await opened.put_one()).update_id > first.update_id


async def test_commits_are_announced_in_order_and_before_the_append_resolves(store: Store) -> None:
    async with store.open() as opened:
        seen_too_late = []

        async def post() -> None:
            one = update()
            await opened.journal.updates.append([one])
            if one.key not in {committed.update.key for committed in opened.committed}:
                seen_too_late.append(one)

        await asyncio.gather(*(post() for _ in range(300)))
        ids = [committed.update_id for committed in opened.committed]
        assert not seen_too_late
        assert len(ids) == 300
        assert ids == sorted(set(ids))


async def test_no_append_has_resolved_when_its_commit_is_announced(store: Store) -> None:
    async with store.open() as opened:
        futures: dict[bytes, asyncio.Future[int]] = {}
        resolved: list[bool] = []

        def look(committed: Sequence[Committed]) -> None:
            resolved.extend(futures[commit.update.key].done() for commit in committed)

        opened.journal.subscribe(JournalListener(on_commit=look))
        futures |= {fresh.key: opened.journal.updates.append([fresh]) for fresh in (update() for _ in range(50))}
        await asyncio.gather(*futures.values())
        assert resolved == [False] * 50


async def test_updates_of_one_request_are_announced_in_their_order(store: Store) -> None:
    async with store.open() as opened:
        updates = [update() for _ in range(500)]
        await opened.put(*updates)
        assert [committed.update for committed in opened.committed] == updates


async def test_a_commit_is_announced_even_if_nobody_waits_for_it_any_more(store: Store) -> None:
    async with store.open() as opened:
        opened.journal.updates.append([update()]).cancel()
        await opened.journal.pushes.flush()
        assert len(opened.committed) == len(await opened.pending_ids()) == 1


async def test_an_append_resolves_even_if_the_listener_fails(store: Store) -> None:
    async with store.open() as opened:
        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))

        def fail(_: Sequence[Committed]) -> None:
            raise ValueError("listener")

        heard: list[Committed] = []
        opened.journal.subscribe(JournalListener(on_commit=fail))
        opened.journal.subscribe(JournalListener(on_commit=heard.extend))
        assert await opened.put(update()) == 1
        assert [str(error) for error in errors] == ["listener"]
        assert heard == opened.committed, "the listeners after it hear of the commit, too"


async def test_many_concurrent_requests_share_commits(store: Store) -> None:
    async with store.open() as opened:
        await asyncio.gather(*(opened.journal.updates.append([update()]) for _ in range(1000)))
        assert len(opened.commits) < 100
        assert opened.journal.stats.commits == len(opened.batches)
        assert sum(rows for _, rows in opened.batches) == opened.journal.stats.rows == 1000
        assert opened.journal.stats.queued == 0


async def test_a_request_is_stored_whole_or_not_at_all(store: Store) -> None:
    async with store.open() as opened:
        bad = update(key=None)
        with pytest.raises(JournalUnavailableError):
            await opened.put(update(), bad, update())
        assert opened.committed == []
        assert await opened.pending_ids() == []
        assert opened.states == [None], "a bad value is not the store's failure"
        await opened.put(update())
        page = await page_of(opened.journal, OMS, after=0, limit=10)
        assert [push.account for push in page.pushes] == ["acme/clickpost"], "remembers a number that was rolled back"


async def test_one_request_that_cannot_be_stored_takes_no_other_with_it(store: Store) -> None:
    async with store.open() as opened:
        bad = update(received_at=object())
        before = await opened.put_one()
        futures = [opened.journal.updates.append([fresh]) for fresh in (update(), bad, update())]
        opened.journal.pushes.record(outcome(before.update_id))
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert results[0] == results[2] == 1
        assert isinstance(results[1], JournalUnavailableError)
        await opened.journal.pushes.flush()
        assert opened.journal.outcomes_waiting == 0
        assert opened.journal.unavailable is None
        assert await opened.pending_ids() == [commit.update_id for commit in opened.committed[1:]]


async def test_text_that_is_not_unicode_and_numbers_beyond_64_bits_never_refuse_an_update(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(update(shipment="a\ud800b", awb="\udfff", occurred_at=1 << 70))
        (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
        assert push.shipment == "a?b"
        await opened.record(outcome(push.update_id, error="odd \udc80 answer"))
        assert await opened.pending_ids() == []
        assert opened.states == [None]


async def test_more_than_the_queue_holds_is_refused_at_once_as_overload(store: Store) -> None:
    async with store.open() as opened:
        futures = [opened.journal.updates.append([update() for _ in range(5000)]) for _ in range(4)]
        with pytest.raises(JournalUnavailableError, match="overloaded"):
            opened.journal.updates.append([update()])
        assert await asyncio.gather(*futures) == [5000] * 4
        assert await opened.put(update()) == 1


async def test_more_bytes_than_the_queue_holds_are_refused_at_once_as_overload(store: Store) -> None:
    async with store.open() as opened:
        future = opened.journal.updates.append([update(body=b"x" * (1 << 20)) for _ in range(40)])
        with pytest.raises(JournalUnavailableError, match="overloaded"):
            opened.journal.updates.append([update()])
        assert await future == 40


async def test_a_journal_that_is_not_started_or_is_closed_refuses(store: Store) -> None:
    async with store.open() as opened:
        journal = opened.journal
    assert journal.unavailable is not None
    with pytest.raises(JournalUnavailableError):
        journal.updates.append([update()])
    with pytest.raises(JournalUnavailableError):
        await journal.pushes.flush()
    with pytest.raises(JournalUnavailableError):
        await page_of(journal, OMS, after=0, limit=1)


async def test_closing_writes_what_is_queued(store: Store) -> None:
    async with store.open() as opened:
        futures = [opened.journal.updates.append([update()]) for _ in range(50)]
        await opened.journal.close()
        assert await asyncio.gather(*futures) == [1] * 50
    async with store.open() as opened:
        assert len(await opened.pending_ids()) == 50


# ---- late updates


async def test_an_update_with_an_older_event_time_than_a_stored_one_is_late(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="S", occurred_at=200)
        late = await opened.put_one(shipment="S", occurred_at=100)
        assert (late.late, late.dropped) == ((OMS,), ())
        page = await page_of(opened.journal, OMS, after=0, limit=10)
        assert [push.late for push in page.pushes] == [False, True]


@pytest.mark.parametrize("drop", [False, True])
async def test_lateness_is_known_after_a_restart(store: Store, *, drop: bool) -> None:
    async with store.open() as opened:
        first = await opened.put_one(shipment="S", occurred_at=200)
        await opened.record(outcome(first.update_id, PushState.DELIVERED))
    async with store.open() as opened:
        late = await opened.put_one(shipment="S", occurred_at=100, to=[NewPush(OMS, drop_late=drop)])
        assert (late.late, late.dropped) == ((OMS,), (OMS,) if drop else ())
        assert await opened.pending_ids() == ([] if drop else [late.update_id])


async def test_a_newer_or_equally_old_update_is_not_late(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="S", occurred_at=200)
        assert (await opened.put_one(shipment="S", occurred_at=200)).late == ()
        assert (await opened.put_one(shipment="S", occurred_at=300)).late == ()


async def test_an_update_without_an_event_time_is_never_late_and_makes_none_late(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="S", occurred_at=None)
        assert (await opened.put_one(shipment="S", occurred_at=200)).late == ()
        assert (await opened.put_one(shipment="S", occurred_at=None)).late == ()


async def test_another_shipment_or_another_account_makes_no_update_late(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="S", occurred_at=200)
        assert (await opened.put_one(shipment="T", occurred_at=100)).late == ()
        assert (await opened.put_one(shipment="S", account="acme/shipway", occurred_at=100)).late == ()


async def test_lateness_counts_within_one_request(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(*(update(shipment="S", occurred_at=time) for time in (200, 100, 300, 250)))
        assert [bool(commit.late) for commit in opened.committed] == [False, True, False, True]


async def test_lateness_is_per_push_config(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="S", occurred_at=200, to=[OMS])
        late = await opened.put_one(shipment="S", occurred_at=100, to=[OMS, CRM])
        assert late.late == (OMS,)


async def test_a_late_push_is_dropped_where_its_push_config_says_so(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="S", occurred_at=200, to=[OMS, CRM])
        late = await opened.put_one(shipment="S", occurred_at=100, to=[NewPush(OMS, drop_late=True), CRM])
        assert (late.late, late.dropped) == ((OMS, CRM), (OMS,))
        assert late.update_id not in await opened.pending_ids(OMS)
        assert late.update_id in await opened.pending_ids(CRM)


async def test_an_update_whose_push_was_dropped_makes_no_other_late(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(shipment="S", occurred_at=300, to=[CRM])
        await opened.put_one(shipment="T", occurred_at=300, to=[NewPush(OMS, drop_late=True)])
        await opened.put_one(shipment="T", occurred_at=200, to=[NewPush(OMS, drop_late=True), CRM])
        assert (await opened.put_one(shipment="T", occurred_at=100, to=[CRM])).late == (CRM,)
        assert (await opened.put_one(shipment="S", occurred_at=100, to=[OMS])).late == ()


async def test_a_delivered_push_makes_an_older_update_late(store: Store) -> None:
    async with store.open() as opened:
        first = await opened.put_one(shipment="S", occurred_at=200)
        await opened.record(outcome(first.update_id, PushState.DELIVERED))
        assert (await opened.put_one(shipment="S", occurred_at=100)).late == (OMS,)


async def test_a_push_that_was_dropped_later_makes_no_older_update_late(store: Store) -> None:
    async with store.open() as opened:
        first = await opened.put_one(shipment="S", occurred_at=200)
        await opened.record(outcome(first.update_id, PushState.DROPPED, attempted=False))
        assert (await opened.put_one(shipment="S", occurred_at=100)).late == ()
