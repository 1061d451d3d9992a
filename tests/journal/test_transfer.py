"""A journal in the middle of its life moves to PostgreSQL and back: nothing is lost, changed or sent twice."""

import asyncio
import contextlib
import hashlib
import os
import random
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from journal.stores import NOW, OMS, Opened, outcome, page_of, sqlite_store, update
from journal.test_inbox import unrecognised
from journal.test_portal_changes import asked
from support.journal_file import journal_file
from support.postgres import Server
from trackpush_api.routing import Tenant
from trackpush_cli.main import run
from trackpush_server.journal.announcements import Announced, AnnouncedEvent, TargetState
from trackpush_server.journal.config_history import NewConfigEntry
from trackpush_server.journal.copying.move import CopyProgress, move
from trackpush_server.journal.copying.records import Tally, TransferError, UnscopedRecords, UpdateRecord
from trackpush_server.journal.model import NewAudit, NewPush, PushState, Selection, StoredPush, Subject
from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.journal.postgres.copying import PostgresSource, PostgresTarget
from trackpush_server.journal.rollups import NewTally, RollupSubject, Tallied
from trackpush_server.journal.sqlite import schema
from trackpush_server.journal.sqlite.copying import RETIRED, SqliteSource, SqliteTarget
from trackpush_server.journal.sqlite.lock import FolderLock

pytestmark = pytest.mark.slow
CRM = "acme/crm"
DAY = 86_400_000
Sql = Callable[[str], str]


