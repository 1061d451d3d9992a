"""Conformance: pushes that have ended are found, oldest first, and become pending again."""

from typing import Any

from journal.stores import NOW, OMS, Opened, Store, outcome, page_of, update
from trackpush_server.journal.model import Committed, PushState, Selection, StoredPush

CRM = "acme/crm"
LATER = NOW + 1_000_000


async def ended(opened: Opened, push_config: str = OMS, *, after: int = 0, limit: int = 100, **given: Any) -> list[int]:
    """Ids of what is found."""
    selection = Selection(**{"replayed_before": LATER, **given})
    return [
        push.update_id for push in await opened.journal.replays.ended(push_config, selection, after=after, limit=limit)
    ]


async def replay(opened: Opened, *update_ids: int, now: int = LATER) -> int:
    """At a time."""
    return await opened.journal.replays.replay(OMS, update_ids, now=now, replayed_before=now)


async def put(opened: Opened, *states: PushState, **fields: object) -> list[Committed]:
    """Updates whose push to OMS came to this."""
    made = []
    for state in states:
        made.append(await opened.put_one(**fields))
        if state is not PushState.PENDING:
            await opened.record(outcome(made[-1].update_id, state, tries=4, rejections=2, error="HTTP 400"))
    return made


async def one_pending(opened: Opened) -> StoredPush:
    """The only pending push."""
    (push,) = (await page_of(opened.journal, OMS, after=0, limit=10)).pushes
    return push


async def test_what_ended_is_found_by_state_oldest_first_and_in_pages(store: Store) -> None:
    async with store.open() as opened:
        dead, delivered, pending, more = (
            entry.update_id
            for entry in await put(opened, PushState.DEAD, PushState.DELIVERED, PushState.PENDING, PushState.DEAD)
        )
        assert await ended(opened) == [dead, more]
        assert await ended(opened, states=(PushState.DEAD, PushState.DELIVERED)) == [dead, delivered, more]
        assert await ended(opened, states=(PushState.DEAD, PushState.DELIVERED), limit=2) == [dead, delivered]
        assert await ended(opened, after=dead) == [more]
        assert await ended(opened, CRM) == []
        assert pending not in await ended(opened, states=tuple(PushState))


async def test_ended_pushes_are_found_by_awb_key_and_time_of_receipt(store: Store) -> None:
    async with store.open() as opened:
        dead = PushState.DEAD
        (one,) = await put(opened, dead, awb="A1", shipment="A1", received_at=NOW + 10)
        (back,) = await put(opened, dead, awb="R1", shipment="return:9", forward_awb="A1", received_at=NOW + 20)
        (other,) = await put(opened, dead, awb="B1", shipment="B1", received_at=NOW + 30)
        assert await ended(opened, awb="A1") == [one.update_id, back.update_id]
        assert await ended(opened, awb="R1") == [back.update_id]
        assert await ended(opened, keys=(other.update.key, b"x" * 16)) == [other.update_id]
        assert await ended(opened, since=NOW + 20, until=NOW + 30) == [back.update_id]
        assert await ended(opened, awb="A1", since=NOW + 20) == [back.update_id]
        assert await ended(opened, awb="A1", states=(PushState.DELIVERED,)) == []


async def test_a_replayed_push_is_pending_again_and_its_retries_begin_again(store: Store) -> None:
    async with store.open() as opened:
        (one,) = await put(opened, PushState.DEAD)
        assert await replay(opened, one.update_id) == 1
    async with store.open() as opened:
        push = await one_pending(opened)
        assert (push.update_id, push.key) == (one.update_id, one.update.key)
        assert (push.replays, push.replayed_at, push.tries_before) == (1, LATER, 4)
        assert (push.tries, push.rejections, push.due_at, push.late) == (4, 0, 0, False)
        await opened.record(outcome(one.update_id, PushState.DELIVERED, tries=5))
        assert await replay(opened, one.update_id, now=LATER + 1) == 1
        push = await one_pending(opened)
        assert (push.replays, push.tries_before) == (2, 5)


async def test_what_is_pending_or_was_replayed_by_the_same_job_stays_as_it_is(store: Store) -> None:
    async with store.open() as opened:
        dead, pending = await put(opened, PushState.DEAD, PushState.PENDING)
        assert await replay(opened, dead.update_id, pending.update_id) == 1
        await opened.record(outcome(dead.update_id, PushState.DEAD, tries=5))
        assert await ended(opened, replayed_before=LATER) == []
        assert await replay(opened, dead.update_id) == 0
        assert await ended(opened, replayed_before=LATER + 1) == [dead.update_id]


async def test_a_replay_after_a_newer_one_was_delivered_is_late(store: Store) -> None:
    async with store.open() as opened:
        (old,) = await put(opened, PushState.DEAD, shipment="S", occurred_at=NOW)
        await put(opened, PushState.DELIVERED, shipment="S", occurred_at=NOW + 1)
        await replay(opened, old.update_id)
        assert (await one_pending(opened)).late


async def test_a_replay_is_not_late_when_the_newer_one_went_nowhere_or_elsewhere(store: Store) -> None:
    async with store.open() as opened:
        (old,) = await put(opened, PushState.DEAD, shipment="S", occurred_at=NOW)
        await put(opened, PushState.DEAD, shipment="S", occurred_at=NOW + 1)
        await put(opened, PushState.DELIVERED, shipment="T", occurred_at=NOW + 1)
        elsewhere = await opened.put_one(shipment="S", occurred_at=NOW + 2, to=[CRM])
        await opened.record(outcome(elsewhere.update_id, push_config=CRM))
        await replay(opened, old.update_id)
        assert not (await one_pending(opened)).late


async def test_a_replayed_push_expires_from_its_replay_on(store: Store) -> None:
    async with store.open() as opened:
        (one,) = await put(opened, PushState.DEAD, received_at=NOW)
        await replay(opened, one.update_id, now=NOW + 5000)
        assert await opened.journal.pushes.expire(OMS, received_before=NOW + 5000, limit=10) == 0
        assert await opened.journal.pushes.expire(OMS, received_before=NOW + 5001, limit=10) == 1


async def test_push_configs_are_those_that_have_or_had_pushes(store: Store) -> None:
    async with store.open() as opened:
        assert await opened.journal.replays.push_configs() == ()
        await opened.put(update(to=[OMS, CRM]), update(to=[]))
        await put(opened, PushState.DELIVERED)
        assert await opened.journal.replays.push_configs() == (CRM, OMS)
