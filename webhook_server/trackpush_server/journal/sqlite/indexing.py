"""The search index: entries of the newest updates in memory, all others in the table ``terms``, merged in bulk.

AWBs are random, so each index entry goes to a random page. If each commit inserted its entries, it would write a whole
page for 20 bytes, and the checkpoint would write it again. When tens of thousands of sorted entries are merged, many
of them share a page.

- The entries of new updates are kept in the writer's memory (`RecentEntries`).
- When there are enough, a *sweep* starts: each commit merges a slice of them, in the order of terms, into ``terms``.
  After the last slice, ``indexed.up_to`` becomes the id that was the highest when the sweep started.
- The writer searches both. Its statements find entries in memory by the SQL function ``recent(term)``, which returns a
  JSON array of ids. Readers can't call it: they search ``terms`` up to ``up_to`` and scan the updates after it
  (`search`).
- After a crash, `Indexing.load` reads the updates after ``up_to`` again. Merging an entry twice changes nothing.

Retention does not delete entries. The next sweep deletes them, because it writes these pages anyway.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from trackpush_server.journal.model import NewUpdate
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.recent import Entry, RecentEntries
from trackpush_server.journal.sqlite.statements import ManyRows
from trackpush_server.journal.sqlite.sweep import FINISH, Sweep
from trackpush_server.journal.sqlite.terms import term

FEWEST: Final = 20_000
"""Entries in memory that start a sweep in a small file. An update has about five: key, name, order, status, config."""
MOST: Final = 320_000
"""Same for a large file. Bounds memory (about 40 MiB), the readers' scans, and the time to open the file."""
_UPDATES_PER_ENTRY: Final = 3
"""A sweep starts when memory has one entry per so many updates in the file, because it writes most index pages."""
_PACE: Final = 2
"""Entries that a sweep merges per added entry: more than 1, so that it ends before the next one is due.

Not more than 2, so that its cost is spread over many commits."""
_FEWEST_ENTRIES: Final = 128
"""Minimum entries in one slice."""
_WINDOW: Final = 200_000
"""Updates per transaction while a whole file is indexed. Each such transaction writes most index pages."""

_SQL = load(f"{__package__}.sql", "indexing")
_BETWEEN: Final = "u.id BETWEEN ?1 AND ?2"
_OF_UPDATES = " UNION ALL ".join(_SQL[name].format(which=_BETWEEN) for name in ("of_codes", "of_erased", "of_names"))
_OF_PUSHES = _SQL["of_pushes"].format(which="p.update_id BETWEEN ?1 AND ?2")
_AMONG: Final = "u.id IN (SELECT value FROM json_each(?1))"
_OF_NAMES = _SQL["of_names"].format(which=_AMONG)
REMOVE = f"DELETE FROM terms WHERE (term, at, update_id) IN (WITH n AS MATERIALIZED ({_OF_NAMES}) SELECT * FROM n)"  # noqa: S608  constants
FORGET = f"SELECT forget(term, at, update_id) FROM ({_OF_NAMES})"  # noqa: S608  constants
LOAD = f"{_OF_UPDATES} UNION ALL {_OF_PUSHES}"
STORE = f"INSERT OR IGNORE INTO terms (term, at, update_id) {LOAD} ORDER BY 1, 2, 3"
STORE_ERASED = f"INSERT OR IGNORE INTO terms (term, at, update_id) {_SQL['of_erased'].format(which=_AMONG)}"
LAST_ID = _SQL["last_id"]
STATE = _SQL["state"]
SIZE = _SQL["size"]
TRIMMED = _SQL["trimmed"]
ID_OF_KEY = _SQL["id_of_key"]
STORED_KEYS = ManyRows(_SQL["stored_keys"], 2)
KEYS_AMONG = ManyRows(_SQL["keys_among"], 2)
LATER_STORED = ManyRows(_SQL["later_stored"], 3)


