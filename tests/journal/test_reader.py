"""The reader for people: with the server up, down or killed; every filter; pages by cursor."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from faults.disk import small_disk
from journal.stores import NOW, OMS, Opened, outcome, sqlite_store, update
from trackpush_server.ids import push_id
from trackpush_server.journal.port import JournalUnavailableError, NewPush, PushState
from trackpush_server.journal.reader import AttemptRow, JournalReader, PushQuery, PushRow

CRM = "acme/crm"
OTHER = "zeta/oms"
HOUR = 3_600_000


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    async with sqlite_store(tmp_path).open() as opened:
        yield opened


@pytest.fixture
async def story(opened: Opened) -> Opened:
    """Forty updates an hour apart, to one to three PushConfigs, in all states."""
    await opened.put(
        *(
            update(
                received_at=NOW + number * HOUR,
                shipment=f"S{number % 5}" if number % 2 else f"return:{number}",
                awb=f"S{number % 5}",
                forward_awb="F" if number % 7 == 0 else None,
                to=[OMS, CRM, OTHER][: number % 3 + 1],
            )
            for number in range(40)
        ),
    )
    states = list(PushState)
    for one in opened.committed:
        state = states[one.update_id % 4]
        if state is not PushState.PENDING:
            opened.journal.record(outcome(one.update_id, state))
    await opened.journal.flush()
    return opened


def _list(path: Path, **query: object) -> tuple[PushRow, ...]:
    with JournalReader(path) as reader:
        return reader.list_pushes(PushQuery(**{"limit": 1000, **query}))  # type: ignore[arg-type]


FILTERS = {
    "none": ({}, lambda _: True),
    "awb": ({"awb": "S1"}, lambda row: row.awb == "S1"),
    "forward AWB": ({"awb": "F"}, lambda row: row.forward_awb == "F"),
    "unknown AWB": ({"awb": "X"}, lambda _: False),
    "client": ({"client": "acme"}, lambda row: row.push_config.startswith("acme/")),
    "part of a client's name": ({"client": "ac"}, lambda _: False),
    "PushConfig": ({"push_config": OTHER}, lambda row: row.push_config == OTHER),
    "state": ({"state": PushState.DEAD}, lambda row: row.state is PushState.DEAD),
    "client and state": (
        {"client": "acme", "state": PushState.PENDING},
        lambda row: row.push_config.startswith("acme/") and row.state is PushState.PENDING,
    ),
    "AWB, PushConfig and state": (
        {"awb": "S2", "push_config": CRM, "state": PushState.PENDING},
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
}


@pytest.mark.parametrize("name", FILTERS)
async def test_a_list_holds_what_matches_newest_first(story: Opened, tmp_path: Path, name: str) -> None:
    query, matches = FILTERS[name]
    everything = _list(tmp_path)
    assert len(everything) == sum(len(one.update.pushes) for one in story.committed)
    expected = [row for row in everything if matches(row)]
    assert [row.push_id for row in _list(tmp_path, **query)] == [row.push_id for row in expected]
    times = [row.received_at for row in everything]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("limit", [1, 7])
async def test_pages_by_cursor_give_the_whole_list(story: Opened, tmp_path: Path, name: str, limit: int) -> None:
    del story
    query, _ = FILTERS[name]
    rows: list[PushRow] = []
    while page := _list(tmp_path, **query, limit=limit, cursor=rows[-1].cursor if rows else None):
        assert len(page) <= limit
        rows += page
    assert rows == list(_list(tmp_path, **query))


async def test_a_push_is_shown_with_its_attempts_and_bodies(opened: Opened, tmp_path: Path) -> None:
    one = await opened.put_one(to=[CRM, OMS], awb="A", order_id="O", occurred_at=NOW - 5)
    await opened.record(
        outcome(one.update_id, PushState.PENDING, tries=1, http_status=500, error="500 oops", due_at=NOW + 1),
        outcome(one.update_id, PushState.DELIVERED, tries=2, http_status=200, started_at=NOW + 2, duration_ms=2.5),
    )
    with JournalReader(tmp_path) as reader:
        detail = reader.show(push_id(one.update.key, OMS))
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


async def test_a_push_that_ended_without_an_attempt_shows_why_and_no_attempt(opened: Opened, tmp_path: Path) -> None:
    one = await opened.put_one()
    await opened.record(outcome(one.update_id, PushState.DEAD, tries=0, error="too old", attempted=False))
    with JournalReader(tmp_path) as reader:
        detail = reader.show(push_id(one.update.key, OMS))
    assert detail is not None
    assert (detail.push.error, detail.attempts) == ("too old", ())


async def test_late_and_dropped_pushes_say_so(opened: Opened, tmp_path: Path) -> None:
    await opened.put_one(shipment="S", occurred_at=200)
    await opened.put_one(shipment="S", occurred_at=100, to=[NewPush(OMS, drop_late=True)])
    newest, oldest = _list(tmp_path)
    assert (newest.late, newest.state, oldest.late) == (True, PushState.DROPPED, False)


async def test_an_unknown_push_is_none_and_no_id_is_an_error(opened: Opened, tmp_path: Path) -> None:
    one = await opened.put_one()
    with JournalReader(tmp_path) as reader:
        assert reader.show(push_id(b"\0" * 16, OMS)) is None
        assert reader.show(push_id(one.update.key, CRM)) is None
        with pytest.raises(ValueError, match="not a push id"):
            reader.show("psh_1")


async def test_a_foreign_cursor_and_an_absurd_limit_are_errors(opened: Opened, tmp_path: Path) -> None:
    del opened
    with pytest.raises(ValueError, match="not a cursor"):
        _list(tmp_path, cursor="next")
    with pytest.raises(ValueError, match="out of bounds"):
        _list(tmp_path, limit=0)


async def test_the_reader_works_after_the_server_ended_and_cannot_write(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
    with JournalReader(tmp_path / "journal.db") as reader:
        assert len(reader.list_pushes(PushQuery())) == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._connection.execute("DELETE FROM pushes")


async def test_the_reader_works_on_a_read_only_file_system(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        async with sqlite_store(disk.path / "data #1?").open() as opened:
            await opened.put(update())
        disk.read_only(on=True)
        assert len(_list(disk.path / "data #1?")) == 1


def test_a_folder_without_a_journal_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailableError, match="give the folder that `serve --data` was given"):
        JournalReader(tmp_path)


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"\xa5" * 8192)
    with pytest.raises(JournalUnavailableError, match="damaged"):
        _list(tmp_path)