async def fill(folder: Path, *, shipments: int = 30) -> None:
    """Everything that can become of an update: random, its seed told."""
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201 - shown when it fails, to run it again
    chance = random.Random(seed)  # noqa: S311  no secret
    async with sqlite_store(folder).open() as opened:
        for number in range(shipments):
            received = NOW + number * DAY // 7
            for step in range(chance.randint(1, 4)):
                await _one(opened, chance, f"awb-{number}", received + step * 1000)
        await opened.put(
            update(to=(), awb="nobody\0s", shipment="nobody\0s", trace="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
        )
        await opened.put(update(received_at=NOW - 400 * DAY))  # a clock that went back
        dead = [
            push.update_id
            for push in await opened.journal.replays.ended(
                OMS, Selection(replayed_before=NOW + 900_000), after=0, limit=3
            )
        ]
        await opened.journal.replays.replay(OMS, dead, now=NOW + 900_000, replayed_before=NOW + 900_000)
        erasure = await opened.journal.erasures.begin("awb sha256:x", "asked for", now=NOW)
        found = await opened.journal.erasures.find(Subject(awb="awb-3"), after=0, limit=100)
        await opened.journal.erasures.erase(erasure, found.update_ids, now=NOW + 5)
        await opened.journal.erasures.end(erasure, now=NOW + 6)
        await opened.journal.audit.add(
            NewAudit(at=NOW, actor="ada", role="operator", action="erase", target="awb", address="10.0.0.1")
        )
        for body in (b"one", b"\xff\x00 two", b"three", b"one"):
            await opened.journal.updates.keep([unrecognised(body)])
        for uid in ("u-1", "u-2"):
            await opened.journal.tenants.bind({"gone": (Tenant(uid=uid),)})
        tallies = [
            NewTally(subject=subject, name=name, tallied=Tallied(received=3, delivered=2, failed=1, dead=1))
            for subject, name in (
                (RollupSubject.ACCOUNT, "acme/clickpost"),
                (RollupSubject.PUSH_CONFIG, "acme/oms"),
                (RollupSubject.STATUS, "Clickpost/DELIVERED"),
            )
        ]
        await opened.journal.rollups.add(tallies, at=NOW)
        await opened.journal.portal_links.key(bytes(range(32)))
        for number, client in enumerate(("acme", "zen@u-1")):
            link = PortalLink(
                id=f"lnk_{number}", client=client, role="view", created_at=NOW, expires_at=NOW + 1, created_by="ada"
            )
            await opened.journal.portal_links.add(link)
        await opened.journal.portal_links.revoke("lnk_1", now=NOW)
        for number in (1, 2):
            await opened.journal.portal_changes.add(asked(number))
        await _announce(opened)
        await opened.journal.config_history.append(
            NewConfigEntry(at=NOW, revision="r", added=2, removed=0, changed=0, resources=(), is_first=True),
            after=0,
            resources={"PushConfig acme/oms": {"suspend": "true", "headers": True}, "WebhookServer a/b": {}},
            gone=(),
        )
        await opened.journal.last_updates.serve(["acme/clickpost", "zen/never-sent"], now=NOW + 7, again=False)
        for now in (NOW, NOW + 3_600_000):
            await opened.journal.last_updates.listen(now=now)


async def _announce(opened: Opened) -> None:
    """A target that was told something, with a message that is not sent and an event that waits for the next one."""
    journal = opened.journal.announcements
    told = Announced(target="t", subject="PushConfig", name=OMS, version=1, kind="EndpointFailing", since=NOW)
    event = AnnouncedEvent(
        kind="EndpointFailing", subject="PushConfig", name=OMS, since=NOW, reason="EndpointFailing", message="It fails."
    )
    await journal.adopt(["t"], [], now=NOW)
    await journal.record([told], [("t", event)])
    await journal.put(TargetState(target="t", version=2, seen_at=NOW, message_id="ann_1", tries=1), body=b"{}")


async def _one(opened: Opened, chance: random.Random, shipment: str, received_at: int) -> None:
    to = (OMS, CRM, NewPush("acme/drops-late", drop_late=True))
    occurred = NOW + chance.randrange(1000)
    committed = await opened.put_one(
        to=to, shipment=shipment, awb=shipment, received_at=received_at, occurred_at=occurred
    )
    for config in (OMS, CRM):
        tries = chance.randint(0, 3)
        state = chance.choice([PushState.PENDING, PushState.DELIVERED, PushState.DELIVERED, PushState.DEAD])
        for number in range(1, tries + 1):
            is_last = number == tries
            fields = {"tries": number, "rejections": number - 1, "due_at": NOW + number, "duration_ms": chance.random()}
            error = None if is_last and state is PushState.DELIVERED else "HTTP 503"
            given = outcome(
                committed.update_id,
                state if is_last else PushState.PENDING,
                push_config=config,
                error=error,
                http_status=200 if error is None else 503,
                **fields,
            )
            await opened.record(given)
        if chance.random() < 0.1:
            expired = {"tries": tries, "attempted": False, "error": "older than maxAge"}
            await opened.record(outcome(committed.update_id, PushState.DEAD, push_config=config, **expired))


async def everything(source: SqliteSource | PostgresSource) -> tuple[list[UpdateRecord], UnscopedRecords]:
    try:
        reading = await source.open()
        return list((await reading.part(0, 100_000)).records), await reading.rest()
    finally:
        await source.close()


async def pending(folder: Path) -> dict[str, list[StoredPush]]:
    """What a server would go on with, in order, ids aside."""
    async with sqlite_store(folder).open() as opened:
        pages = {name: await page_of(opened.journal, name, after=0, limit=10_000) for name in (OMS, CRM)}
    return {name: [msgspec.structs.replace(push, update_id=0) for push in page.pushes] for name, page in pages.items()}


def without_nul(records: list[UpdateRecord]) -> list[UpdateRecord]:
    return [
        msgspec.structs.replace(record, awb=_clean(record.awb), shipment=_clean(record.shipment) or "")
        for record in records
    ]


def _clean(text: str | None) -> str | None:
    return None if text is None else text.replace("\0", "?")


async def test_there_and_back_everything_is_as_it_was(tmp_path: Path, postgres_dsn: str, postgres_sql: Sql) -> None:
    await fill(tmp_path / "old")
    waiting = await pending(tmp_path / "old")
    updates, rest = await everything(SqliteSource(tmp_path / "old"))
    states = {push.state for update in updates for push in update.pushes}
    assert states == {0, 1, 2, 3}
    assert any(push.replays for update in updates for push in update.pushes)
    assert any(update.erased_at for update in updates)
    told: list[CopyProgress] = []

    compared = await move(SqliteSource(tmp_path / "old"), PostgresTarget(postgres_dsn), told.append)

    assert {table.table: table.rows for table in compared} == {
        "updates": len(updates),
        "pushes": sum(len(update.pushes) for update in updates),
        "attempts": sum(len(update.attempts) for update in updates),
        "erasures": 1,
        "audits": 1,
        "unrecognised": 3,
        "tenants": 2,
        "last_updates": 2,
        "listening": 1,
        "rollups": 3,
        "portal_key": 1,
        "portal_links": 2,
        "portal_changes": 2,
        "announced": 1,
        "announced_events": 1,
        "announcement_targets": 1,
        "messages": 1,
        "subject_totals": 3,
        "config_history": 1,
        "config_resources": 2,
    }
    assert told[-1] == CopyProgress(step="compared", updates=len(updates), total=len(updates))
    assert await everything(PostgresSource(postgres_dsn)) == (without_nul(updates), rest)
    for check, wanted in _DERIVED.items():
        assert postgres_sql(check) == (wanted or str(len(updates))), check

    await move(PostgresSource(postgres_dsn), SqliteTarget(tmp_path / "new"), told.append)
    assert await everything(SqliteSource(tmp_path / "new")) == (without_nul(updates), rest)
    back = await pending(tmp_path / "new")
    assert back == waiting
    assert sum(map(len, back.values())) > 10


_DERIVED = {
    "SELECT count(*) FROM trackpush.keys AS k JOIN trackpush.updates AS u ON u.id = k.update_id AND u.key = k.key":
        "",
    "SELECT bool_and(id >> 36 >= before) FROM (SELECT id, lag(id >> 36, 1, 0::bigint) OVER (ORDER BY id) AS before"
    " FROM trackpush.updates) AS u": "t",
    "SELECT last_id = (SELECT max(id) FROM trackpush.updates) FROM trackpush.counter": "t",
    "SELECT count(*) FROM trackpush.undelivered AS w FULL JOIN (SELECT * FROM trackpush.pushes WHERE state <> 1) AS p"
    " ON p.update_id = w.update_id AND p.config_id = w.config_id AND p.state = w.state"
    " WHERE w.state IS NULL OR p.state IS NULL": "0",
    "SELECT bool_and(s.open_id <= u.id) FROM trackpush.updates AS u JOIN trackpush.pushes AS p ON p.update_id = u.id"
    " AND p.state = 0 JOIN trackpush.shipments AS s ON s.hash = hashtextextended(u.shipment, u.account_id)": "t",
    "SELECT count(*) FROM trackpush.push_configs WHERE slot NOT BETWEEN 0 AND 127": "0",
    "SELECT count(*) > 5 FROM pg_inherits WHERE inhparent = 'trackpush.updates'::regclass": "t",
    "SELECT trackpush.make_partitions_v1(5) > 0": "t",
}  # fmt: skip


async def test_a_copy_that_is_cut_short_anywhere_continues_and_ends_the_same(
    tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.journal.copying.move.PART", 7)
    await fill(tmp_path / "first", shipments=8)
    updates, rest = await everything(SqliteSource(tmp_path / "first"))
    for place in (1, 2, 4):
        old = tmp_path / str(place)
        await asyncio.to_thread(shutil.copytree, tmp_path / "first", old)
        name = postgres_server.create_database()
        count = 0

        def cut(_: CopyProgress, at: int = place) -> None:
            nonlocal count
            count += 1
            if count == at:
                raise InterruptedError

        try:
            dsn = postgres_server.dsn(name)
            with pytest.raises(InterruptedError):
                await move(SqliteSource(old), PostgresTarget(dsn), cut)
            with pytest.raises(TransferError, match="holds an unfinished copy"):
                await everything(PostgresSource(dsn))
            await move(SqliteSource(old), PostgresTarget(dsn), lambda _: None)
            assert await everything(PostgresSource(dsn)) == (without_nul(updates), rest)
        finally:
            postgres_server.drop_database(name)


@pytest.mark.slow
async def test_a_command_that_is_killed_continues_when_it_is_run_again(tmp_path: Path, postgres_dsn: str) -> None:
    total = 8_000
    async with sqlite_store(tmp_path / "old").open() as opened:
        await opened.put(*(update(body=b"x" * 500) for _ in range(total)))
    before = await everything(SqliteSource(tmp_path / "old"))
    (tmp_path / "dsn").write_text(postgres_dsn)
    command = [sys.executable, "-m", "trackpush_cli", "journal", "copy", "--from", str(tmp_path / "old")]
    command += ["--to-dsn-file", str(tmp_path / "dsn")]
    connection = await asyncpg.connect(postgres_dsn)

    async def copied() -> int:
        """Updates of which the database knows that they are stored."""
        with contextlib.suppress(asyncpg.UndefinedTableError):
            return int(await connection.fetchval("SELECT count(*) FROM trackpush.updates"))
        return 0

    killed = await asyncio.create_subprocess_exec(*command)
    async with asyncio.timeout(60):
        while not await copied():
            pass
        killed.kill()
        await killed.wait()
        while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"):
            pass
    assert 0 < await copied() < total
    await connection.close()
    assert await everything(SqliteSource(tmp_path / "old")) == before

    again = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await again.communicate()
    assert again.returncode == 0
    assert f"read again {total} of {total} updates (100 %" in told.decode()
    assert f"compared {total} of {total} updates (100 %" in told.decode()
    assert await everything(PostgresSource(postgres_dsn)) == before
    assert not (tmp_path / "old" / "journal.db").exists()


async def test_one_that_is_cut_after_the_old_journal_was_retired_still_ends(tmp_path: Path, postgres_dsn: str) -> None:
    await fill(tmp_path, shipments=5)

    class Cut(PostgresTarget):
        async def release(self) -> None:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await move(SqliteSource(tmp_path), Cut(postgres_dsn), lambda _: None)
    assert (tmp_path / RETIRED).exists()
    await move(SqliteSource(tmp_path), PostgresTarget(postgres_dsn), lambda _: None)
    assert (await everything(PostgresSource(postgres_dsn)))[0]


async def test_a_copy_that_differs_is_reported_and_the_old_journal_stays_in_use(
    tmp_path: Path, postgres_dsn: str
) -> None:
    await fill(tmp_path, shipments=5)

    class Careless(PostgresTarget):
        async def finish(self, rest: UnscopedRecords) -> None:
            await super().finish(rest)
            await self._database.connection.execute("DELETE FROM trackpush.attempts")

    with pytest.raises(TransferError, match=r"the copy differs from the journal \(attempts: \d+ rows, copied \d+\)"):
        await move(SqliteSource(tmp_path), Careless(postgres_dsn), lambda _: None)
    assert (tmp_path / "journal.db").exists()


async def test_it_refuses_while_a_server_has_the_journal_and_what_isnt_empty(
    tmp_path: Path, postgres_dsn: str, postgres_sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path / "a", shipments=5)
    await fill(tmp_path / "b", shipments=5)
    lock = FolderLock(tmp_path / "a" / "journal.lock")
    lock.acquire()
    with pytest.raises(TransferError, match=r"process \d+ serves this folder"):
        await move(SqliteSource(tmp_path / "a"), PostgresTarget(postgres_dsn), lambda _: None)
    lock.release()
    with pytest.raises(TransferError, match="holds a journal already"):
        await move(SqliteSource(tmp_path / "a"), SqliteTarget(tmp_path / "b"), lambda _: None)
    with pytest.raises(TransferError, match=r"holds no journal\.db"):
        await move(SqliteSource(tmp_path / "c"), PostgresTarget(postgres_dsn), lambda _: None)
    await move(SqliteSource(tmp_path / "a"), PostgresTarget(postgres_dsn), lambda _: None)
    with pytest.raises(TransferError, match="holds a journal already"):
        await move(SqliteSource(tmp_path / "b"), PostgresTarget(postgres_dsn), lambda _: None)

    postgres_sql("INSERT INTO trackpush.replicas (id, beat, name, lease_seconds) VALUES (7, 1, 'main-abc', 0.2)")
    beating = _beat_while_watched(monkeypatch, postgres_sql)
    with pytest.raises(TransferError, match=r"main-abc \(replica 7\) serves this journal"):
        await move(PostgresSource(postgres_dsn), SqliteTarget(tmp_path / "c"), lambda _: None)
    beating.clear()
    await move(PostgresSource(postgres_dsn), SqliteTarget(tmp_path / "d"), lambda _: None)


def _beat_while_watched(monkeypatch: pytest.MonkeyPatch, postgres_sql: Sql) -> list[None]:
    """The replica beats in each pause, as long as the list holds something."""
    beating: list[None] = [None]

    async def pause(_: float) -> None:
        if beating:
            await asyncio.to_thread(postgres_sql, "UPDATE trackpush.replicas SET beat = beat + 1")

    monkeypatch.setattr("trackpush_server.journal.postgres.copying.database.asyncio.sleep", pause)
    return beating


def test_the_command_moves_and_reports_and_takes_no_url_from_its_arguments(
    tmp_path: Path, postgres_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(fill(tmp_path / "old", shipments=5))
    (tmp_path / "dsn").write_text(postgres_dsn + "\n")
    (tmp_path / "wrong").write_text("mysql://u:s3cret@h/d")
    arguments = ["journal", "copy", "--from", str(tmp_path / "old")]
    assert run(arguments) == 2
    assert run([*arguments, "--to-dsn-file", str(tmp_path / "wrong")]) == 2
    told = capsys.readouterr().err
    assert "name the target" in told
    assert "is not a PostgreSQL URL" in told
    assert "s3cret" not in told

    assert run([*arguments, "--to-dsn-file", str(tmp_path / "dsn")]) == 0
    told = capsys.readouterr().out
    assert re.search(r"copied \d+ of \d+ updates \(100 %", told)
    assert re.search(r"  updates +\d+ rows   sha256 [0-9a-f]{16}\n", told)
    assert "the old journal is out of use" in told
    assert run([*arguments, "--to-dsn-file", str(tmp_path / "dsn")]) == 0
    assert "was already moved there; start the server on the new one" in capsys.readouterr().out


def test_equal_journals_have_equal_digests_and_any_difference_another() -> None:
    record = UpdateRecord(
        key=b"k", account="a/b", received_at=1, occurred_at=None, erased_at=None, shipment="s", awb=None,
        forward_awb=None, order_id=None, status="X", trace=None, notification=b"", body=b"",
    )  # fmt: skip
    digests = set()
    for change in ({}, {"awb": ""}, {"body": b"x"}, {"received_at": 2}, {"erased_at": 0}):
        tally = Tally()
        tally.updates([msgspec.structs.replace(record, **change)])
        count, digest = tally.result()["updates"]
        assert count == 1
        digests.add(digest)
    assert len(digests) == 5
    assert hashlib.sha256().hexdigest() not in digests


async def test_a_journal_of_an_older_version_is_brought_up_to_date_first(tmp_path: Path, postgres_dsn: str) -> None:
    with journal_file(tmp_path / "journal.db") as connection:
        connection.execute(f"{schema.changes()[1]} PRAGMA user_version = 1;")
        connection.execute("INSERT INTO names VALUES (1, 'acme/x')")
        connection.execute(
            "INSERT INTO updates VALUES (1, zeroblob(16), 1, 1, NULL, 's', NULL, NULL, NULL, 'X', x'7b7d', x'7b7d')"
        )
    await move(SqliteSource(tmp_path), PostgresTarget(postgres_dsn), lambda _: None)
    assert len((await everything(PostgresSource(postgres_dsn)))[0]) == 1
