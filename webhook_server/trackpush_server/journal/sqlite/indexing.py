"""The index of updates: terms of the newest ones in memory, of all others in the table ``terms``, merged in bulk.

An AWB is random, so its entry belongs to a random page of any index. A commit that stored it there would write a whole
page, and the checkpoint again, for 20 bytes. Merged by the ten thousands and in order, many entries share a page.

- `Indexing.add` puts the terms of new updates into ``temp.recent``, a table in the writer's memory.
- When there are enough, a *sweep* begins: `Indexing.merge` moves a slice of them into ``terms`` with each commit, in
  order, until it has passed the highest term. Then ``indexed.up_to`` becomes the highest id at the sweep's beginning.
- Everything that is asked for on the writer's connection is looked up in both tables. Readers see no memory of the
  writer: they look into ``terms`` up to ``up_to``, and at the updates beyond it one by one (`search`).
- After a crash, `Indexing.load` reads the updates beyond ``up_to`` again; an entry that was merged already is merged
  once more, which changes nothing.

Retention does not delete entries. They stay until the next sweep comes by, which writes these pages anyway.
"""

from typing import Final, NamedTuple

from trackpush_server.journal.queries import load
from trackpush_server.journal.sqlite.connection import SqliteConnection

FEWEST: Final = 20_000
"""Entries in memory that begin a sweep of a small file. An update has about five: key, name, order, status, config."""
MOST: Final = 320_000
"""The same for a large one: bounds memory (about 20 MiB), what readers look through, and the time to open the file."""
_UPDATES_PER_ENTRY: Final = 3
"""A sweep writes most pages of the index. So it waits for so many entries: one for each three updates in the file."""
_PACE: Final = 2
"""A sweep merges so many entries for each that is added: it ends before the next one is due, whatever is added.

Not more, so that its cost is spread over many commits."""
_FEWEST_ENTRIES: Final = 128
"""In one slice."""
_WINDOW: Final = 200_000
"""Updates in one transaction while a whole file is indexed; each of these writes most pages of the index."""
_START: Final = (-(1 << 63), 0, 0)
_END: Final = ((1 << 63) - 1, 0, 0)

_SQL = load(f"{__package__}.sql", "indexing")
_BETWEEN: Final = "u.id BETWEEN ?1 AND ?2"
_OF_UPDATES = " UNION ALL ".join(_SQL[name].format(which=_BETWEEN) for name in ("of_codes", "of_erased", "of_names"))
_OF_PUSHES = _SQL["of_pushes"].format(which="p.update_id BETWEEN ?1 AND ?2")
_AMONG: Final = "u.id IN (SELECT value FROM json_each(?1))"
_OF_NAMES = _SQL["of_names"].format(which=_AMONG)
_NAMES = f"(term, at, update_id) IN (WITH n AS MATERIALIZED ({_OF_NAMES}) SELECT * FROM n)"  # noqa: S608  constants
ADD_UPDATES = f"INSERT OR IGNORE INTO temp.recent (term, at, update_id) {_OF_UPDATES}"
ADD_PUSHES = f"INSERT OR IGNORE INTO temp.recent (term, at, update_id) {_OF_PUSHES}"
STORE = f"INSERT OR IGNORE INTO terms (term, at, update_id) {_OF_UPDATES} UNION ALL {_OF_PUSHES} ORDER BY 1, 2, 3"
REMOVE = f"DELETE FROM terms WHERE {_NAMES}"  # noqa: S608  same
REMOVE_RECENT = f"DELETE FROM temp.recent WHERE {_NAMES}"  # noqa: S608  same
STORE_ERASED = f"INSERT OR IGNORE INTO terms (term, at, update_id) {_SQL['of_erased'].format(which=_AMONG)}"
LAST_ID = _SQL["last_id"]
STATE = _SQL["state"]
SIZE = _SQL["size"]
TRIMMED = _SQL["trimmed"]
ID_OF_KEY = _SQL["id_of_key"]
SLICE_END = _SQL["slice_end"]
MERGE = _SQL["merge"]
MERGED = _SQL["merged"]
SWEEP = _SQL["sweep"]


class _Sweep(NamedTuple):
    """One that is under way."""

    after: tuple[int, int, int]
    """The last entry that was merged."""
    up_to: int
    """The highest id when it began: all of these are in memory or merged, so all are merged when it ends."""
    trimmed_to: int


class _Progress(NamedTuple):
    """What a rollback takes back, together with the table in memory."""

    entries: int
    """So many were added since the last sweep began."""
    sweep: _Sweep | None
    begin_at: int
    """A sweep begins with so many."""


