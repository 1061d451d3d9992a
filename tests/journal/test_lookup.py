"""The lookup, of every adapter: every filter and pages both ways, one push whole, a shipment's story, what waits."""

from collections.abc import AsyncIterator, Callable

import pytest

from journal.stores import NOW, OMS, Opened, Store, outcome, update
from support.rows import every_row
from trackpush_server.ids import push_id
from trackpush_server.journal import pagination, search
from trackpush_server.journal.model import Committed, JournalUnavailableError, NewAudit, NewPush, Outcome, PushState
from trackpush_server.journal.search import AttemptRow, PushPage, PushQuery, PushRow, QueueCount, ShipmentQuery

CRM = "acme/crm"
OTHER = "zeta/oms"
HOUR = 3_600_000
ERRORS = ("HTTP 422: unknown order", "HTTP 503", "timeout: no response within 10 s", "older than its maxAge")


@pytest.fixture
async def opened(store: Store) -> AsyncIterator[Opened]:
    async with store.open() as opened:
        yield opened


@pytest.fixture
async def story(opened: Opened) -> Opened:
    """Forty updates an hour apart, to one to three PushConfigs, in all states."""
    await opened.put(
        *(
            update(
                account="acme/shipway" if number % 6 == 0 else "acme/clickpost",
                received_at=NOW + number * HOUR,
                shipment=f"S{number % 5}" if number % 2 else f"return:{number}",
                awb=f"S{number % 5}",
                forward_awb="F" if number % 7 == 0 else None,
                order_id=f"O{number % 4}" if number % 4 else None,
                status="DELIVERED" if number % 3 else "IN_TRANSIT",
                to=[OMS, CRM, OTHER][: number % 3 + 1],
            )
            for number in range(40)
        ),
    )
    states = list(PushState)
    recorded: list[Outcome] = []
    for commit in opened.committed:
        state = states[commit.update_id % 4]
        if state is not PushState.PENDING:
            number = len(recorded)
            error = None if state is PushState.DELIVERED else ERRORS[number % len(ERRORS)]
            recorded.append(outcome(commit.update_id, state, started_at=NOW + number * HOUR, error=error))
            opened.journal.pushes.record(recorded[-1])
    await opened.journal.pushes.flush()
    return opened


async def listed(opened: Opened, **query: object) -> PushPage:
    return await opened.journal.search.list_pushes(PushQuery(**{"limit": 1000, **query}))  # type: ignore[arg-type]


