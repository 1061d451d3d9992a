"""Pushes that wait for long are parked: on disk only, so that however many there are, others have room in memory.

The order of a shipment must survive it: while the head of a lane is parked, no later push of that lane may start. So
the channel remembers which lanes are parked, in a set of fixed size that may say yes for a lane that isn't parked
(such a push is parked, too, and found by the next revisit). A *revisit* reads the pending pushes from the beginning
again, takes those that are due into memory and remembers the lanes of the others in a new set, with other hashes.
Pure bookkeeping; the channel reads the pages.
"""

import itertools

from trackpush_server.pusher.lanes import LaneKey

_BEHIND_SOON, _BEHIND_LATEST = 5.0, 60.0
"""Seconds until a push that was left on disk behind its lane is looked at; twice as long each time nothing changed."""
_PAUSE, _PAUSE_PER_PAGE, _LONGEST_PAUSE = 0.5, 0.1, 120.0
"""Seconds between two revisits: at least the first, and so many per page, so that they take a tenth of the time."""
_SMALLEST = 1 << 16
_LARGEST = 1 << 24
_PER_LANE = 16
"""Bits for each lane: of 400 others, one is taken for a parked one."""


class LaneSet:
    """A Bloom filter that grows up to 2 MiB and a little. It never forgets a lane, and knows about how many it has."""

    __slots__ = ("_bits", "_layers", "_salt", "count")

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._bits = _SMALLEST
        self._layers: list[tuple[int, bytearray]] = []
        self.count = 0

    def __contains__(self, key: LaneKey) -> bool:
        """Whether the lane was added, or is taken for one that was."""
        if not self._layers:
            return False
        places = self._hashes(key)
        return any(all(bits[place % size >> 3] >> (place & 7) & 1 for place in places) for size, bits in self._layers)

    def add(self, key: LaneKey) -> None:
        """Remember a lane."""
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
    """The parked lanes of one PushConfig, and the revisit that is due or under way. Times in seconds, steady clock.

    It is the cursor of `PageLoader` for revisits, as `Backlog` is for what was never in memory.
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
        """Heads among them that the endpoint hasn't rejected, at most."""
        self.due_at: float | None = None
        """The time of the next useful revisit."""
        self.spilled = False
        """Whether a revisit is under way."""
        self.is_complete = False
        """Whether the revisit under way has seen everything: call `end`."""
        self.loaded_to = 0
        self.generation = 0

    @property
    def is_empty(self) -> bool:
        """Whether no lane is parked."""
        return not self._lanes.count and self._next is None

    def holds(self, key: LaneKey) -> bool:
        """Whether a push of this lane has to wait on disk."""
        return key in self._lanes or (self._next is not None and key in self._next)

    def park(self, key: LaneKey, due_at: float | None, *, is_refused: bool) -> None:
        """The lane is on disk only; its head is due then, None when its endpoint is back."""
        self._lanes.add(key)
        if self._next is not None:
            self._next.add(key)
        self.unsure += not is_refused
        self._look_at(due_at)

    def skip(self, key: LaneKey, now: float) -> None:
        """A push was left on disk because its lane is parked, or is taken for one that is."""
        if self._next is not None:
            self._next.add(key)
        self._behind_after = _BEHIND_SOON
        self._look_at(now + self._behind_after)

    def look_soon(self, now: float) -> None:
        """What waits may be due: the endpoint's state changed."""
        if not self.is_empty:
            self.due_at = now

    def wait(self, now: float) -> float | None:
        """Seconds until the next revisit; None when none is due, or one is under way."""
        if self.spilled or self.due_at is None:
            return None
        return max(self.due_at, self._pause_until) - now

    # ---- a revisit

    def begin(self) -> None:
        """Begin a revisit."""
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
        """Leave a push on disk if this revisit left an earlier one of its lane there; whether it did."""
        if self._next is None or key not in self._next:
            return False
        self._left_behind = True
        return True

    def leave(self, key: LaneKey, due_at: float | None, *, is_refused: bool) -> None:
        """The revisit leaves the head of a lane on disk."""
        assert self._next is not None
        self._next.add(key)
        self.unsure += not is_refused
        self._look_at(due_at)

    def end(self, now: float) -> None:
        """The revisit has seen everything."""
        assert self._next is not None
        self._lanes, self._next = self._next, None
        self.spilled = False
        self._pause_until = now + min(max(_PAUSE, self._pages * _PAUSE_PER_PAGE), _LONGEST_PAUSE)
        if self._left_behind:
            self._look_at(now + self._behind_after)

    def clear(self) -> None:
        """Everything is read from the beginning again, by others."""
        self._lanes, self._next = LaneSet(next(self._salts)), None
        self.spilled = False
        self.unsure = 0
        self.due_at = None
        self.generation += 1

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
        """A page was read: continue after it, unless it was the last."""
        del snapshot  # pushes that are newer are in memory, or were skipped: the next revisit sees them
        self.is_complete |= whole
        self._pages += 1
        if last_id is not None:
            self.loaded_to = last_id

    def _look_at(self, due_at: float | None) -> None:
        if due_at is not None:
            self.due_at = due_at if self.due_at is None else min(self.due_at, due_at)