class Indexing:
    """The writer's index. Call `load` after opening, `committed` or `rolled_back` after a transaction, others in it."""

    def __init__(self) -> None:
        self._recent = RecentEntries()
        self._sweep: Sweep | None = None
        self._before: tuple[RecentEntries, Sweep | None] = self._recent, None
        """State at the end of the last transaction, restored by a rollback."""
        self._entries = 0
        """Entries committed since the last sweep started."""
        self._begin_at = FEWEST
        """Number of entries that starts a sweep."""
        self._removed: list[Entry] = []
        """Entries removed by the current transaction."""
        self._kept = False

    def load(self, connection: SqliteConnection) -> None:
        """Load the entries of the updates after ``up_to`` into memory, unless `keep` was called."""
        connection.define("recent", self._ids, 1)
        connection.define("forget", self._forget, 3)
        if self._kept:
            self._kept = False
            return
        self._recent, self._sweep = self._before = RecentEntries(), None
        self._removed = []
        self._recent.add(connection.execute(LOAD, (up_to_of(connection) + 1, last_id(connection))))
        self._entries = self._recent.committed()
        self._begin_at = _begin_at(connection)

    def keep(self) -> None:
        """Keep the entries in memory at the next `load`: the file is closed only briefly, and nobody changes it."""
        self._kept = True

    def forget(self) -> None:
        """Cancel `keep`: the file may have been changed or replaced."""
        self._kept = False

    def committed(self) -> None:
        """Call when the transaction has reached the disk."""
        recent, _ = self._before
        added = recent.committed()
        self._entries = self._entries + added if recent is self._recent else 0
        if self._sweep is not None:
            self._sweep.committed()
        if self._removed:
            removed, self._removed = frozenset(self._removed), []
            self._recent.remove(removed)
            if self._sweep is not None:
                self._sweep.remove(removed)
        self._before = self._recent, self._sweep

    def rolled_back(self) -> None:
        """Call when the transaction was rolled back."""
        self._recent, self._sweep = self._before
        self._recent.rolled_back()
        if self._sweep is not None:
            self._sweep.rolled_back()
        self._removed = []

    def stored_keys(self, connection: SqliteConnection, terms: Mapping[bytes, int]) -> set[bytes]:
        """Those of the keys (given with their terms) that are stored."""
        found = STORED_KEYS.fetch(connection, list(terms.items()))
        for entries in self._both():
            known = [(key, update_id) for key, number in terms.items() for update_id in entries.ids(number)]
            found += KEYS_AMONG.fetch(connection, known)
        return {key for (key,) in found}

    def add_updates(
        self, connection: SqliteConnection, updates: Mapping[int, NewUpdate], key_terms: Mapping[bytes, int]
    ) -> set[int]:
        """Add the entries of new updates, ordered by id; returns the ids that may be older than an earlier update."""
        both = self._both()
        older: set[int] = set()
        unclear: list[Entry] = []
        for update_id, update in updates.items():
            name, at = term("name", update.shipment), update.occurred_at
            if at is not None:
                if any(entries.has_later(name, at) for entries in both):
                    older.add(update_id)
                else:
                    unclear.append((name, at, update_id))
            self._recent.add(
                [(key_terms[update.key], 0, update_id), (name, at or 0, update_id), *_others(update_id, update)]
            )
        return older.union(update_id for (update_id,) in LATER_STORED.fetch(connection, unclear))

    def add_pushes(self, pushes: Iterable[tuple[int, int]]) -> None:
        """Add the entries of new pushes, given as (update id, number of the PushConfig)."""
        self._recent.add([(term("config", config), 0, update_id) for update_id, config in pushes])

    def later(self, update: NewUpdate) -> Iterator[int]:
        """Ids of updates in memory with a later event time that may belong to the same shipment."""
        if update.occurred_at is not None:
            for entries in self._both():
                yield from entries.later(term("name", update.shipment), update.occurred_at)

    def merge(self, connection: SqliteConnection) -> None:
        """Merge a slice if a sweep is running or due. Call it last in the transaction."""
        added = self._recent.added
        if self._sweep is None and self._entries + added >= self._begin_at:
            trimmed_to = int(connection.execute(STATE).fetchone()[1])
            self._sweep = Sweep(self._recent, up_to=last_id(connection), trimmed_to=trimmed_to)
            self._recent = RecentEntries()
        if self._sweep is not None and not self._sweep.merge(connection, max(_FEWEST_ENTRIES, _PACE * added)):
            self._sweep = None
            self._begin_at = _begin_at(connection)

    def _both(self) -> tuple[RecentEntries, ...]:
        return (self._recent,) if self._sweep is None else (self._recent, self._sweep.recent)

    def _ids(self, number: int) -> str:
        return msgspec.json.encode(
            [update_id for entries in self._both() for update_id in entries.ids(number)]
        ).decode()

    def _forget(self, number: int, at: int, update_id: int) -> None:
        self._removed.append((number, at, update_id))


def _others(update_id: int, update: NewUpdate) -> Iterator[Entry]:
    yield term("status", update.status), 0, update_id
    if update.awb is not None and update.awb != update.shipment:
        yield term("name", update.awb), 0, update_id
    if update.forward_awb is not None:
        yield term("name", update.forward_awb), 0, update_id
    if update.order_id is not None:
        yield term("order", update.order_id), 0, update_id


def up_to_of(connection: SqliteConnection) -> int:
    """All updates up to this id are in ``terms``."""
    return int(connection.execute(STATE).fetchone()[0])


def last_id(connection: SqliteConnection) -> int:
    """The highest id that was ever assigned, as recorded in the file."""
    return int(connection.execute(LAST_ID).fetchone()[0])


def _begin_at(connection: SqliteConnection) -> int:
    size = int(connection.execute(SIZE).fetchone()[0])
    return min(max(size // _UPDATES_PER_ENTRY, FEWEST), MOST)


def store_terms(connection: SqliteConnection, first: int, last: int) -> None:
    """Insert the entries of these updates into ``terms``, inside a transaction; ``first`` is ``indexed.up_to`` + 1."""
    connection.execute(STORE, (first, last))
    connection.execute(FINISH, (last, -1))


def store_all_terms(connection: SqliteConnection) -> None:
    """Insert the entries of all updates in several transactions; continues where an interrupted run stopped."""
    after = up_to_of(connection)
    while (last := connection.execute(_SQL["window_end"], (after, _WINDOW)).fetchone()[0]) is not None:
        connection.execute("BEGIN IMMEDIATE")
        store_terms(connection, after + 1, last)
        connection.execute("COMMIT")
        connection.copy_log()
        after = last


def remove_terms(connection: SqliteConnection, ids: str) -> None:
    """Remove the name entries of these updates (a JSON array of ids). Call it before an erasure empties their rows."""
    connection.execute(REMOVE, (ids,))
    connection.execute(FORGET, (ids,)).fetchall()


def store_erased(connection: SqliteConnection, ids: str) -> None:
    """Add the entries that detect duplicates of these updates after their erasure."""
    connection.execute(STORE_ERASED, (ids,))
