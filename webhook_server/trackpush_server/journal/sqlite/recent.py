"""Index entries that are in no table yet: those of the newest updates, in the writer's memory.

Most terms are random numbers. A sorted table of these entries would change a random page for each of them, and copy
that page in case of a rollback. A dictionary does neither: a rollback removes the last entries in turn. Entries are
sorted only when they are merged, some at a time.

Pure; used by one thread.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

Entry = tuple[int, int, int]
"""A row of the table ``terms``: term, at, update id."""

_SHIFT: Final = 42
"""Terms have 48 bits and a sign. Their first six bits make 64 buckets, which are sorted one by one: sorting holds the
interpreter lock, so it should not take long."""
_BUCKETS: Final = 1 << (48 - _SHIFT)
_LARGE: Final = 8192
_FINE_SHIFT: Final = 18
_ID_BITS: Final = 63
_ID: Final = (1 << _ID_BITS) - 1


def _pack(at: int, update_id: int) -> int:
    """One number, which takes less memory than a pair and sorts like it; of an entry without a time it is the id."""
    return (at << _ID_BITS) + update_id if at else update_id


class RecentEntries:
    """Entries by term."""

    def __init__(self) -> None:
        self._packed: dict[int, int | list[int]] = {}
        """Sorted where a term has several entries; most have one."""
        self._buckets: list[list[int]] = [[] for _ in range(_BUCKETS)]
        """Terms by their first bits. Negative ones count from the end, as indexes of lists do."""
        self._added: list[tuple[int, int]] = []

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries."""
        table, buckets, added = self._packed, self._buckets, self._added
        for term, at, update_id in entries:
            packed = (at << _ID_BITS) + update_id if at else update_id
            found = table.get(term)
            if found is None:
                table[term] = packed
                buckets[term >> _SHIFT].append(term)
            elif isinstance(found, int):
                table[term] = [found, packed] if found < packed else [packed, found]
            elif found[-1] < packed:
                found.append(packed)
            else:
                insort(found, packed)
            added.append((term, packed))

    @property
    def added(self) -> int:
        """How many were added since the last call of `committed` or `rolled_back`."""
        return len(self._added)

    def committed(self) -> int:
        """Keep what was added; how many entries these are."""
        count = len(self._added)
        self._added.clear()
        return count

    def rolled_back(self) -> None:
        """Remove what was added."""
        for term, packed in reversed(self._added):
            found = self._packed[term]
            if isinstance(found, list) and len(found) > 1:
                del found[bisect_left(found, packed)]
            else:
                del self._packed[term]
                self._buckets[term >> _SHIFT].pop()
        self._added.clear()

    def remove(self, entries: Collection[Entry]) -> None:
        """Remove entries that are committed, if they are here."""
        for term, at, update_id in entries:
            packed = _pack(at, update_id)
            left = [other for other in _several(self._packed.pop(term, None)) if other != packed]
            if left:
                self._packed[term] = left

    def ids(self, term: int) -> list[int]:
        """Updates with this term."""
        return [packed & _ID for packed in _several(self._packed.get(term))]

    def has_later(self, term: int, at: int) -> bool:
        """Whether there is an entry with a later time."""
        found = self._packed.get(term)
        if found is None:
            return False
        if isinstance(found, list):
            return found[-1] >> _ID_BITS > at
        return found >> _ID_BITS > at

    def later(self, term: int, at: int) -> Iterator[int]:
        """Updates whose entry has a later time, the latest first."""
        found = _several(self._packed.get(term))
        first = bisect_right(found, _pack(at, _ID))
        return (packed & _ID for packed in reversed(found[first:]))

    def in_order(self) -> Iterator[list[Entry]]:
        """All entries in order, some at a time, without those that were removed. Nothing may be added any more."""
        for bucket in range(-_BUCKETS // 2, _BUCKETS // 2):
            for part in _parts(self._buckets[bucket]):
                yield self._sorted(part)

    def _sorted(self, terms: Iterable[int]) -> list[Entry]:
        """Their entries. No generator, and no call for each: a sweep spends much of its time here."""
        table, entries = self._packed, list[Entry]()
        add = entries.append
        for term in sorted(set(terms)):  # one that was removed may be here twice
            found = table.get(term)
            if isinstance(found, int):
                add((term, found >> _ID_BITS, found & _ID))
            elif found:
                entries += [(term, packed >> _ID_BITS, packed & _ID) for packed in found]
        return entries


def _parts(terms: Sequence[int]) -> Iterable[Sequence[int]]:
    """Most terms of keys are in one bucket, since they begin with a time."""
    if len(terms) < _LARGE:
        return (terms,)
    parts: defaultdict[int, list[int]] = defaultdict(list)
    for term in terms:
        parts[term >> _FINE_SHIFT].append(term)
    return (parts[number] for number in sorted(parts))


def _several(found: int | list[int] | None) -> Sequence[int]:
    if found is None:
        return ()
    return (found,) if isinstance(found, int) else found
