"""Tracks which pushes of a PushConfig are in memory and which are only on disk. Pure.

Pushes come from two sources: commits, in order of update id, and pages read from the journal. When memory is full, the
channel *spills*: committed pushes stay on disk, and pages bring them to memory later.

The two sources overlap. A page may contain a push that a commit is about to add, and a commit may finish after a page
was read. So each page has a snapshot: the highest id that it could have seen. The channel stops spilling only when no
committed id is higher than the snapshot.

With several replicas there is a third source: a notice that another replica stored pushes, without their contents. Then
the commits of this process are not all commits, and only a page shows that no other push is below an id.
"""

from collections.abc import Iterable


class Backlog:
    """The boundary between memory and disk for one PushConfig. At the start, all pushes are only on disk."""

    __slots__ = ("_alone", "_ended", "_seen", "generation", "loaded_to", "spilled")

    def __init__(self, *, alone: bool = True) -> None:
        """``alone``: this process is the only one that stores pushes."""
        self._alone = alone
        self.spilled = True
        self.loaded_to = 0
        """All pending pushes with an id up to this one are in memory, or were in memory and have ended."""
        self._seen = 0
        self._ended: set[int] | None = None
        self.generation = 0
        """Number of calls of `rescan`. A page that was requested in an earlier generation is obsolete."""

    def admits(self, update_id: int) -> bool:
        """Whether a committed push may go to memory. If not, it stays on disk, and pages include it."""
        if self.spilled:
            self._seen = update_id
            return False
        return update_id > self.loaded_to

    def spill(self, first_on_disk: int) -> None:
        """Record that pushes with this id or a higher one are only on disk."""
        handed_over = self._alone and not self.spilled
        self.loaded_to = first_on_disk - 1 if handed_over else min(self.loaded_to, first_on_disk - 1)
        self._seen = max(self._seen, first_on_disk)
        self.spilled = True

    def stored_elsewhere(self, update_id: int) -> None:
        """Record that another replica stored a push, so that pages are read again from the last position."""
        self._seen = max(self._seen, update_id)
        self.spilled = True

    def rescan(self, again: Iterable[int] = ()) -> None:
        """Read all pending pushes from disk again; those in memory are recognised and skipped.

        The read contains everything that was committed before it. It need not reach the highest id seen so far, because
        that id may no longer exist after the database lost commits. ``again`` are ended pushes that are pending again
        on disk.
        """
        self.spilled = True
        self.loaded_to = 0
        self._seen = 0
        self.generation += 1
        if self._ended is not None:
            self._ended.difference_update(again)

    def begin_load(self) -> None:
        """Call before a read. Pushes that end during the read may still be pending in its pages."""
        self._ended = set()

    def end_load(self) -> None:
        """Call after the read's pages were processed."""
        self._ended = None

    def ended(self, update_id: int) -> None:
        """Record that a push has ended; its outcome may not be on disk yet."""
        if self._ended is not None:
            self._ended.add(update_id)

    def is_stale(self, update_id: int) -> bool:
        """Whether a push in a page has ended since the read began."""
        return self._ended is not None and update_id in self._ended

    def took(self, *, last_id: int | None, whole: bool, snapshot: int) -> None:
        """Advance after a page that ended at ``last_id``; ``whole``: it had all pending pushes up to ``snapshot``."""
        if last_id is not None:
            self.loaded_to = max(self.loaded_to, last_id)
        if whole and snapshot >= self._seen:
            self.spilled = False
            self.loaded_to = max(self.loaded_to, snapshot)