class Indexing:
    """The writer's part. `load` is called after opening; the others within a transaction, or when it has ended."""

    def __init__(self) -> None:
        self._now = self._before = _Progress(0, None, FEWEST)
        self._added = 0
        """Entries that this transaction has added."""
        self._kept: SqliteConnection | None = None

    def load(self, connection: SqliteConnection) -> None:
        """Read the terms of the updates that are not in ``terms``, or take back what was kept."""
        prepare(connection)
        if self._kept is not None:
            kept, self._kept = self._kept, None
            kept.copy_memory_to(connection)
            return
        up_to, last = up_to_of(connection), last_id(connection)
        entries = sum(connection.change(statement, (up_to + 1, last)) for statement in (ADD_UPDATES, ADD_PUSHES))
        self._now = self._before = _Progress(entries, None, _begin_at(connection))
        self._added = 0

    def keep(self, connection: SqliteConnection) -> None:
        """Keep what is in memory until the next `load`: the file is closed for a moment, and nobody else changes it."""
        self._kept = connection.copy_of_memory()

    def forget(self) -> None:
        """Keep nothing: the file may have been changed or replaced."""
        self._kept = None

    def committed(self) -> None:
        """The transaction has reached the disk."""
        self._before = self._now

    def rolled_back(self) -> None:
        """The transaction did not take place, and what it did to the table in memory neither."""
        self._now = self._before
        self._added = 0

    def add_updates(self, connection: SqliteConnection, first: int, last: int) -> None:
        """Add the terms of new updates."""
        self._added += connection.change(ADD_UPDATES, (first, last))

    def add_pushes(self, connection: SqliteConnection, first: int, last: int) -> None:
        """Add the terms of their pushes."""
        self._added += connection.change(ADD_PUSHES, (first, last))

    def merge(self, connection: SqliteConnection) -> None:
        """Merge a slice, if a sweep is under way or due; after all that this transaction adds."""
        added, self._added = self._added, 0
        entries, sweep, begin_at = self._now
        entries += added
        if sweep is None and entries >= begin_at:
            sweep = _Sweep(_START, last_id(connection), int(connection.execute(STATE).fetchone()[1]))
            entries = 0
        if sweep is not None:
            after = _merge_slice(connection, sweep, max(_FEWEST_ENTRIES, _PACE * added))
            sweep = None if after is None else sweep._replace(after=after)
            begin_at = begin_at if sweep else _begin_at(connection)
        self._now = _Progress(entries, sweep, begin_at)


def _merge_slice(connection: SqliteConnection, sweep: _Sweep, entries: int) -> tuple[int, int, int] | None:
    """Merge the next entries; the last of them, or None when none are left."""
    end: tuple[int, int, int] | None = connection.execute(SLICE_END, (*sweep.after, entries - 1)).fetchone()
    bounds = (*sweep.after, *(end or _END))
    if sweep.trimmed_to:
        connection.execute(SWEEP, (*bounds, sweep.trimmed_to))
    connection.execute(MERGE, bounds)
    connection.execute(MERGED, bounds)
    if end is None:
        connection.execute(_SQL["finish"], (sweep.up_to, sweep.trimmed_to))
    return end


def prepare(connection: SqliteConnection) -> None:
    """Make the table in the connection's memory."""
    connection.execute(_SQL["recent"])


def up_to_of(connection: SqliteConnection) -> int:
    """The id up to which all updates are in ``terms``."""
    return int(connection.execute(STATE).fetchone()[0])


def last_id(connection: SqliteConnection) -> int:
    """The highest id that was given, as far as the file tells."""
    return int(connection.execute(LAST_ID).fetchone()[0])


def _begin_at(connection: SqliteConnection) -> int:
    size = int(connection.execute(SIZE).fetchone()[0])
    return min(max(size // _UPDATES_PER_ENTRY, FEWEST), MOST)


def store_terms(connection: SqliteConnection, first: int, last: int) -> None:
    """Store the terms of these updates at once, within a transaction; ``first`` follows ``indexed.up_to``."""
    connection.execute(STORE, (first, last))
    connection.execute(_SQL["finish"], (last, -1))


def store_all_terms(connection: SqliteConnection) -> None:
    """Store the terms of all updates, some of them in each transaction; continues where an earlier run ended."""
    after = up_to_of(connection)
    while (last := connection.execute(_SQL["window_end"], (after, _WINDOW)).fetchone()[0]) is not None:
        connection.execute("BEGIN IMMEDIATE")
        store_terms(connection, after + 1, last)
        connection.execute("COMMIT")
        connection.copy_log()
        after = last


def remove_terms(connection: SqliteConnection, ids: str) -> None:
    """Remove the names by which these updates (a JSON array of ids) are found, before an erasure empties their rows."""
    connection.execute(REMOVE, (ids,))
    connection.execute(REMOVE_RECENT, (ids,))


def store_erased(connection: SqliteConnection, ids: str) -> None:
    """Store what tells repeats of these updates, which are erased now."""
    connection.execute(STORE_ERASED, (ids,))
