"""Statements with many rows.

apsw releases the interpreter lock (GIL) at every step of a statement, and getting it back from a busy event loop takes
time. So a batch is a few statements with up to 128 rows each, not one statement per row. `executemany` takes a step per
row: it is faster alone, but slower beside an event loop (docs/benchmarks.md). carray can bind single columns only.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite.connection import SqliteConnection

_SIZES = (128, 32, 8, 2, 1)
"""Rows per statement. Few sizes, so that all statements stay in the cache of prepared statements."""

Row = tuple[object, ...]


class ManyRows:
    """A statement with the placeholder ``{rows}`` for its row values."""

    def __init__(self, sql: str, columns: int) -> None:
        row = "(" + ",".join("?" * columns) + ")"
        self._sql = {size: sql.replace("{rows}", ",".join([row] * size)) for size in _SIZES}

    def run(self, connection: SqliteConnection, rows: Sequence[Row]) -> int:
        """Run the statement for all rows, in order; returns the number of changed rows."""
        changed = 0
        remaining: Iterable[Row] = iter(rows)
        left = len(rows)
        for size, sql in self._sql.items():
            while left >= size:
                values = tuple(chain.from_iterable(islice(remaining, size)))
                changed += connection.change(sql, values)
                left -= size
        return changed

    def fetch(self, connection: SqliteConnection, rows: Sequence[Row]) -> list[Any]:
        """Run the statement for all rows, in order; returns its result rows."""
        found: list[Any] = []
        remaining: Iterable[Row] = iter(rows)
        left = len(rows)
        for size, sql in self._sql.items():
            while left >= size:
                found += connection.execute(sql, tuple(chain.from_iterable(islice(remaining, size))))
                left -= size
        return found


_SQL = {**load(f"{__package__}.sql", "writing"), **load(f"{__package__}.sql", "reading")}
NEW_NAME = _SQL["new_name"]
INSERT_UPDATES = ManyRows(_SQL["insert_updates"], 13)
INSERT_PUSHES = ManyRows(_SQL["insert_pushes"], 4)
APPLY_OUTCOMES = ManyRows(_SQL["apply_outcomes"], 8)
INSERT_ATTEMPTS = ManyRows(_SQL["insert_attempts"], 7)
REPEATS_LAST = _SQL["repeats_last"]
DELETE_REPEAT = _SQL["delete_repeat"]
IS_LATE_FOR_CONFIG = _SQL["is_late_for_config"]
IS_LATE_AMONG = _SQL["is_late_among"]
ARRIVED = _SQL["arrived"]
EXPIRE = _SQL["expire"]
DROP = _SQL["drop"]
NAMES = _SQL["names"]
NUMBER_OF = _SQL["number_of"]
LAST_ID = _SQL["last_id"]
PENDING = _SQL["pending"]
FETCH = _SQL["fetch"]
PENDING_CONFIGS = _SQL["pending_configs"]
PENDING_COUNTS = _SQL["pending_counts"]
OLDEST_PENDING = _SQL["oldest_pending"]
UNANNOUNCED = _SQL["unannounced"]
PUSHES_OF = _SQL["pushes_of"]
