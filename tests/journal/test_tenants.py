"""Conformance: a namespace finds nothing of a former one of its name, unless it takes over."""

from collections.abc import Sequence

from journal.stores import NOW, OMS, Opened, Store, outcome, page_of, timeless, update
from journal.test_inbox import unrecognised
from trackpush_api.routing import Tenant
from trackpush_server.journal.inbox import InboxQuery
from trackpush_server.journal.model import BoundClient, NewPush, PushState, Selection, StoredPush
from trackpush_server.journal.search import PushQuery

OLD, NEW, NEXT = Tenant(uid="u-1"), Tenant(uid="u-2"), Tenant(uid="u-3")
TAKES_OVER = Tenant(uid="u-2", takes_over="u-1")
FORMER = "acme@u-1/oms"


async def bind(opened: Opened, *tenants: Tenant, namespace: str = "acme") -> BoundClient:
    """Bind one client."""
    return (await opened.journal.tenants.bind({namespace: tenants}))[namespace]


async def pending(opened: Opened, push_config: str = OMS) -> Sequence[StoredPush]:
    """What a channel would read."""
    return (await page_of(opened.journal, push_config, after=0, limit=100)).pushes


async def dead(opened: Opened, push_config: str = OMS) -> list[int]:
    """What could be replayed."""
    selection = Selection(replayed_before=NOW + 10**9)
    return [entry.update_id for entry in await opened.journal.replays.ended(push_config, selection, after=0, limit=100)]


async def counts(opened: Opened) -> dict[str, int]:
    """Pending pushes by PushConfig."""
    return {entry.push_config: entry.count for entry in await opened.journal.backlog.pending_counts()}


async def test_the_first_namespace_adopts_what_is_stored_under_its_name(store: Store) -> None:
    async with store.open() as opened:
        put = await opened.put_one()
        assert await bind(opened, OLD) == BoundClient("u-1")
        assert await bind(opened, OLD) == BoundClient("u-1")
    async with store.open() as opened:
        assert await bind(opened, OLD) == BoundClient("u-1")
        assert [entry.update_id for entry in await pending(opened)] == [put.update_id]


