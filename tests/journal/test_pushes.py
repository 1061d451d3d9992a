"""Conformance: outcomes, pages, payloads, expiry and counts."""

import asyncio

from journal.stores import NOW, OMS, Store, outcome, page_of, update
from trackpush_server.journal.model import PageRequest, PendingConfigs, PendingCount, PushState
from trackpush_server.journal.search import PushQuery

CRM = "acme/crm"


async def test_a_push_that_ended_is_not_pending_any_more(store: Store) -> None:
    async with store.open() as opened:
        ids = [(await opened.put_one()).update_id for _ in range(4)]
        ends = zip(ids, (PushState.DELIVERED, PushState.DEAD, PushState.DROPPED), strict=False)
        await opened.record(*(outcome(update_id, state) for update_id, state in ends))
        assert await opened.pending_ids() == ids[3:]


async def test_a_push_that_failed_stays_pending_with_its_tries_and_due_time(store: Store) -> None:
    async with store.open() as opened:
        one = await opened.put_one()
        await opened.record(outcome(one.update_id, PushState.PENDING, tries=3, rejections=2, due_at=NOW + 5))
    async with store.open() as opened:
        (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
        assert (push.tries, push.rejections, push.due_at) == (3, 2, NOW + 5)


async def test_a_push_keeps_its_trace_over_a_restart_and_one_without_has_none(store: Store) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with store.open() as opened:
        committed = await opened.put_one(trace=trace)
        without = await opened.put_one()
        assert (committed.update.trace, without.update.trace) == (trace, None)
    async with store.open() as opened:
        page = await page_of(opened.journal, OMS, after=0, limit=10)
        assert [push.trace for push in page.pushes] == [trace, None]
        fetched = await opened.journal.pushes.fetch(OMS, [committed.update_id])
        assert fetched[committed.update_id].trace == trace


async def test_of_several_outcomes_of_one_push_in_one_commit_the_last_counts(store: Store) -> None:
    async with store.open() as opened:
        one, other = await opened.put_one(), await opened.put_one()
        await opened.record(
            *(outcome(one.update_id, PushState.PENDING, tries=tries) for tries in range(1, 40)),
            outcome(one.update_id, PushState.DELIVERED, tries=40),
            outcome(other.update_id, PushState.PENDING, tries=1),
            outcome(other.update_id, PushState.PENDING, tries=2),
        )
        (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
        assert (push.update_id, push.tries) == (other.update_id, 2)


async def test_an_outcome_touches_only_its_own_push_config(store: Store) -> None:
    async with store.open() as opened:
        one = await opened.put_one(to=[OMS, CRM])
        await opened.record(outcome(one.update_id, push_config=CRM))
        assert await opened.pending_ids(OMS) == [one.update_id]
        assert await opened.pending_ids(CRM) == []


async def test_an_outcome_of_an_unknown_push_makes_none(store: Store) -> None:
    async with store.open() as opened:
        await opened.record(outcome(77, PushState.PENDING))
        assert await opened.pending_ids() == []


async def test_outcomes_count_as_waiting_until_they_are_on_disk(store: Store) -> None:
    async with store.open() as opened:
        for number in range(5):
            opened.journal.pushes.record(outcome(number))
        assert opened.journal.outcomes_waiting == 5
        await opened.journal.pushes.flush()
        assert opened.journal.outcomes_waiting == 0


async def test_a_flush_waits_for_appends_and_outcomes_handed_over_before(store: Store) -> None:
    async with store.open() as opened:
        futures = [opened.journal.updates.append([update() for _ in range(700)]) for _ in range(5)]
        await opened.journal.pushes.flush()
        assert all(future.done() for future in futures)


async def test_pages_go_through_all_pending_pushes_in_order(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(*(update() for _ in range(25)), *(update(to=[CRM]) for _ in range(5)))
        expected = [commit.update_id for commit in opened.committed if commit.update.pushes[0].push_config == OMS]
        seen: list[int] = []
        while ids := await opened.pending_ids(after=seen[-1] if seen else 0, limit=7):
            seen += ids
        assert seen == expected


async def test_pages_of_several_push_configs_are_of_one_snapshot_and_each_within_its_limit(
    store: Store,
) -> None:
    async with store.open() as opened:
        await opened.put(*(update(to=[OMS, CRM] if number % 2 else [CRM]) for number in range(20)))
        ids = [commit.update_id for commit in opened.committed]
        wanted = [
            PageRequest(CRM, ids[3], 5),
            PageRequest("who/ever", 0, 5),
            PageRequest(OMS, 0, 100),
            PageRequest(CRM, 0, 2),
        ]
        pages = await opened.journal.pushes.pending(wanted)
        assert [[push.update_id for push in page.pushes] for page in pages] == [ids[4:9], [], ids[1::2], ids[:2]]
        assert {page.snapshot for page in pages} == {ids[-1]}
        assert [{push.push_config for push in page.pushes} for page in pages] == [{CRM}, set(), {OMS}, {CRM}]


async def test_a_page_of_an_unknown_push_config_is_empty_but_says_what_it_could_have_seen(store: Store) -> None:
    async with store.open() as opened:
        one = await opened.put_one()
        page = await page_of(opened.journal, "who/ever", after=0, limit=10)
        assert (page.pushes, page.snapshot) == ((), one.update_id)


async def test_a_page_gives_the_highest_id_even_of_updates_without_pushes(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one()
        last = await opened.put_one(to=[])
        assert (await page_of(opened.journal, OMS, after=0, limit=1)).snapshot == last.update_id


async def test_push_configs_with_anything_pending_are_reported_up_to_the_snapshot(store: Store) -> None:
    names = [f"acme/p-{number}" for number in range(40)]
    async with store.open() as opened:
        assert await opened.journal.pushes.pending_configs() == PendingConfigs(frozenset(), 0)
        await opened.put(*(update(to=[name, OMS]) for name in names for _ in range(3)))
        ends = [
            (commit, name)
            for commit in opened.committed
            for name in names[::2]
            if commit.update.pushes[0].push_config == name
        ]
        await opened.record(*(outcome(ended.update_id, push_config=name) for ended, name in ends))
        last = await opened.put_one(to=[])
        found = await opened.journal.pushes.pending_configs()
        assert found == PendingConfigs(frozenset({OMS, *names[1::2]}), last.update_id)


async def test_a_push_that_failed_or_is_replayed_has_its_push_config_pending_and_a_dead_one_hasnt(store: Store) -> None:
    async with store.open() as opened:
        one, other = await opened.put_one(), await opened.put_one(to=[CRM])
        await opened.record(
            outcome(one.update_id, PushState.PENDING, due_at=NOW),
            outcome(other.update_id, PushState.DEAD, push_config=CRM),
        )
        assert (await opened.journal.pushes.pending_configs()).push_configs == {OMS}
        await opened.journal.replays.replay(CRM, [other.update_id], now=NOW, replayed_before=NOW)
        assert (await opened.journal.pushes.pending_configs()).push_configs == {OMS, CRM}


async def test_fetch_gives_those_that_are_still_pending(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(*(update() for _ in range(300)))
        ids = [commit.update_id for commit in opened.committed]
        await opened.record(outcome(ids[1]))
        found = await opened.journal.pushes.fetch(OMS, [*ids, 999_999])
        assert sorted(found) == [ids[0], *ids[2:]]
        assert found[ids[0]].body == opened.committed[0].update.body
        assert await opened.journal.pushes.fetch(CRM, ids) == {}
        assert await opened.journal.pushes.fetch(OMS, []) == {}


async def test_expiring_ends_old_pending_pushes_of_one_push_config(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(*(update(received_at=NOW + number, to=[OMS, CRM]) for number in range(10)))
        ids = [commit.update_id for commit in opened.committed]
        assert await opened.journal.pushes.expire(OMS, received_before=NOW + 6, limit=4) == 4
        assert await opened.journal.pushes.expire(OMS, received_before=NOW + 6, limit=100) == 2
        assert await opened.journal.pushes.expire(OMS, received_before=NOW + 6, limit=100) == 0
        assert await opened.journal.pushes.expire("who/ever", received_before=NOW + 6, limit=100) == 0
        assert await opened.pending_ids(OMS) == ids[6:]
        assert await opened.pending_ids(CRM) == ids


async def test_counts_tell_each_backlog_and_its_oldest(store: Store) -> None:
    async with store.open() as opened:
        assert await opened.journal.backlog.pending_counts() == ()
        first = await opened.put_one(received_at=NOW, to=[OMS, CRM])
        await opened.put_one(received_at=NOW + 1)
        await opened.record(outcome(first.update_id, push_config=CRM))
        assert await opened.journal.backlog.pending_counts() == (PendingCount(OMS, 2, NOW),)


async def test_reads_work_while_commits_continue(store: Store) -> None:
    async with store.open() as opened:
        appends = [opened.journal.updates.append([update() for _ in range(50)]) for _ in range(40)]
        while not all(future.done() for future in appends):
            page = await page_of(opened.journal, OMS, after=0, limit=5000)
            ids = [push.update_id for push in page.pushes]
            assert len(ids) % 50 == 0, "a page showed half a request"
            assert not ids or ids[-1] <= page.snapshot
        await asyncio.gather(*appends)


async def test_pending_pushes_are_dropped_oldest_first_and_keep_their_attempts(store: Store) -> None:
    async with store.open() as opened:
        first, second, other = await opened.put_one(), await opened.put_one(), await opened.put_one(to=("acme/crm",))
        await opened.record(outcome(first.update_id, PushState.PENDING, error="HTTP 503", http_status=503))
        assert await opened.journal.backlog.drop(OMS, reason="why", now=NOW, limit=1) == 1
        assert await opened.pending_ids() == [second.update_id]
        assert await opened.journal.backlog.drop(OMS, reason="why", now=NOW, limit=10) == 1
        assert await opened.journal.backlog.drop("nobody/s", reason="why", now=NOW, limit=10) == 0
        assert await opened.pending_ids("acme/crm") == [other.update_id]
        rows = (await opened.journal.search.list_pushes(PushQuery(push_config=OMS))).rows
        assert [(row.state, row.error, row.ended_at) for row in rows] == [(PushState.DROPPED, "why", NOW)] * 2
        shown = await opened.journal.search.show(rows[-1].push_id)
        assert shown is not None
        assert [attempt.http_status for attempt in shown.attempts] == [503]
