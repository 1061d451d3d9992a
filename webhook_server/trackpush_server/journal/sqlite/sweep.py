"""A sweep: merges index entries from the writer's memory into the table ``terms``, a slice with each commit."""

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
    """One that is under way. `merge` is called within a transaction, the others when it has ended."""

    def __init__(self, recent: RecentEntries, *, up_to: int, trimmed_to: int) -> None:
        self.recent = recent
        """What is merged; nothing is added to it any more."""
        self._up_to = up_to
        """The highest id when the sweep began: all updates up to it are in ``terms`` when it ends."""
        self._trimmed_to = trimmed_to
        self._parts = recent.in_order()
        self._sorted: list[Entry] = []
        """Entries that were sorted already, from the first that is not committed."""
        self._taken = 0
        """So many of them belong to the transaction."""
        self._after: Entry = _START
        """The last entry that was committed."""

    def merge(self, connection: SqliteConnection, count: int) -> bool:
        """Merge the next entries; whether there are more."""
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
        """The slice has reached the disk."""
        if self._taken:
            self._after = self._sorted[self._taken - 1]
            del self._sorted[: self._taken]
            self._taken = 0

    def rolled_back(self) -> None:
        """The slice did not."""
        self._taken = 0

    def remove(self, entries: Collection[Entry]) -> None:
        """Do not merge these; after `committed`."""
        self.recent.remove(entries)
        self._sorted = [entry for entry in self._sorted if entry not in entries]