FILTERS: dict[str, tuple[dict[str, object], Callable[[PushRow], bool]]] = {
    "none": ({}, lambda _: True),
    "awb": ({"awbs": ("S1",)}, lambda row: row.awb == "S1"),
    "forward AWB": ({"awbs": ("F",)}, lambda row: row.forward_awb == "F"),
    "unknown AWB": ({"awbs": ("X",)}, lambda _: False),
    "client": ({"client": "acme"}, lambda row: row.push_config.startswith("acme/")),
    "part of a client's name": ({"client": "ac"}, lambda _: False),
    "PushConfig": ({"push_config": OTHER}, lambda row: row.push_config == OTHER),
    "state": ({"state": PushState.DEAD}, lambda row: row.state is PushState.DEAD),
    "client and state": (
        {"client": "acme", "state": PushState.PENDING},
        lambda row: row.push_config.startswith("acme/") and row.state is PushState.PENDING,
    ),
    "AWB, PushConfig and state": (
        {"awbs": ("S2",), "push_config": CRM, "state": PushState.PENDING},
        lambda row: row.awb == "S2" and row.push_config == CRM and row.state is PushState.PENDING,
    ),
    "since": ({"since": NOW + 10 * HOUR}, lambda row: row.received_at >= NOW + 10 * HOUR),
    "until": ({"until": NOW + 10 * HOUR}, lambda row: row.received_at < NOW + 10 * HOUR),
    "client, since and until": (
        {"client": "zeta", "since": NOW + 3 * HOUR, "until": NOW + 20 * HOUR},
        lambda row: row.push_config == OTHER and NOW + 3 * HOUR <= row.received_at < NOW + 20 * HOUR,
    ),
    "before everything": ({"until": NOW - HOUR}, lambda _: False),
    "after everything": ({"since": NOW + 999 * HOUR}, lambda _: False),
    "order": ({"order_id": "O1"}, lambda row: row.order_id == "O1"),
    "unknown order": ({"order_id": "X"}, lambda _: False),
    "order and client": (
        {"order_id": "O2", "client": "zeta"},
        lambda row: row.order_id == "O2" and row.push_config == OTHER,
    ),
    "AWB and order": ({"awbs": ("S1",), "order_id": "O1"}, lambda row: row.awb == "S1" and row.order_id == "O1"),
    "status": ({"status": "DELIVERED"}, lambda row: row.status == "DELIVERED"),
    "status, PushConfig and state": (
        {"status": "DELIVERED", "push_config": CRM, "state": PushState.PENDING},
        lambda row: row.status == "DELIVERED" and row.push_config == CRM and row.state is PushState.PENDING,
    ),
    "status and client": (
        {"status": "IN_TRANSIT", "client": "acme"},
        lambda row: row.status == "IN_TRANSIT" and row.push_config.startswith("acme/"),
    ),
    "account": ({"account": "acme/shipway"}, lambda row: row.account == "acme/shipway" and row.push_config != OTHER),
    "several AWBs, one of them of a forward leg": (
        {"awbs": ("S1", "F", "X", "S1")},
        lambda row: row.awb == "S1" or row.forward_awb == "F",
    ),
    "several AWBs and a state": (
        {"awbs": ("S1", "S2"), "state": PushState.DEAD},
        lambda row: row.awb in {"S1", "S2"} and row.state is PushState.DEAD,
    ),
    "ended since": (
        {"ended_since": NOW + 5 * HOUR},
        lambda row: row.ended_at is not None and row.ended_at >= NOW + 5 * HOUR,
    ),
    "dead between two times": (
        {"ended_since": NOW + 5 * HOUR, "ended_until": NOW + 20 * HOUR, "state": PushState.DEAD},
        lambda row: row.state is PushState.DEAD and NOW + 5 * HOUR <= (row.ended_at or 0) < NOW + 20 * HOUR,
    ),
    "pending and ended": ({"ended_since": NOW, "state": PushState.PENDING}, lambda _: False),
    "a class of errors": ({"errors": ("4xx",)}, lambda row: (row.error or "").startswith("HTTP 4")),
    "several classes of errors": (
        {"errors": ("503", "timeout"), "client": "acme"},
        lambda row: row.push_config != OTHER and (row.error or "").startswith(("HTTP 503", "timeout")),
    ),
    "AWB and errors": (
        {"awbs": ("S1", "S2"), "errors": ("5xx", "too-old")},
        lambda row: row.awb in {"S1", "S2"} and (row.error or "").startswith(("HTTP 5", "older")),
    ),
    "status and errors": (
        {"status": "DELIVERED", "errors": ("4xx", "too-old")},
        lambda row: row.status == "DELIVERED" and (row.error or "").startswith(("HTTP 4", "older")),
    ),
    "account of another client": (
        {"account": "acme/shipway", "client": "zeta"},
        lambda row: row.push_config == OTHER and row.account == "acme/shipway",
    ),
}


@every_row("name", FILTERS)
async def test_a_list_holds_what_matches_newest_first(story: Opened, name: str) -> None:
    query, matches = FILTERS[name]
    everything = (await listed(story)).rows
    assert len(everything) == sum(len(commit.update.pushes) for commit in story.committed)
    expected = [row for row in everything if matches(row)]
    page = await listed(story, **query)
    assert [row.push_id for row in page.rows] == [row.push_id for row in expected]
    assert (page.older, page.newer) == (None, None)
    times = [row.received_at for row in everything]
    assert times == sorted(times, reverse=True)


