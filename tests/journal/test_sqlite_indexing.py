"""SQLite: updates are found wherever their terms are: in memory, half merged, merged, or read again after a crash."""

import asyncio
import contextlib
import os
import random
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from journal.stores import NOW, OMS, Opened, outcome, sqlite_store, update
from journal.test_erase import erase
from support.deadline import until
from support.journal_file import journal_file
from trackpush_server.journal.model import (
    Committed,
    JournalUnavailableError,
    NewPush,
    NewUpdate,
    PushState,
    RetentionCutoffs,
    Selection,
)
from trackpush_server.journal.search import PushQuery, ShipmentQuery
from trackpush_server.journal.sqlite import SqliteJournal, indexing, schema, write_batch
from trackpush_server.journal.sqlite.connection import open_writer
from trackpush_server.journal.sqlite.terms import term

CRM = "acme/crm"
LIVES = 5
STATUSES = ("IN_TRANSIT", "DELIVERED", "RTO_INITIATED")
SEED = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture(autouse=True)
def small_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep begins after about 30 updates and takes many commits."""
    monkeypatch.setattr(indexing, "FEWEST", 150)
    monkeypatch.setattr(indexing, "MOST", 150)
    monkeypatch.setattr(indexing, "_FEWEST_ENTRIES", 7)
    monkeypatch.setattr(indexing, "_PACE", 2)


class Model:
    """What the journal has to know, by brute force."""

    def __init__(self, drawn: random.Random) -> None:
        self.drawn = drawn
        self.stored: list[Committed] = []
        self.erased: set[str] = set()
        self.trimmed: set[int] = set()

    def made(self) -> NewUpdate:
        """An update of one of a few shipments, at any time; some repeat an earlier one."""
        drawn = self.drawn
        if self.stored and drawn.random() < 0.1:
            return drawn.choice(self.stored).update
        awb = f"A{drawn.randrange(12)}"
        return update(
            shipment=awb if drawn.random() < 0.8 else f"return:{awb}",
            awb=awb,
            forward_awb=f"A{drawn.randrange(12)}" if drawn.random() < 0.2 else None,
            order_id=f"O{drawn.randrange(12)}" if drawn.random() < 0.7 else None,
            status=drawn.choice(STATUSES),
            occurred_at=NOW + drawn.randrange(1000) if drawn.random() < 0.9 else None,
            to=drawn.choice(([OMS], [OMS, CRM], [CRM], [NewPush(OMS, drop_late=True)])),
        )

    def late_for(self, new: NewUpdate, update_id: int) -> set[str]:
        """PushConfigs to which a newer update of its shipment went or goes."""
        return {
            push.push_config
            for push in new.pushes
            for commit in self.stored
            if commit.update_id < update_id
            and commit.update_id not in self.trimmed
            and commit.update.shipment == new.shipment
            and commit.update.shipment not in self.erased
            and commit.update.occurred_at is not None
            and new.occurred_at is not None
            and commit.update.occurred_at > new.occurred_at
            and push.push_config in {other.push_config for other in commit.update.pushes}
            and push.push_config not in commit.dropped
        }

    def kept(self) -> Iterator[Committed]:
        """Updates that nothing has removed."""
        return (commit for commit in self.stored if commit.update_id not in self.trimmed)


async def put(opened: Opened, model: Model, count: int) -> None:
    """One request; its answer and what was announced are right."""
    made = [model.made() for _ in range(count)]
    known = {commit.update.key for commit in model.kept()}
    expected = {update.key for update in made} - known
    before = len(opened.committed)
    refused = roll_back(opened) if model.drawn.random() < 0.3 else None
    assert await opened.put(*made) == len(expected)
    if refused is not None:
        with pytest.raises(JournalUnavailableError):
            await refused
    for commit in opened.committed[before:]:
        assert set(commit.late) == model.late_for(commit.update, commit.update_id), (commit, "late")
        model.stored.append(commit)


def roll_back(opened: Opened) -> asyncio.Future[int]:
    """Roll back the transaction of this and of what is queued next; all of it is tried again, one by one."""

    def fail(_: object) -> int:
        raise TypeError("a value that can't be stored")

    return opened.journal._access.write(fail)  # type: ignore[attr-defined,no-any-return]


async def check(opened: Opened, model: Model) -> None:
    """Every search finds exactly what it should."""
    lookup = opened.journal.search
    rows = (await lookup.list_pushes(PushQuery(limit=1000))).rows
    pending = [row for row in rows if row.state is PushState.PENDING]  # newest first
    heads = {(row.push_config, row.account, row.shipment): row.push_id for row in pending}
    lanes = ((row.cursor, row.push_id, heads[row.push_config, row.account, row.shipment]) for row in pending)
    behind = await lookup.lane_heads([row.cursor for row in pending])
    assert behind == {cursor: head for cursor, own, head in lanes if head != own}
    visible = {(commit.update.key, push.push_config) for commit in model.kept() for push in commit.update.pushes}
    assert len(rows) == len(visible)
    for query, matches in (
        *((PushQuery(awbs=(awb,), limit=1000), ("awb", awb)) for awb in (f"A{number}" for number in range(12))),
        *(
            (PushQuery(order_id=order, limit=1000), ("order", order))
            for order in (f"O{number}" for number in range(12))
        ),
        *((PushQuery(status=status, limit=1000), ("status", status)) for status in STATUSES),
        *((PushQuery(push_config=CRM, state=state, limit=1000), ("state", state)) for state in PushState),
    ):
        kind, value = matches
        wanted = [
            row.push_id
            for row in rows
            if value
            in {
                "awb": {row.awb, row.forward_awb},
                "order": {row.order_id},
                "status": {row.status},
                "state": {row.state} if row.push_config == CRM else set(),
            }[kind]  # type: ignore[comparison-overlap]
        ]
        assert [row.push_id for row in (await lookup.list_pushes(query)).rows] == wanted, matches
    for awb in (f"A{number}" for number in range(12)):
        found = [entry.update_id for entry in (await lookup.timeline(ShipmentQuery(shipment=awb, limit=1000))).entries]
        assert found == [
            commit.update_id
            for commit in model.kept()
            if awb in {commit.update.shipment, commit.update.awb, commit.update.forward_awb} - model.erased
            and not (model.erased & {commit.update.shipment, commit.update.awb, commit.update.forward_awb})
        ]
    for row in model.drawn.sample(rows, min(len(rows), 5)):
        detail = await lookup.show(row.push_id)
        assert detail is not None
        assert detail.push == row
    selection = Selection(states=(PushState.DELIVERED, PushState.DEAD), replayed_before=1 << 60)
    ended = await opened.journal.replays.ended(CRM, selection, after=0, limit=1000)
    assert [(push.update_id, push.state) for push in ended] == sorted(
        (int(row.cursor.split(".")[0]), row.state)
        for row in rows
        if row.push_config == CRM and row.state in selection.states and row.erased_at is None
    )
    assert set(await opened.journal.replays.push_configs()) >= {row.push_config for row in rows}


async def deliver(opened: Opened, model: Model) -> None:
    """Some pushes end."""
    for commit in model.drawn.sample(opened.committed, min(len(opened.committed), 10)):
        for push in commit.update.pushes:
            if push.push_config not in commit.dropped and commit.update_id not in model.trimmed:
                state = model.drawn.choice((PushState.DELIVERED, PushState.DEAD))
                opened.journal.pushes.record(outcome(commit.update_id, state, push_config=push.push_config))
    await opened.journal.pushes.flush()


def crashed(folder: Path, to: Path) -> Path:
    """The folder as a kill at this moment leaves it: the file and its log, but not what is in memory."""
    to.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (folder / name).exists():
            shutil.copy(folder / name, to / name)
    return to


@pytest.mark.parametrize("run", range(2))
async def test_nothing_is_lost_missed_or_found_twice_through_sweeps_and_crashes(tmp_path: Path, run: int) -> None:
    print(f"TRACKPUSH_SEED={SEED}")  # noqa: T201  shown when it fails, to run it again
    model = Model(random.Random(SEED + run))  # noqa: S311  reproducible
    folder = tmp_path / "0"
    for life in range(1, LIVES + 1):
        async with sqlite_store(folder).open() as opened:
            for _ in range(60 if life == LIVES else model.drawn.randrange(3, 25)):  # a sweep ends in the last one
                await put(opened, model, model.drawn.randrange(1, 8))
                if model.drawn.random() < 0.3:
                    await deliver(opened, model)
            await check(opened, model)
            folder = crashed(folder, tmp_path / str(life))
    with journal_file(folder / "journal.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT up_to FROM indexed").fetchone()[0] > 0, "no sweep has ended"


async def test_what_was_erased_is_not_found_wherever_its_terms_were(tmp_path: Path) -> None:
    model = Model(random.Random(7))  # noqa: S311  the same at each run: some of its terms are merged, others are not
    names = {awb: {term("name", awb), term("name", f"return:{awb}")} for awb in (f"A{number}" for number in range(6))}
    async with sqlite_store(tmp_path).open() as opened:
        for _ in range(60):
            await put(opened, model, 3)
        assert all(found & set.union(*names.values()) for found in await entries(opened))
        for awb, terms in names.items():
            await erase(opened, awb=awb)
            assert not any(found & terms for found in await entries(opened))
            assert not (await opened.journal.search.list_pushes(PushQuery(awbs=(awb,)))).rows
            assert not (await opened.journal.search.timeline(ShipmentQuery(shipment=awb))).entries
            erased = [commit.update for commit in model.stored if awb in {commit.update.awb, commit.update.shipment}]
            assert await opened.put(*erased) == 0, "a repeat of an erased update is still known"


async def test_an_update_is_late_if_only_the_oldest_of_many_newer_ones_went_to_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_batch, "_AT_ONCE", 3)
    async with sqlite_store(tmp_path).open() as opened:
        for number in range(8):
            await opened.put_one(shipment="S", occurred_at=NOW + number, to=[CRM] if number else [OMS])
        assert (await opened.put_one(shipment="S", occurred_at=NOW - 1, to=[OMS])).late == (OMS,)
        assert (await opened.put_one(shipment="S", occurred_at=NOW + 1, to=[OMS])).late == ()


async def test_a_transaction_that_is_rolled_back_leaves_nothing_in_memory(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        go = threading.Event()
        held = opened.journal._access.write(lambda _: int(go.wait(30)))  # type: ignore[attr-defined]
        stored, refused = opened.journal.updates.append([update()]), roll_back(opened)
        go.set()
        assert (await held, await stored) == (1, 1)
        with pytest.raises(JournalUnavailableError):
            await refused
        memory = opened.journal._access.writer._indexing  # type: ignore[attr-defined]
        assert all(memory._recent.ids(term) == [opened.committed[0].update_id] for term in memory._recent._packed)


async def entries(opened: Opened) -> list[set[int]]:
    """Terms in the file, and in memory."""
    found: list[set[int]] = []

    def read(connection: Any) -> int:
        found.append({row[0] for row in connection.execute("SELECT term FROM terms")})
        found.append({term for recent in memory._both() for term in recent._packed})
        return 0

    memory = opened.journal._access.writer._indexing  # type: ignore[attr-defined]

    await opened.journal._access.write(read)  # type: ignore[attr-defined]
    return found


async def test_a_push_that_was_added_later_is_found_once_wherever_the_terms_of_its_update_are(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    delivered: set[int] = set()
    for life in range(1, LIVES + 1):
        async with sqlite_store(folder).open() as opened:
            for _ in range(40):
                left_out = [(await opened.put_one(to=[OMS])).update_id for _ in range(2)]
                known = [commit.update_id for commit in opened.committed if commit.update_id not in delivered]
                chosen = {known[0], left_out[-1]}  # the oldest, which may be merged, and the newest, which is not
                assert await opened.journal.replays.add_pushes(CRM, sorted(chosen), now=NOW) == len(chosen)
                await opened.record(*(outcome(update_id, push_config=CRM) for update_id in sorted(chosen)))
                delivered |= chosen
            query = PushQuery(push_config=CRM, state=PushState.DELIVERED, limit=1000)
            rows = (await opened.journal.search.list_pushes(query)).rows
            assert sorted(int(row.cursor.split(".")[0]) for row in rows) == sorted(delivered)
            selection = Selection(states=(PushState.DELIVERED,), replayed_before=1 << 60)
            ended = await opened.journal.replays.ended(CRM, selection, after=0, limit=1000)
            assert [push.update_id for push in ended] == sorted(delivered)
            folder = crashed(folder, tmp_path / str(life))
    with journal_file(folder / "journal.db") as connection:
        assert connection.execute("SELECT up_to FROM indexed").fetchone()[0] > 0, "no sweep has ended"


async def test_retention_leaves_entries_to_the_next_sweep(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        for number in range(60):
            one = await opened.put_one(shipment=f"S{number % 5}", occurred_at=NOW + number)
            await opened.record(outcome(one.update_id))
        before = opened.committed[-1].update_id
        keep = RetentionCutoffs(delivered_since=1 << 60, dead_since=1 << 60)
        after: int | None = 0
        while after is not None:
            after = (await opened.journal.retention.trim(keep, after=after, limit=20)).next_after
        first = opened.committed[0].update
        assert await opened.put(first) == 1, "forgotten, so no repeat"
        for number in range(200):
            await opened.put_one(shipment=f"S{number % 4 + 1}", occurred_at=NOW - 1000 + number)
        assert not any(commit.late for commit in opened.committed[-200:]), "what made them late is forgotten"
    with journal_file(tmp_path / "journal.db") as connection:
        left = connection.execute("SELECT count(*) FROM terms WHERE update_id <= ?", (before,)).fetchone()[0]
    assert left == 0


async def test_ids_continue_after_all_updates_were_forgotten_and_the_server_restarted(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        for _ in range(100):
            one = await opened.put_one()
            await opened.record(outcome(one.update_id))
        last = opened.committed[-1].update_id
        after: int | None = 0
        while after is not None:
            after = (
                await opened.journal.retention.trim(
                    RetentionCutoffs(delivered_since=1 << 60, dead_since=1 << 60), after=after, limit=50
                )
            ).next_after
    with journal_file(tmp_path / "journal.db") as connection:
        assert connection.execute("SELECT count(*) FROM updates").fetchone() == (0,)
        up_to = connection.execute("SELECT up_to FROM indexed").fetchone()[0]
    assert 0 < up_to <= last
    async with sqlite_store(tmp_path).open() as opened:
        one = await opened.put_one(shipment="S", awb="S")
        assert one.update_id > up_to
        assert len((await opened.journal.search.list_pushes(PushQuery(awbs=("S",)))).rows) == 1


async def test_two_names_with_the_same_number_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trackpush_server.journal.sqlite import connection  # noqa: PLC0415  changed here alone

    for module in (write_batch, connection, indexing):
        monkeypatch.setattr(module, "term", lambda kind, _: len(kind))
    async with sqlite_store(tmp_path).open() as opened:
        one = await opened.put_one(shipment="S", awb="S", order_id="O", status="DELIVERED", occurred_at=200)
        two = await opened.put_one(shipment="T", awb="T", order_id="P", status="IN_TRANSIT", occurred_at=100)
        assert two.late == ()
        assert (await opened.put_one(shipment="S", awb="S", occurred_at=100, status="IN_TRANSIT")).late == (OMS,)
        assert await opened.put(one.update, two.update) == 0
        for _ in range(60):
            await opened.put_one(status="IN_TRANSIT")
        for query in ({"awbs": ("T",)}, {"order_id": "P"}):
            (row,) = (await opened.journal.search.list_pushes(PushQuery(**query))).rows  # type: ignore[arg-type]
            assert row.shipment == "T"
        (row,) = (await opened.journal.search.list_pushes(PushQuery(status="DELIVERED"))).rows
        assert row.shipment == "S"
        assert [
            entry.shipment for entry in (await opened.journal.search.timeline(ShipmentQuery(shipment="T"))).entries
        ] == ["T"]


async def test_an_offline_step_keeps_what_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        for _ in range(10):
            await opened.put_one()
        first = await opened.put_one(shipment="S", occurred_at=200)
        reads: list[Any] = []
        monkeypatch.setattr(indexing, "up_to_of", lambda _: reads.append(1))
        await opened.journal.encryption.scrub()
        assert await opened.put(first.update) == 0
        assert (await opened.put_one(shipment="S", occurred_at=100)).late == (OMS,)
        assert reads == [], "the updates were read again"


_OLD = 5
"""The last schema before ``terms``."""


def old_journal(path: Path, updates: Sequence[NewUpdate]) -> None:
    """A file as the version before wrote it."""
    with journal_file(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for number, script in schema.changes().items():
            if number <= _OLD:
                connection.execute(f"{script};\nPRAGMA user_version = {number};")
        connection.execute("INSERT INTO names VALUES (1, 'acme/clickpost'), (2, 'acme/oms')")
        connection.executemany(
            "INSERT INTO updates (id, key, account_id, received_at, occurred_at, shipment, awb, order_id, status,"
            " notification, body) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (number, update.key, update.received_at, update.occurred_at, update.shipment, update.awb,
                 update.order_id, update.status, update.notification, update.body)
                for number, update in enumerate(updates, 1)
            ],
        )  # fmt: skip
        connection.execute("INSERT INTO pushes (update_id, config_id, state) SELECT id, 2, id % 3 FROM updates")


def migrate_as_far_as_it_goes(path: Path) -> None:
    """A migration that is cut short."""
    with contextlib.suppress(ZeroDivisionError), contextlib.closing(open_writer(path, create=False)) as connection:
        schema.migrate(connection)


def updates_of_old(count: int) -> list[NewUpdate]:
    return [
        update(shipment=f"S{number}", awb=f"S{number}", order_id=f"O{number}", occurred_at=NOW)
        for number in range(count)
    ]


@pytest.mark.parametrize("cut", [False, True])
async def test_a_journal_of_the_version_before_is_indexed_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, cut: bool
) -> None:
    updates = updates_of_old(100)
    old_journal(tmp_path / "journal.db", updates)
    monkeypatch.setattr(indexing, "_WINDOW", 30)
    if cut:
        stored = indexing.store_terms
        monkeypatch.setattr(indexing, "store_terms", lambda *given: stored(*given) if given[1] < 50 else 1 / 0)
        await asyncio.to_thread(migrate_as_far_as_it_goes, tmp_path / "journal.db")
        monkeypatch.setattr(indexing, "store_terms", stored)
    async with sqlite_store(tmp_path).open() as opened:
        assert opened.journal.unavailable is None
        assert await opened.put(*updates) == 0
        assert (await opened.put_one(shipment="S7", occurred_at=NOW - 1)).late == (OMS,)
        for query in ({"awbs": ("S50",)}, {"order_id": "O50"}):
            (row,) = (await opened.journal.search.list_pushes(PushQuery(**query))).rows  # type: ignore[arg-type]
            assert row.shipment == "S50"
        assert len((await opened.journal.search.list_pushes(PushQuery(status="IN_TRANSIT", limit=1000))).rows) == 101
    with journal_file(tmp_path / "journal.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'updates_by%'").fetchall() == []
        assert connection.execute("SELECT up_to FROM indexed").fetchone() == (100,)


async def test_a_large_journal_is_converted_while_the_server_answers_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_journal(tmp_path / "journal.db", updates_of_old(40))
    monkeypatch.setattr(schema, "_IS_LONG", "SELECT 1 FROM updates LIMIT 1 OFFSET 30")
    seen: list[tuple[bool, str | None]] = []
    migrate = schema.migrate
    journal = SqliteJournal(tmp_path)

    def migrated(connection: Any) -> None:
        writer = journal._access.writer
        assert writer is not None
        seen.append((writer.opened.is_set(), writer._reason))
        migrate(connection)

    monkeypatch.setattr(schema, "migrate", migrated)
    await journal.start()
    await until(lambda: journal.unavailable is None, seconds=10, what="the end of the conversion")
    assert await journal.updates.append([update()]) == 1
    await journal.close()
    ((opened, reason),) = seen
    assert opened, "the start of the server would wait for it"
    assert "it is being converted" in str(reason)
    assert "refused with 503" in str(reason)
