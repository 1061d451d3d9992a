"""A sweep: merges index entries from the writer's memory into the table ``terms``, one slice per commit."""

from collections.abc import Collection
from typing import Final

from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.recent import Entry, RecentEntries
from trackpush_server.journal.sqlite.statements import ManyRows

_START: Final = (-(1 << 63), 0, 0)
_END: Final = ((1 << 63) - 1, 0, 0)
_SQL = load(f"{__package__}.sql", "indexing")
MERGE = ManyRows(_SQL["merge"], 3)
SWEEP = _SQL["sweep"]
FINISH = _SQL["finish"]


class Sweep:
    """A running sweep. Call `merge` inside a transaction, the other methods after it."""

    def __init__(self, recent: RecentEntries, *, up_to: int, trimmed_to: int) -> None:
        self.recent = recent
        """The entries to merge. None may be added any more."""
        self._up_to = up_to
        """The highest id when the sweep started. When it ends, all updates up to it are in ``terms``."""
        self._trimmed_to = trimmed_to
        self._parts = recent.in_order()
        self._sorted: list[Entry] = []
        """Sorted entries that are not committed yet."""
        self._taken = 0
        """Number of entries in ``_sorted`` that the current transaction merges."""
        self._after: Entry = _START
        """The last committed entry."""

    def merge(self, connection: SqliteConnection, count: int) -> bool:
        """Merge the next ``count`` entries; returns whether there are more."""
        while len(self._sorted) < count and (part := next(self._parts, None)) is not None:
            self._sorted += part
        taken = self._sorted[:count]
        self._taken = len(taken)
        is_last = self._taken < count
        if self._trimmed_to:
            connection.execute(SWEEP, (*self._after, *(_END if is_last else taken[-1]), self._trimmed_to))
        MERGE.run(connection, taken)
        if is_last:
            connection.execute(FINISH, (self._up_to, self._trimmed_to))
        return not is_last

    def committed(self) -> None:
        """Call when the slice has reached the disk."""
        if self._taken:
            self._after = self._sorted[self._taken - 1]
            del self._sorted[: self._taken]
            self._taken = 0

    def rolled_back(self) -> None:
        """Call when the transaction of the slice was rolled back."""
        self._taken = 0

    def remove(self, entries: Collection[Entry]) -> None:
        """Do not merge these entries. Call it after `committed`."""
        self.recent.remove(entries)
        self._sorted = [entry for entry in self._sorted if entry not in entries]