@every_row("name", FILTERS)
async def test_pages_to_older_ones_and_back_give_the_whole_list(story: Opened, name: str) -> None:
    query, _ = FILTERS[name]
    whole = (await listed(story, **query)).rows
    for limit in (1 if len(whole) < 20 else 3, 7):
        pages = await walk(story, limit=limit, **query)
        assert [row for page in pages for row in page.rows] == list(whole)
        back = [pages[-1]]
        while back[-1].newer is not None:
            back.append(await listed(story, **query, limit=limit, cursor=back[-1].newer, newer=True))
        assert [row for page in reversed(back) for row in page.rows] == list(whole)


async def walk(opened: Opened, **query: object) -> list[PushPage]:
    """All pages, from the newest on."""
    pages = [await listed(opened, **query)]
    while pages[-1].older is not None:
        pages.append(await listed(opened, **query, cursor=pages[-1].older))
    return pages


@every_row("name", FILTERS)
async def test_a_look_that_ends_early_says_where_to_continue(
    story: Opened, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, _ = FILTERS[name]
    whole = (await listed(story, **query)).rows
    with monkeypatch.context() as patched:
        for module in (search, pagination):
            patched.setattr(module, "MOST_LOOKED", 4)
        pages = await walk(story, **query, limit=20)
    assert [row for page in pages for row in page.rows] == list(whole)


async def test_new_pushes_come_up_behind_the_first_page(story: Opened) -> None:
    first = (await listed(story, limit=5)).rows
    await story.put(update(to=[OMS]))
    page = await listed(story, cursor=first[0].cursor, newer=True)
    assert [row.push_config for row in page.rows] == [OMS]
    assert (page.newer, page.older) == (None, page.rows[-1].cursor)


async def test_a_push_is_shown_with_its_attempts_and_bodies(opened: Opened) -> None:
    one = await opened.put_one(to=[CRM, OMS], awb="A", order_id="O", occurred_at=NOW - 5)
    await opened.record(
        outcome(one.update_id, PushState.PENDING, tries=1, http_status=500, error="500 oops", due_at=NOW + 1),
        outcome(one.update_id, PushState.DELIVERED, tries=2, http_status=200, started_at=NOW + 2, duration_ms=2.5),
    )
    detail = await opened.journal.search.show(push_id(one.update.key, OMS))
    assert detail is not None
    assert detail.attempts == (
        AttemptRow(number=1, started_at=NOW, duration_ms=1.5, http_status=500, error="500 oops"),
        AttemptRow(number=2, started_at=NOW + 2, duration_ms=2.5, http_status=200, error=None),
    )
    assert (detail.notification, detail.body) == (one.update.notification, one.update.body)
    push = detail.push
    assert (push.push_config, push.account, push.awb, push.order_id) == (OMS, "acme/clickpost", "A", "O")
    assert (push.state, push.tries, push.error) == (PushState.DELIVERED, 2, None)
    assert push.ended_at is not None


async def test_a_push_that_ended_without_an_attempt_shows_why_and_no_attempt(opened: Opened) -> None:
    one = await opened.put_one()
    await opened.record(outcome(one.update_id, PushState.DEAD, tries=0, error="too old", attempted=False))
    detail = await opened.journal.search.show(push_id(one.update.key, OMS))
    assert detail is not None
    assert (detail.push.error, detail.attempts) == ("too old", ())


async def test_late_and_dropped_pushes_say_so(opened: Opened) -> None:
    await opened.put_one(shipment="S", occurred_at=200)
    await opened.put_one(shipment="S", occurred_at=100, to=[NewPush(OMS, drop_late=True)])
    newest, oldest = (await listed(opened)).rows
    assert (newest.late, newest.state, oldest.late) == (True, PushState.DROPPED, False)


async def behind(opened: Opened) -> dict[str, str]:
    """The id of each pending push that waits for an earlier one of its lane, with the id of that one."""
    rows = (await listed(opened, state=PushState.PENDING)).rows
    heads = await opened.journal.search.lane_heads([row.cursor for row in rows])
    return {row.push_id: heads[row.cursor] for row in rows if row.cursor in heads}


async def test_the_earliest_pending_push_of_each_lane_is_known(opened: Opened) -> None:
    first, second, third = [await opened.put_one(shipment="S", to=[OMS, CRM]) for _ in range(3)]
    await opened.put_one(shipment="S", account="acme/shipway")
    await opened.put_one(shipment="T")

    def wait_for(head: Committed, *waiting: Committed, name: str) -> dict[str, str]:
        return {push_id(push.update.key, name): push_id(head.update.key, name) for push in waiting}

    both = wait_for(first, second, third, name=OMS) | wait_for(first, second, third, name=CRM)
    assert await behind(opened) == both
    await opened.record(outcome(first.update_id, PushState.DELIVERED))
    assert await behind(opened) == wait_for(second, third, name=OMS) | wait_for(first, second, third, name=CRM)
    await opened.record(outcome(second.update_id, PushState.DEAD))
    assert await behind(opened) == wait_for(first, second, third, name=CRM)


async def test_no_lane_is_known_of_ended_and_unknown_pushes(opened: Opened) -> None:
    first = await opened.put_one(shipment="S")
    await opened.put_one(shipment="S")
    rows = (await listed(opened)).rows
    await opened.record(*(outcome(first.update_id + number, PushState.DELIVERED) for number in range(2)))
    assert await opened.journal.search.lane_heads([*(row.cursor for row in rows), "9999.1"]) == {}
    assert await opened.journal.search.lane_heads([]) == {}
    with pytest.raises(ValueError, match="not a cursor"):
        await opened.journal.search.lane_heads(["next"])


async def test_an_unknown_push_is_none_and_no_id_is_an_error(opened: Opened) -> None:
    one = await opened.put_one()
    assert await opened.journal.search.show(push_id(b"\0" * 16, OMS)) is None
    assert await opened.journal.search.show(push_id(one.update.key, CRM)) is None
    with pytest.raises(ValueError, match="not a push id"):
        await opened.journal.search.show("psh_1")


async def test_a_foreign_cursor_and_an_absurd_limit_are_errors(opened: Opened) -> None:
    for cursor in ("next", "1", "1.", "-1.2", f"1.{10**30}"):
        with pytest.raises(ValueError, match="not a cursor"):
            await listed(opened, cursor=cursor)
    with pytest.raises(ValueError, match="newer needs a cursor"):
        await listed(opened, newer=True)
    for limit in (0, 1001):
        with pytest.raises(ValueError, match="out of bounds"):
            await listed(opened, limit=limit)
        with pytest.raises(ValueError, match="out of bounds"):
            await opened.journal.search.timeline(ShipmentQuery(shipment="S", limit=limit))


async def test_a_timeline_shows_each_update_with_its_pushes_and_their_attempts(opened: Opened) -> None:
    first = await opened.put_one(shipment="S", awb="S", occurred_at=200, to=[OMS, CRM])
    second = await opened.put_one(shipment="S", awb="S", occurred_at=100, to=[NewPush(OMS, drop_late=True)])
    returned = await opened.put_one(shipment="return:1", awb="R", forward_awb="S", to=[])
    await opened.put_one(shipment="T", awb="T")
    await opened.record(
        outcome(first.update_id, PushState.PENDING, tries=1, http_status=503, error="503 busy"),
        outcome(first.update_id, PushState.DEAD, tries=2, http_status=400, error="400 no"),
    )
    await opened.journal.replays.replay(OMS, [first.update_id], now=NOW, replayed_before=NOW)
    timeline = await opened.journal.search.timeline(ShipmentQuery(shipment="S"))
    assert [entry.update_id for entry in timeline.entries] == [entry.update_id for entry in (first, second, returned)]
    assert timeline.after is None
    one, two, three = timeline.entries
    assert [push.push.push_config for push in one.pushes] == [CRM, OMS]
    replayed = one.pushes[1]
    assert (replayed.push.state, replayed.push.replays) == (PushState.PENDING, 1)
    assert [(tried.number, tried.http_status, tried.error) for tried in replayed.attempts] == [
        (1, 503, "503 busy"),
        (2, 400, "400 no"),
    ]
    assert one.notification == first.update.notification
    assert [(push.push.state, push.push.late) for push in two.pushes] == [(PushState.DROPPED, True)]
    assert (three.forward_awb, three.pushes) == ("S", ())


async def test_a_timeline_is_paged_and_can_be_one_clients(opened: Opened) -> None:
    ids = [
        (await opened.put_one(shipment="S", awb="S", account=f"{client}/clickpost", to=[])).update_id
        for client in ("acme", "zeta", "acme", "zeta", "acme")
    ]
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await opened.journal.search.timeline(ShipmentQuery(shipment="S", client="acme", after=after, limit=2))
        found += [entry.update_id for entry in page.entries]
        after = page.after
    assert found == ids[::2]


async def test_a_timeline_shows_the_latest_of_many_attempts(opened: Opened) -> None:
    one = await opened.put_one(shipment="S", awb="S")
    most = search.MOST_ATTEMPTS
    await opened.record(*(outcome(one.update_id, PushState.PENDING, tries=number) for number in range(1, most + 6)))
    timeline = await opened.journal.search.timeline(ShipmentQuery(shipment="S"))
    assert [tried.number for tried in timeline.entries[0].pushes[0].attempts] == list(range(6, most + 6))
    detail = await opened.journal.search.show(push_id(one.update.key, OMS))
    assert detail is not None
    assert len(detail.attempts) == most + 5


async def test_counts_tell_what_waits_since_when_and_what_is_dead(opened: Opened) -> None:
    updates = [await opened.put_one(received_at=NOW + number, to=[OMS, CRM]) for number in range(4)]
    await opened.record(
        outcome(updates[0].update_id, PushState.DEAD),
        *(outcome(update.update_id, PushState.DELIVERED, push_config=CRM) for update in updates),
    )
    assert await opened.journal.search.counts() == (
        QueueCount(push_config=CRM, pending=0, dead=0, oldest_received_at=None),
        QueueCount(push_config=OMS, pending=3, dead=1, oldest_received_at=NOW + 1),
    )


async def test_the_audit_log_is_kept_and_read_newest_first(store: Store) -> None:
    entries = [
        NewAudit(
            at=NOW + number,
            actor="ops@example.com",
            role="operate",
            action="replay.start",
            target="client acme",
            address="127.0.0.1",
        )
        for number in range(3)
    ]
    async with store.open() as opened:
        for entry in entries:
            await opened.journal.audit.add(entry)
    async with store.open() as opened:
        rows = await opened.journal.search.audits(before=None, limit=2)
        assert [row.at for row in rows] == [NOW + 2, NOW + 1]
        (last,) = await opened.journal.search.audits(before=rows[-1].id, limit=2)
        assert (last.at, last.actor, last.role, last.action, last.target, last.address) == (
            NOW,
            "ops@example.com",
            "operate",
            "replay.start",
            "client acme",
            "127.0.0.1",
        )


async def test_a_closed_lookup_says_so(store: Store) -> None:
    async with store.open() as opened:
        pass
    with pytest.raises(JournalUnavailableError):
        await opened.journal.search.counts()


async def test_a_name_without_pushes_is_explained_with_a_similar_one(story: Opened) -> None:
    hints = {
        "acm": (await listed(story, client="acm")).hint,
        "ACME": (await listed(story, client="ACME")).hint,
        "nobody": (await listed(story, client="nobody")).hint,
        "acme/omss": (await listed(story, push_config="acme/omss")).hint,
        "acne/clickpost": (await listed(story, account="acne/clickpost")).hint,
        "a known one": (await listed(story, client="acme", awbs=("X",))).hint,
    }
    assert hints == {
        "acm": "the client acm has no pushes; did you mean acme?",
        "ACME": "the client ACME has no pushes; did you mean acme?",
        "nobody": "the client nobody has no pushes",
        "acme/omss": "the PushConfig acme/omss has no pushes; did you mean acme/oms?",
        "acne/clickpost": "the client acne has no pushes; did you mean acme?",
        "a known one": None,
    }


async def test_more_awbs_than_a_query_may_name_are_an_error(opened: Opened) -> None:
    with pytest.raises(ValueError, match="201 AWBs are too many: name at most 200"):
        await listed(opened, awbs=tuple(map(str, range(201))))
