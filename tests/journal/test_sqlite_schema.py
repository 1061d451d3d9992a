"""SQLite: schema changes, settings that durability hangs on, and the plans of hot queries."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journal.stores import sqlite_store, update
from support.journal_file import journal_file
from support.rows import every_row
from trackpush_server.journal.sqlite import (
    SqliteJournal,
    audit,
    ended_pushes,
    erasure,
    indexing,
    retention,
    schema,
    search_rows,
    sweep,
    unpushed,
)
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError, open_writer


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[SqliteConnection]:
    with contextlib.closing(open_writer(tmp_path / "journal.db", create=True)) as connection:
        schema.migrate(connection)
        indexing.Indexing().load(connection)
        yield connection


async def test_every_commit_is_synced_and_checkpoints_stay_out_of_commits(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    await journal.start()
    await journal.pushes.flush()
    assert journal._access.writer is not None
    connection = journal._access.writer._connection
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


def test_a_new_file_gets_in_one_commit_the_schema_that_an_old_one_gets_step_by_step(
    tmp_path: Path, monkeypatch: Any
) -> None:
    known, found, commits = schema.changes(), [], []
    for name, first in (("new", known), ("old", {1: known[1]})):
        with contextlib.closing(open_writer(tmp_path / name, create=True)) as connection:
            with monkeypatch.context() as patched:
                patched.setattr(schema, "changes", lambda first=first: first)
                connection.set_commit_hook(lambda name=name: bool(commits.append(name)))
                schema.migrate(connection)
            schema.migrate(connection)
            parts = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()
            found.append((parts, connection.execute("PRAGMA user_version").fetchone()[0]))
    assert found[0] == found[1]
    assert (commits.count("new"), commits.count("old") >= len(known)) == (1, True)


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


_CONSTANTS = re.compile(r"SCAN (\d+ )?(json_each|names|indexed|[ownfgj]\b|CONSTANT|\(subquery|\d+ CONSTANT)")

_BY_TERM = "SEARCH t USING PRIMARY KEY (term=? AND at=? AND update_id>? AND update_id<?)"
_BY_ROWID = "SEARCH u USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
_BY_PUSH = "SEARCH p USING PRIMARY KEY (update_id>? AND update_id<?)"
_LATER = "USING PRIMARY KEY (term=? AND at>?)"
_UNDELIVERED = "p USING INDEX pushes_undelivered (state=? AND config_id=?"

PLANS = [
    (indexing.STORED_KEYS._sql[128], "SEARCH t USING PRIMARY KEY (term=?)"),
    (indexing.KEYS_AMONG._sql[128], "SEARCH u USING INTEGER PRIMARY KEY (rowid=?)"),
    (sql.REPEATS_LAST, "SEARCH t USING PRIMARY KEY (term=?)"),
    (indexing.LATER_STORED._sql[128], _LATER),
    (sql.IS_LATE_FOR_CONFIG, _LATER),
    (sql.IS_LATE_FOR_CONFIG, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (sql.IS_LATE_AMONG, "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)"),
    (sql.IS_LATE_AMONG, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (sql.PENDING, f"{_UNDELIVERED} AND update_id>?)"),
    (sql.FETCH, f"{_UNDELIVERED} AND update_id=?)"),
    (sql.EXPIRE, "pushes_undelivered (state=? AND config_id=?)"),
    (sql.OLDEST_PENDING, "pushes_undelivered (state=? AND config_id=?)"),
    (sql.PENDING_COUNTS, "COVERING INDEX pushes_undelivered (state=?)"),
    (sql.PENDING_CONFIGS, "p USING COVERING INDEX pushes_undelivered (state=? AND config_id>?)"),
    (sql.UNANNOUNCED, "u USING INTEGER PRIMARY KEY"),
    (sql.PUSHES_OF, "p USING PRIMARY KEY (update_id=?)"),
    (sql.APPLY_OUTCOMES._sql[128], "pushes USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (indexing.LOAD, _BY_ROWID),
    (indexing.LOAD, _BY_PUSH),
    (indexing.SIZE, "SEARCH updates"),
    (indexing.LAST_ID, "SEARCH updates"),
    (sweep.SWEEP, "terms USING PRIMARY KEY ("),
    (sweep.SWEEP, "u USING INTEGER PRIMARY KEY (rowid=?)"),
    (indexing.REMOVE, "terms USING PRIMARY KEY (term=? AND at=? AND update_id=?)"),
    (indexing.FORGET, "SEARCH u USING INTEGER PRIMARY KEY (rowid=?)"),
    (indexing.ID_OF_KEY, "terms USING PRIMARY KEY (term=?)"),
    (indexing.ID_OF_KEY, "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"),
    *((statement, "p USING PRIMARY KEY (") for statement in search_rows.ALL),
    *((statement, f"{_UNDELIVERED} AND update_id>? AND update_id<?)") for statement in search_rows.BY_STATE),
    *((statement, _BY_TERM) for statement in (*search_rows.DELIVERED, *search_rows.BY_STATUS, *search_rows.BY_ORDER)),
    *((statement, "SEARCH t USING PRIMARY KEY (term=?)") for statement in search_rows.BY_AWB),
    *(
        (statement, _BY_ROWID)
        for statement in (*search_rows.BY_STATUS_RECENT, *search_rows.BY_ORDER_RECENT, *search_rows.BY_AWB_RECENT)
    ),
    *((statement, _BY_PUSH) for statement in search_rows.DELIVERED_RECENT),
    (search_rows.TIMELINE, "SEARCH terms USING PRIMARY KEY (term=?)"),
    (search_rows.TIMELINE, "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"),
    (search_rows.PUSHES_OF, "p USING PRIMARY KEY (update_id=?)"),
    (search_rows.LATEST_ATTEMPTS, "attempts USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (search_rows.COUNT, "pushes USING COVERING INDEX pushes_undelivered (state=? AND config_id=?)"),
    *(
        (statement, "SEARCH t USING PRIMARY KEY (term=? AND at=?)")
        for statement in (search_rows.PUSH_CONFIGS, ended_pushes.PUSH_CONFIGS)
    ),
    *(
        (statement, "SEARCH pushes USING PRIMARY KEY (update_id>?)")
        for statement in (search_rows.PUSH_CONFIGS, ended_pushes.PUSH_CONFIGS)
    ),
    (search_rows.AUDITS, "audits USING INTEGER PRIMARY KEY (rowid<?)"),
    (audit.TRIM, "audits USING INTEGER PRIMARY KEY (rowid<?)"),
    (search_rows.BY_KEY, "SEARCH t USING PRIMARY KEY (term=?)"),
    (search_rows.BY_KEY, "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"),
    (search_rows.ATTEMPTS, "attempts USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (ended_pushes.BY_STATE, f"{_UNDELIVERED} AND update_id>?)"),
    (ended_pushes.DELIVERED, _BY_TERM),
    (ended_pushes.DELIVERED_RECENT, "SEARCH p USING PRIMARY KEY (update_id>?)"),
    (ended_pushes.BY_AWB, "SEARCH terms USING PRIMARY KEY (term=?)"),
    (ended_pushes.BY_AWB, "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"),
    (ended_pushes.BY_AWB, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (ended_pushes.BY_KEY, "SEARCH terms USING PRIMARY KEY (term=?)"),
    (ended_pushes.BY_KEY, "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"),
    (ended_pushes.REPLAY, "pushes USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (ended_pushes.REPLAY, _LATER),
    (retention.NEXT, "u USING INTEGER PRIMARY KEY (rowid>?)"),
    (retention.NEXT, "p USING PRIMARY KEY (update_id=?)"),
    (retention.MARK_LATE, "e USING INTEGER PRIMARY KEY (rowid=?)"),
    (retention.MARK_LATE, "SEARCH t USING PRIMARY KEY (term=? AND at<?)"),
    (retention.MARK_LATE, "pushes USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (retention.DELETE_PUSHES, "pushes USING PRIMARY KEY (update_id=?)"),
    (retention.DELETE_ATTEMPTS, "attempts USING PRIMARY KEY (update_id=?)"),
    (retention.DELETE_UPDATES, "updates USING INTEGER PRIMARY KEY (rowid=?)"),
    (erasure.OF_AWB, "SEARCH terms USING PRIMARY KEY (term=?)"),
    (erasure.OF_AWB, "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"),
    (erasure.NEXT_IDS, "updates USING INTEGER PRIMARY KEY (rowid>?)"),
    (erasure.BLANK_UPDATES, "updates USING INTEGER PRIMARY KEY (rowid=?)"),
    (erasure.BLANK_ATTEMPTS, "attempts USING PRIMARY KEY (update_id=?)"),
    (erasure.END_PUSHES, "pushes USING PRIMARY KEY (update_id=?)"),
    (unpushed.NEXT, _BY_ROWID),
    (unpushed.NEXT, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (unpushed.BY_AWB, "SEARCH terms USING PRIMARY KEY (term=?)"),
    (unpushed.BY_AWB, "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"),
    (unpushed.BY_AWB, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (unpushed.READ, "u USING INTEGER PRIMARY KEY (rowid=?)"),
    (unpushed.ADD, "u USING INTEGER PRIMARY KEY (rowid=?)"),
    (unpushed.ADD, _LATER),
    (unpushed.INDEX, "p USING PRIMARY KEY (update_id=? AND config_id=?)"),
    (search_rows.FROM_ID, "updates USING INTEGER PRIMARY KEY (rowid>?)"),
]
"""Of statements with two halves, both: ``terms`` by term, and the updates beyond ``terms`` by their ids."""

_WALKS = (
    sql.PENDING,
    *search_rows.ALL,
    *search_rows.BY_STATE,
    *search_rows.DELIVERED,
    *search_rows.DELIVERED_RECENT,
    *search_rows.BY_STATUS,
    *search_rows.BY_STATUS_RECENT,
    *search_rows.BY_ORDER,
    *search_rows.BY_ORDER_RECENT,
    *search_rows.BY_AWB_RECENT,
    ended_pushes.BY_STATE,
    ended_pushes.DELIVERED,
    ended_pushes.DELIVERED_RECENT,
    unpushed.NEXT,
)


@every_row(("statement", "index"), PLANS)
def test_a_query_uses_its_index_and_scans_no_table(connection: SqliteConnection, statement: str, index: str) -> None:
    named = re.findall(r":(\w+)", statement)
    numbered = max(map(int, re.findall(r"\?(\d+)", statement)), default=0) or statement.count("?")
    parameters = dict.fromkeys(named) if named else (None,) * numbered
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    plan = [str(row[3]) for row in rows]
    assert any(index in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN") and not _CONSTANTS.match(step)], plan
    if statement in _WALKS:
        assert not [step for step in plan if "TEMP B-TREE" in step], f"sorts instead of walking the index: {plan}"