async def test_pushes_of_a_former_namespace_are_not_the_next_ones(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        waits, failed = await opened.put_one(), await opened.put_one()
        await opened.record(outcome(failed.update_id, PushState.DEAD))
        assert await bind(opened, NEW) == BoundClient("u-2", "u-2")
        assert not await pending(opened)
        assert await dead(opened) == []
        assert await opened.journal.pushes.fetch(OMS, [waits.update_id]) == {}
        assert await counts(opened) == {FORMER: 1}
        mine = await opened.put_one()
        await opened.record(outcome(mine.update_id, PushState.DEAD))
        assert (await dead(opened), await dead(opened, FORMER)) == ([mine.update_id], [failed.update_id])
        listed = (await opened.journal.search.list_pushes(PushQuery(client="acme"))).rows
        assert [entry.account for entry in listed] == ["acme/clickpost"]
        former = (await opened.journal.search.list_pushes(PushQuery(client="acme@u-1"))).rows
        assert [entry.push_config for entry in former] == [FORMER, FORMER]


async def test_other_clients_keep_their_pushes(store: Store) -> None:
    async with store.open() as opened:
        await opened.put_one(account="acme-2/clickpost", to=("acme-2/oms",))
        await opened.put_one(account="acm/clickpost", to=("acm/oms",))
        await opened.put_one()
        assert await bind(opened, OLD) == BoundClient("u-1")
        assert await bind(opened, NEW) == BoundClient("u-2", "u-2")
        assert await counts(opened) == {"acme-2/oms": 1, "acm/oms": 1, FORMER: 1}


async def test_updates_of_a_former_namespace_make_none_of_the_next_late_or_a_repeat(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        to = (NewPush(OMS, drop_late=True),)
        await opened.put(update(shipment="A1", occurred_at=NOW + 1000, pushes=to))
        await opened.put(timeless("B1", "PICKED_UP"))
        await bind(opened, NEW)
        earlier = await opened.put_one(shipment="A1", occurred_at=NOW, pushes=to)
        assert (earlier.late, earlier.dropped) == ((), ())
        assert await opened.put(timeless("B1", "PICKED_UP")) == 1


async def test_a_namespace_that_takes_over_gets_the_pushes_with_their_keys(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        put = await opened.put_one()
        assert await bind(opened, TAKES_OVER) == BoundClient("u-2", "", "u-1")
        assert [(entry.update_id, entry.key, entry.account) for entry in await pending(opened)] == [
            (put.update_id, put.update.key, "acme/clickpost")
        ]
        assert await bind(opened, Tenant(uid="u-2")) == BoundClient("u-2")
        assert len(await pending(opened)) == 1


async def test_a_namespace_may_take_over_after_it_has_pushes_of_its_own(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        waits, failed, done = await opened.put_one(), await opened.put_one(), await opened.put_one()
        await opened.record(
            outcome(waits.update_id, PushState.PENDING, error="HTTP 503"),
            outcome(failed.update_id, PushState.DEAD),
            outcome(done.update_id),
        )
        await bind(opened, NEW)
        mine = await opened.put_one()
        assert await bind(opened, TAKES_OVER) == BoundClient("u-2", "u-2", "u-1")
        assert [entry.update_id for entry in await pending(opened)] == [waits.update_id, mine.update_id]
        assert [entry.tries for entry in await pending(opened)] == [1, 0]
        assert await dead(opened) == [failed.update_id]
        assert await counts(opened) == {OMS: 2}
        listed = (await opened.journal.search.list_pushes(PushQuery(push_config=OMS))).rows
        assert {entry.received_at for entry in listed} == {entry.update.received_at for entry in (waits, failed, mine)}
        shown = await opened.journal.search.show(next(entry.push_id for entry in listed if entry.tries))
        assert shown is not None
        assert len(shown.attempts) == 1
        await opened.record(outcome(waits.update_id, tries=2))
        assert [entry.update_id for entry in await pending(opened)] == [mine.update_id]


async def test_only_the_namespace_that_is_named_is_taken_over(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        await opened.put_one()
        await bind(opened, NEW)
        put = await opened.put_one()
        await bind(opened, Tenant(uid="u-3", takes_over="u-2"))
        assert [entry.update_id for entry in await pending(opened)] == [put.update_id]
        assert await counts(opened) == {FORMER: 1, OMS: 1}
        await bind(opened, Tenant(uid="u-3", takes_over="u-9"))
        assert await counts(opened) == {FORMER: 1, OMS: 1}


async def test_a_namespace_that_comes_back_finds_its_own(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        put = await opened.put_one()
        await bind(opened, NEW)
        assert await bind(opened, OLD) == BoundClient("u-1")
        assert [entry.update_id for entry in await pending(opened)] == [put.update_id]
        await bind(opened, NEW)
        assert await counts(opened) == {FORMER: 1}


async def test_of_several_namespaces_of_one_name_the_bound_one_stays(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, NEW)
        assert await bind(opened, OLD, NEW, NEXT) == BoundClient("u-2")


async def test_bodies_that_were_not_recognised_stay_with_the_former_namespace(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        await opened.journal.updates.keep([unrecognised()])
        await bind(opened, NEW)
        inbox = opened.journal.search.list_unrecognised
        assert (await inbox(InboxQuery(client="acme"))).rows == ()
        assert [entry.account for entry in (await inbox(InboxQuery(client="acme@u-1"))).rows] == ["acme@u-1/clickpost"]
        assert await opened.journal.updates.keep([unrecognised(generation="u-2")]) == 1
        found = {entry.account: entry.entries for entry in await opened.journal.search.count_unrecognised()}
        assert found == {"acme/clickpost": 1, "acme@u-1/clickpost": 1}
        await bind(opened, TAKES_OVER)
        found = {entry.account: entry.entries for entry in await opened.journal.search.count_unrecognised()}
        assert found == {"acme/clickpost": 2}
