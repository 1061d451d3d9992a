"""Tracks which pushes of a PushConfig are in memory and which are only on disk. Pure.

Two streams bring pushes: commits, handed over in order of update id, and pages read from the journal. When memory is
full the channel spills: commits are left to the disk, and pages bring them later. The trap is the seam: a page may
show what a commit is about to hand over, and a commit may land after a page was read. So a page carries its snapshot
(the highest id it could have seen), and the channel stops spilling only when nothing was handed over beyond it.

With several replicas a third stream is only told of: what the others stored. Where this process is alone, the commits
handed over are all there are; otherwise only a page can show that nothing else is below an id.
"""

from collections.abc import Iterable


class Backlog:
    """The seam between commits and pages for one PushConfig. Starts spilled: at start everything is on disk."""

    __slots__ = ("_alone", "_ended", "_seen", "generation", "loaded_to", "spilled")

    def __init__(self, *, alone: bool = True) -> None:
        """``alone``: no other process stores pushes."""
        self._alone = alone
        self.spilled = True
        self.loaded_to = 0
        """Everything pending with an id up to here is in memory (or was already handed on)."""
        self._seen = 0
        self._ended: set[int] | None = None
        self.generation = 0
        """Grows with each `rescan`: a page of an earlier one is of another time."""

    def admits(self, update_id: int) -> bool:
        """Whether a committed push goes to memory; otherwise the disk has it, and a page brings or brought it."""
        if self.spilled:
            self._seen = update_id
            return False
        return update_id > self.loaded_to

    def spill(self, first_on_disk: int) -> None:
        """From this id on, pushes are only on disk."""
        handed_over = self._alone and not self.spilled
        self.loaded_to = first_on_disk - 1 if handed_over else min(self.loaded_to, first_on_disk - 1)
        self._seen = max(self._seen, first_on_disk)
        self.spilled = True

    def stored_elsewhere(self, update_id: int) -> None:
        """Another replica stored a push: read on from where the pages ended."""
        self._seen = max(self._seen, update_id)
        self.spilled = True

    def rescan(self, again: Iterable[int] = ()) -> None:
        """Read everything pending from disk again; what is in memory is recognised and skipped.

        That read sees all that was committed before, so it need not reach an id that was seen: after the database lost
        commits that id may not exist. ``again`` are pushes that had ended, on disk too, and are pending once more.
        """
        self.spilled = True
        self.loaded_to = 0
        self._seen = 0
        self.generation += 1
        if self._ended is not None:
            self._ended.difference_update(again)

    def begin_load(self) -> None:
        """A read begins: pushes that end from now on may still look pending in it."""
        self._ended = set()

    def end_load(self) -> None:
        """The read's pages have been taken in."""
        self._ended = None

    def ended(self, update_id: int) -> None:
        """A push has ended; its outcome may not be on disk yet."""
        if self._ended is not None:
            self._ended.add(update_id)

    def is_stale(self, update_id: int) -> bool:
        """Whether a push in a page has ended since the read began."""
        return self._ended is not None and update_id in self._ended

    def took(self, *, last_id: int | None, whole: bool, snapshot: int) -> None:
        """A page was taken in: up to ``last_id``; ``whole`` when it had all that was there up to ``snapshot``."""
        if last_id is not None:
            self.loaded_to = max(self.loaded_to, last_id)
        if whole and snapshot >= self._seen:
            self.spilled = False
            self.loaded_to = max(self.loaded_to, snapshot)
