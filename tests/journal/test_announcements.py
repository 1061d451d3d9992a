"""Every adapter keeps what was announced to people, and lets only one of two writers change it."""

import msgspec
import pytest

from journal.stores import NOW, OMS, Opened, Store, outcome, update
from journal.test_inbox import unrecognised
from trackpush_server.journal.announcements import (
    KEPT_UNCHANGED,
    KEPT_UNSEEN,
    Announced,
    AnnouncedEvent,
    AnnouncementRows,
    TargetState,
)
from trackpush_server.journal.model import PushState

SLACK = "WebhookServer/trackpush/main/slack"
OTHER = "PushConfig/acme/oms/pager"
TOLD = Announced(
    target=SLACK,
    subject="PushConfig",
    name=OMS,
    version=1,
    tenant="u-1",
    kind="EndpointFailing",
    since=7,
    changed_at=NOW,
)
FAILING = AnnouncedEvent(
    kind="EndpointFailing", subject="PushConfig", name=OMS, since=7, reason="EndpointFailing", message="It fails."
)
DEAD = AnnouncedEvent(
    kind="PushesDead", subject="PushConfig", name=OMS, since=9, reason="PushesDied", message="2 died.", number=2
)


def again(row: Announced, **changes: object) -> Announced:
    return msgspec.structs.replace(row, version=row.version + 1, **changes)


async def target(opened: Opened, name: str = SLACK) -> TargetState:
    found = await opened.journal.announcements.read()
    return next(state for state in found.targets if state.target == name)


async def test_what_was_announced_and_what_waits_survives_a_restart(store: Store) -> None:
    async with store.open() as opened:
        journal = opened.journal.announcements
        await journal.adopt([SLACK, OTHER], [], now=NOW)
        assert await journal.record([TOLD], [(SLACK, FAILING), (SLACK, DEAD)])
    async with store.open() as opened:
        journal = opened.journal.announcements
        assert await journal.read() == AnnouncementRows(
            targets=(TargetState(target=OTHER, seen_at=NOW), TargetState(target=SLACK, seen_at=NOW)),
            announced=(TOLD,),
            collecting=frozenset({SLACK}),
        )
        assert [entry.event for entry in await journal.collected(SLACK)] == [FAILING, DEAD]
        assert await journal.collected(OTHER) == ()


async def test_a_change_of_a_row_that_was_changed_meanwhile_is_refused_as_a_whole(store: Store) -> None:
    async with store.open() as opened:
        journal = opened.journal.announcements
        await journal.adopt([SLACK], [], now=NOW)
        assert await journal.record([TOLD], [(SLACK, FAILING)])
        other = msgspec.structs.replace(TOLD, name="acme/other")

        assert not await journal.record([other, TOLD], [(SLACK, DEAD)])
        assert not await journal.record([other, again(again(TOLD))], [(SLACK, DEAD)])

        assert (await journal.read()).announced == (TOLD,)
        assert [entry.event for entry in await journal.collected(SLACK)] == [FAILING]
        assert await journal.record([other, again(TOLD, kind="", since=0)], [])
        assert {row.kind for row in (await journal.read()).announced} == {"EndpointFailing", ""}


async def test_a_later_event_of_the_same_kind_replaces_the_earlier_one_and_adds_its_number(store: Store) -> None:
    async with store.open() as opened:
        journal = opened.journal.announcements
        await journal.adopt([SLACK], [], now=NOW)
        await journal.record([TOLD], [(SLACK, DEAD), (SLACK, FAILING)])
        later = msgspec.structs.replace(DEAD, since=11, number=3, message="3 died.")
        await journal.record([again(TOLD)], [(SLACK, later)])

        events = [entry.event for entry in await journal.collected(SLACK)]
        assert events == [FAILING, msgspec.structs.replace(later, number=5)]


