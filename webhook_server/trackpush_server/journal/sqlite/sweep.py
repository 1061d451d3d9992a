"""A sweep: merges index entries from the writer's memory into the table ``terms``, a slice with each commit."""

from itertools import chain, islice
from typing import Final

from trackpush_server.journal.queries import load
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
        self._rest = recent.in_order()
        self._slice: tuple[Entry, ...] = ()
        self._again: tuple[Entry, ...] = ()
        """The slice of a transaction that was rolled back."""
        self._after: Entry = _START
        """The last entry that was committed."""

    def merge(self, connection: SqliteConnection, count: int) -> bool:
        """Merge the next entries; whether there are more."""
        again = [entry for entry in self._again if not self.recent.is_removed(entry)]
        self._slice = tuple(islice(chain(again, self._rest), max(count, len(again))))
        is_last = len(self._slice) < count
        if self._trimmed_to:
            connection.execute(SWEEP, (*self._after, *(_END if is_last else self._slice[-1]), self._trimmed_to))
        MERGE.run(connection, self._slice)
        if is_last:
            connection.execute(FINISH, (self._up_to, self._trimmed_to))
        return not is_last

    def committed(self) -> None:
        """The slice has reached the disk."""
        if self._slice:
            self._after = self._slice[-1]
        self._slice = self._again = ()

    def rolled_back(self) -> None:
        """The slice has to be merged again."""
        self._again = self._slice or self._again
        self._slice = ()
