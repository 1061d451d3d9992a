"""Parked pushes: pushes with a long wait are kept only on disk, so that others have room in memory.

The order within a shipment must be kept: while the head of a lane is parked, no later push of that lane may start. So
the channel remembers the parked lanes in a Bloom filter of bounded size. A false positive parks a push of another lane,
too; the next revisit finds it. A *revisit* reads the pending pushes from the start, adds the due ones to memory, and
adds the lanes of the others to a new filter with other hashes. Pure bookkeeping; the channel reads the pages.
"""

import itertools

from trackpush_server.pusher.lanes import LaneKey

_BEHIND_SOON, _BEHIND_LATEST = 5.0, 60.0
"""Seconds until the revisit for pushes that were left on disk because of their lane.

It starts with the first value, and each revisit doubles it up to the second one, until another push is left."""
_PAUSE, _PAUSE_PER_PAGE, _LONGEST_PAUSE = 0.5, 0.1, 120.0
"""Seconds between two revisits: the minimum, the addition for each page read, and the maximum.

With these values, revisits take about a tenth of the time.
"""
_SMALLEST = 1 << 16
_LARGEST = 1 << 24
_PER_LANE = 16
"""Bits per lane: gives one false positive in 400 lookups."""


class LaneSet:
    """A Bloom filter that grows to slightly more than 2 MiB. Lanes can't be removed; ``count`` is approximate."""

    __slots__ = ("_bits", "_layers", "_salt", "count")

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._bits = _SMALLEST
        self._layers: list[tuple[int, bytearray]] = []
        self.count = 0

    def __contains__(self, key: LaneKey) -> bool:
        """Whether the lane was added; may be a false positive."""
        if not self._layers:
            return False
        places = self._hashes(key)
        return any(all(bits[place % size >> 3] >> (place & 7) & 1 for place in places) for size, bits in self._layers)

    def add(self, key: LaneKey) -> None:
        if key in self:
            return
        if not self._layers or (self.count * _PER_LANE >= self._bits and self._bits < _LARGEST):
            self._bits = self._bits * 4 if self._layers else self._bits
            self._layers.append((self._bits, bytearray(self._bits // 8)))
        size, bits = self._layers[-1]
        for place in self._hashes(key):
            bits[place % size >> 3] |= 1 << (place & 7)
        self.count += 1

    def _hashes(self, key: LaneKey) -> tuple[int, ...]:
        first, second = hash((self._salt, key)), hash((key, self._salt, 1)) | 1
        return first, first + second, first + 2 * second, first + 3 * second


class Parked:
    """The parked lanes of one PushConfig, and its due or running revisit. Times are seconds of a monotonic clock.

    It is the cursor of the `PageLoader` of revisits; `Backlog` is the cursor for pushes that were never in memory.
    """

    __slots__ = (
        "_behind_after",
        "_ended",
        "_lanes",
        "_left_behind",
        "_next",
        "_pages",
        "_pause_until",
        "_salts",
        "due_at",
        "generation",
        "is_complete",
        "loaded_to",
        "spilled",
        "unsure",
    )

    def __init__(self) -> None:
        self._salts = itertools.count()
        self._lanes = LaneSet(next(self._salts))
        self._next: LaneSet | None = None
        self._ended: set[int] | None = None
        self._pages = 0
        self._pause_until = 0.0
        self._behind_after = _BEHIND_SOON
        self._left_behind = False
        self.unsure = 0
        """Upper bound of the number of parked heads that the endpoint has not rejected."""
        self.due_at: float | None = None
        """When the next revisit is useful; None if never."""
        self.spilled = False
        """Whether a revisit is running."""
        self.is_complete = False
        """Whether the running revisit has read everything; then call `end`."""
        self.loaded_to = 0
        self.generation = 0

    @property
    def is_empty(self) -> bool:
        """Whether no lane is parked."""
        return not self._lanes.count and self._next is None

    def holds(self, key: LaneKey) -> bool:
        """Whether a push of this lane must wait on disk; may be a false positive."""
        return key in self._lanes or (self._next is not None and key in self._next)

    def park(self, key: LaneKey, due_at: float | None, *, is_refused: bool) -> None:
        """Park a lane. ``due_at`` is when its head is due; None: when the endpoint recovers."""
        self._lanes.add(key)
        if self._next is not None:
            self._next.add(key)
        self.unsure += not is_refused
        self._look_at(due_at)

    def skip(self, key: LaneKey, now: float) -> None:
        """Record that a push was left on disk because `holds` is true for its lane."""
        if self._next is not None:
            self._next.add(key)
        self._behind_after = _BEHIND_SOON
        self._look_at(now + self._behind_after)

    def look_soon(self, now: float) -> None:
        """Make a revisit due now, because a change of the endpoint's state may have made parked pushes due."""
        if not self.is_empty:
            self.due_at = now

    def wait(self, now: float) -> float | None:
        """Seconds until the next revisit; None if none is due, or one is running."""
        if self.spilled or self.due_at is None:
            return None
        return max(self.due_at, self._pause_until) - now

    # ---- a revisit

    def begin(self) -> None:
        """Start a revisit."""
        self._next = LaneSet(next(self._salts))
        self._pages = 0
        self.due_at = None
        self.unsure = 0
        self._left_behind = False
        self._behind_after = min(self._behind_after * 2, _BEHIND_LATEST)
        self.spilled = True
        self.is_complete = False
        self.loaded_to = 0
        self.generation += 1

    def leave_behind(self, key: LaneKey) -> bool:
        """Leave a push on disk if this revisit left an earlier push of its lane there; returns whether it did."""
        if self._next is None or key not in self._next:
            return False
        self._left_behind = True
        return True

    def leave(self, key: LaneKey, due_at: float | None, *, is_refused: bool) -> None:
        """Keep a lane parked; arguments as of `park`."""
        assert self._next is not None
        self._next.add(key)
        self.unsure += not is_refused
        self._look_at(due_at)

    def end(self, now: float) -> None:
        """End the revisit after it has read everything."""
        assert self._next is not None
        self._lanes, self._next = self._next, None
        self.spilled = False
        self._pause_until = now + min(max(_PAUSE, self._pages * _PAUSE_PER_PAGE), _LONGEST_PAUSE)
        if self._left_behind:
            self._look_at(now + self._behind_after)

    def clear(self) -> None:
        """Forget all parked lanes, because the backlog reads all pending pushes again."""
        self._lanes, self._next = LaneSet(next(self._salts)), None
        self.spilled = False
        self.unsure = 0
        self.due_at = None
        self.generation += 1

    def begin_load(self) -> None:
        """Call before a read. Pushes that end during the read may still be pending in its pages."""
        self._ended = set()

    def end_load(self) -> None:
        """Call after the read's pages were processed."""
        self._ended = None

    def ended(self, update_id: int) -> None:
        """Record that a push has ended: a running read may still show it as pending."""
        if self._ended is not None:
            self._ended.add(update_id)

    def is_stale(self, update_id: int) -> bool:
        """Whether a push in a page has ended since the read started."""
        return self._ended is not None and update_id in self._ended

    def took(self, *, last_id: int | None, whole: bool, snapshot: int) -> None:
        """Advance the cursor after a page; ``whole`` means it was the last one."""
        del snapshot  # newer pushes are in memory, or were skipped, and then the next revisit reads them
        self.is_complete |= whole
        self._pages += 1
        if last_id is not None:
            self.loaded_to = last_id

    def _look_at(self, due_at: float | None) -> None:
        if due_at is not None:
            self.due_at = due_at if self.due_at is None else min(self.due_at, due_at)