async def test_a_message_takes_the_events_that_it_includes_and_no_later_ones(store: Store) -> None:
    async with store.open() as opened:
        journal = opened.journal.announcements
        await journal.adopt([SLACK], [], now=NOW)
        await journal.record([TOLD], [(SLACK, FAILING), (SLACK, DEAD)])
        included = (await journal.collected(SLACK))[-1].seq
        await journal.record([again(TOLD)], [(SLACK, DEAD)])  # replaces one that is included
        state = TargetState(target=SLACK, version=2, seen_at=NOW, width=60_000, until=NOW + 60_000, message_id="ann_1")

        assert await journal.put(state, body=b"hello", includes=included)

        assert [entry.event.kind for entry in await journal.collected(SLACK)] == ["PushesDead"]
        assert await target(opened) == state
        assert await journal.body(SLACK, "ann_1") == b"hello"
        assert await journal.body(SLACK, "ann_2") is None
    async with store.open() as opened:
        journal = opened.journal.announcements
        tried = msgspec.structs.replace(state, version=3, tries=1, due_at=NOW + 5, error="HTTP 503")
        assert await journal.put(tried)
        assert not await journal.put(tried)  # somebody else did that
        assert await journal.body(SLACK, "ann_1") == b"hello"
        assert await journal.put(msgspec.structs.replace(tried, version=4, message_id=None, error=None))
        assert await journal.body(SLACK, "ann_1") is None


async def test_totals_count_each_death_and_each_new_body_even_if_nothing_of_it_is_kept(store: Store) -> None:
    async with store.open() as opened:
        journal = opened.journal
        assert await journal.announcements.totals() == ()
        ids = [(await opened.put_one()).update_id for _ in range(3)]
        await opened.record(*(outcome(update_id, PushState.DEAD) for update_id in ids[:2]))
        await opened.record(outcome(ids[2]))
        await opened.put(update())
        assert await journal.pushes.expire(OMS, received_before=NOW + 10**9, limit=10) == 1
        await journal.replays.replay(OMS, ids[:1], now=NOW, replayed_before=NOW)
        for body in (b"one", b"two", b"one"):
            await journal.updates.keep([unrecognised(body)])
    async with store.open() as opened:
        found = await opened.journal.announcements.totals()
    assert [(total.subject, total.name, total.total) for total in found] == [
        ("AggregatorWebhook", "acme/clickpost", 2),
        ("PushConfig", OMS, 3),
    ]


async def test_a_new_target_begins_at_the_baseline_and_a_known_one_keeps_its_rows(store: Store) -> None:
    baseline = Announced(target=SLACK, subject="PushConfig", name=OMS, version=1, total=5)
    async with store.open() as opened:
        journal = opened.journal.announcements
        await journal.adopt([SLACK], [baseline], now=NOW)
        later = [msgspec.structs.replace(baseline, total=9), msgspec.structs.replace(baseline, name="acme/other")]
        await journal.adopt([SLACK], later, now=NOW + 1)

        found = await journal.read()
        assert found.announced == (baseline,)
        assert [state.seen_at for state in found.targets] == [NOW + 1]


@pytest.mark.parametrize("passed", [KEPT_UNSEEN - 1, KEPT_UNSEEN + 1])
async def test_a_target_is_forgotten_a_day_after_no_server_has_it(store: Store, passed: int) -> None:
    async with store.open() as opened:
        journal = opened.journal.announcements
        await journal.adopt([SLACK, OTHER], [], now=NOW)
        await journal.record([TOLD], [(SLACK, FAILING)])
        await journal.adopt([OTHER], [], now=NOW + passed)
        await journal.tidy(now=NOW + passed)

        found = await journal.read()
        left = passed < KEPT_UNSEEN
        assert {state.target for state in found.targets} == ({SLACK, OTHER} if left else {OTHER})
        assert (found.announced, found.collecting) == (((TOLD,), frozenset({SLACK})) if left else ((), frozenset()))


async def test_old_rows_are_forgotten_but_not_while_their_total_is_kept(store: Store) -> None:
    later = NOW + KEPT_UNCHANGED
    async with store.open() as opened:
        journal = opened.journal.announcements
        counted = msgspec.structs.replace(TOLD, subject="AggregatorWebhook", name="acme/clickpost", kind="", total=1)
        await journal.adopt([SLACK], [], now=NOW)
        await journal.record([TOLD, counted], [])
        await opened.journal.updates.keep([unrecognised(at=later + 10)])
        await journal.adopt([SLACK], [], now=later + 5)
        await journal.tidy(now=later + 5)

        assert (await journal.read()).announced == (counted,)
        assert [total.total for total in await journal.totals()] == [1]
