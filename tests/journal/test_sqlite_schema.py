"""SQLite: schema changes, settings that durability hangs on, and the plans of hot queries."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journal.stores import sqlite_store, update
from support.journal_file import journal_file
from trackpush_server.journal.sqlite import SqliteJournal, audit, erase, replay, retention, schema, search
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError, open_writer


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[SqliteConnection]:
    with contextlib.closing(open_writer(tmp_path / "journal.db", create=True)) as connection:
        schema.migrate(connection)
        yield connection


async def test_every_commit_is_synced_and_checkpoints_stay_out_of_commits(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    await journal.start()
    await journal.flush()
    assert journal._writer is not None
    connection = journal._writer._connection
    assert connection is not None
    settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert settings == {"journal_mode": "wal", "synchronous": 2}
    assert connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 0
    await journal.close()


async def test_a_clean_close_leaves_no_log_behind(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        await opened.pending_ids()
    assert not (tmp_path / "journal.db-wal").exists()


async def test_an_older_file_is_migrated_and_keeps_its_rows(tmp_path: Path, monkeypatch: Any) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
    known = schema.changes()
    newer = {**known, max(known) + 1: "ALTER TABLE updates ADD COLUMN more TEXT;"}
    monkeypatch.setattr(schema, "changes", lambda: newer)
    async with sqlite_store(tmp_path).open() as opened:
        assert opened.journal.unavailable is None
        assert len(await opened.pending_ids()) == 1
    with journal_file(tmp_path / "journal.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == max(newer)
        assert connection.execute("SELECT more FROM updates").fetchall() == [(None,)]


def test_a_schema_change_that_fails_leaves_the_file_as_it_was(connection: SqliteConnection, monkeypatch: Any) -> None:
    known = schema.changes()
    broken = {**known, max(known) + 1: "ALTER TABLE updates ADD COLUMN more TEXT; SELECT no_such_function();"}
    monkeypatch.setattr(schema, "changes", lambda: broken)
    with pytest.raises(SqliteError):
        schema.migrate(connection)
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    assert connection.execute("PRAGMA user_version").fetchone()[0] == max(known)
    assert "more" not in [row[1] for row in connection.execute("PRAGMA table_info(updates)")]


async def test_a_file_of_a_later_version_is_left_alone_and_says_so(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open():
        pass
    with journal_file(tmp_path / "journal.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    async with sqlite_store(tmp_path).open() as opened:
        reason = opened.journal.unavailable
        assert reason is not None
        assert "its schema is version 999" in reason
        assert "run the version that wrote it or a later one" in reason


_CONSTANTS = re.compile(r"SCAN (\d+ )?(json_each|names|[ow]\b|CONSTANT|\(subquery|f\b|\d+ CONSTANT)")

PLANS = [
    (sql.NEW_IN_RANGE, "updates USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    (
        sql.LATE_CANDIDATES,
        "e EXISTS USING COVERING INDEX updates_by_shipment (shipment=? AND account_id=? AND occurred_at>?)",
    ),
    (sql.LATE_CANDIDATES, "u USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    (sql.IS_LATE_FOR_CONFIG, "updates_by_shipment (shipment=? AND account_id=? AND occurred_at>?)"),
    (sql.IS_LATE_FOR_CONFIG, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (sql.PENDING, "p USING INDEX pushes_by_state (state=? AND config_id=? AND update_id>?)"),
    (sql.FETCH, "p USING INDEX pushes_by_state (state=? AND config_id=? AND update_id=?)"),
    (sql.EXPIRE, "pushes_by_state (state=? AND config_id=?)"),
    (sql.OLDEST_PENDING, "pushes_by_state (state=? AND config_id=?)"),
    (sql.PENDING_COUNTS, "COVERING INDEX pushes_by_state (state=?)"),
    (sql.UNANNOUNCED, "u USING INTEGER PRIMARY KEY"),
    (sql.PUSHES_OF, "p USING PRIMARY KEY (update_id=?)"),
    (sql.APPLY_OUTCOMES._sql[128], "pushes USING PRIMARY KEY (update_id=? AND config_id=?)"),
    *((one, "p USING PRIMARY KEY (") for one in search.ALL),
    *((one, "pushes_by_state (state=? AND config_id=? AND update_id>? AND update_id<?)") for one in search.BY_STATE),
    *((one, "updates_by_shipment (shipment=?)") for one in search.BY_AWB),
    *((one, "updates_by_awb (awb=?)") for one in search.BY_AWB),
    *((one, "updates_by_forward_awb (forward_awb=?)") for one in search.BY_AWB),
    *((one, "updates_by_order (order_id=? AND rowid>? AND rowid<?)") for one in search.BY_ORDER),
    *((one, "updates_by_status (status=? AND rowid>? AND rowid<?)") for one in search.BY_STATUS),
    (search.TIMELINE, "updates_by_shipment (shipment=?)"),
    (search.TIMELINE, "updates_by_awb (awb=?)"),
    (search.TIMELINE, "updates_by_forward_awb (forward_awb=?)"),
    (search.PUSHES_OF, "p USING PRIMARY KEY (update_id=?)"),
    (search.LATEST_ATTEMPTS, "attempts USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (search.COUNT, "pushes USING COVERING INDEX pushes_by_state (state=? AND config_id=?)"),
    (search.PUSH_CONFIGS, "pushes EXISTS USING COVERING INDEX pushes_by_state (state=? AND config_id=?)"),
    (search.AUDITS, "audits USING INTEGER PRIMARY KEY (rowid<?)"),
    (audit.TRIM, "audits USING INTEGER PRIMARY KEY (rowid<?)"),
    (search.BY_KEY, "updates_by_key (key=?)"),
    (search.ATTEMPTS, "attempts USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (replay.BY_STATE, "pushes_by_state (state=? AND config_id=? AND update_id>?)"),
    (replay.BY_AWB, "updates_by_forward_awb (forward_awb=?)"),
    (replay.BY_AWB, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (sql.PENDING_CONFIGS, "p USING COVERING INDEX pushes_by_state (state=? AND config_id>?)"),
    (replay.BY_KEY, "updates_by_key (key=?"),
    (replay.REPLAY, "pushes USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (replay.REPLAY, "e USING COVERING INDEX updates_by_shipment (shipment=? AND account_id=? AND occurred_at>?)"),
    (replay.PUSH_CONFIGS, "pushes EXISTS USING COVERING INDEX pushes_by_state (state=? AND config_id=?)"),
    (retention.NEXT, "u USING INTEGER PRIMARY KEY (rowid>?)"),
    (retention.NEXT, "p USING PRIMARY KEY (update_id=?)"),
    (retention.MARK_LATE, "e USING INTEGER PRIMARY KEY (rowid=?)"),
    (retention.MARK_LATE, "o USING COVERING INDEX updates_by_shipment (shipment=? AND account_id=? AND occurred_at<?)"),
    (retention.MARK_LATE, "pushes USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (retention.DELETE_PUSHES, "pushes USING PRIMARY KEY (update_id=?)"),
    (retention.DELETE_ATTEMPTS, "attempts USING PRIMARY KEY (update_id=?)"),
    (retention.DELETE_UPDATES, "updates USING INTEGER PRIMARY KEY (rowid=?)"),
    (erase.OF_AWB, "updates_by_shipment (shipment=?)"),
    (erase.OF_AWB, "updates_by_forward_awb (forward_awb=?)"),
    (erase.NEXT_IDS, "updates USING INTEGER PRIMARY KEY (rowid>?)"),
    (erase.BLANK_UPDATES, "updates USING INTEGER PRIMARY KEY (rowid=?)"),
    (erase.BLANK_ATTEMPTS, "attempts USING PRIMARY KEY (update_id=?)"),
    (erase.END_PUSHES, "pushes USING PRIMARY KEY (update_id=?)"),
    (search.FROM_ID, "updates USING INTEGER PRIMARY KEY (rowid>?)"),
]


@pytest.mark.parametrize(("statement", "index"), PLANS)
def test_a_query_uses_its_index_and_scans_no_table(connection: SqliteConnection, statement: str, index: str) -> None:
    named = re.findall(r":(\w+)", statement)
    numbered = len(set(re.findall(r"\?\d+", statement))) + len(re.findall(r"\?(?!\d)", statement))
    parameters = dict.fromkeys(named) if named else (None,) * numbered
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    plan = [str(row[3]) for row in rows]
    assert any(index in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN") and not _CONSTANTS.match(step)], plan
    if statement in (sql.PENDING, *search.ALL, *search.BY_STATE, *search.BY_STATUS, *search.BY_ORDER):
        assert not [step for step in plan if "TEMP B-TREE" in step], f"sorts instead of walking the index: {plan}"
