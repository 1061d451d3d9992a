"""Index entries of the newest updates in the writer's memory, not yet merged into the table ``terms``.

Most terms are random numbers. In a sorted (temporary) table, each entry would change a random page, and a rollback
would need a copy of that page. A dictionary needs neither: a rollback removes the last entries one by one. Entries are
sorted in parts, and only when they are merged.

Pure; used by one thread.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

Entry = tuple[int, int, int]
"""A row of the table ``terms``: term, at, update id."""

_SHIFT: Final = 42
"""Terms are signed 48-bit numbers. Their first six bits select one of 64 buckets. Buckets are sorted one by one:
sorting holds the interpreter lock and should not take long."""
_BUCKETS: Final = 1 << (48 - _SHIFT)
_LARGE: Final = 8192
_FINE_SHIFT: Final = 18
_ID_BITS: Final = 63
_ID: Final = (1 << _ID_BITS) - 1


def _pack(at: int, update_id: int) -> int:
    """Packs a pair into one number, which takes less memory and has the same order; without a time it is the id."""
    return (at << _ID_BITS) + update_id if at else update_id


class RecentEntries:
    """A dictionary of entries by term, with rollback."""

    def __init__(self) -> None:
        self._packed: dict[int, int | list[int]] = {}
        """Packed entries by term: a sorted list if a term has several; most have one."""
        self._buckets: list[list[int]] = [[] for _ in range(_BUCKETS)]
        """Terms by their first bits. Negative terms give negative indexes, which count from the end of the list."""
        self._added: list[tuple[int, int]] = []

    def add(self, entries: Iterable[Entry]) -> None:
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
        """Number of entries added since the last call of `committed` or `rolled_back`."""
        return len(self._added)

    def committed(self) -> int:
        """Keep the added entries; returns their number."""
        count = len(self._added)
        self._added.clear()
        return count

    def rolled_back(self) -> None:
        """Remove the added entries."""
        for term, packed in reversed(self._added):
            found = self._packed[term]
            if isinstance(found, list) and len(found) > 1:
                del found[bisect_left(found, packed)]
            else:
                del self._packed[term]
                self._buckets[term >> _SHIFT].pop()
        self._added.clear()

    def remove(self, entries: Collection[Entry]) -> None:
        """Remove committed entries; ignores unknown ones."""
        for term, at, update_id in entries:
            packed = _pack(at, update_id)
            left = [other for other in _several(self._packed.pop(term, None)) if other != packed]
            if left:
                self._packed[term] = left

    def ids(self, term: int) -> list[int]:
        """Ids of updates with this term."""
        return [packed & _ID for packed in _several(self._packed.get(term))]

    def has_later(self, term: int, at: int) -> bool:
        """Whether the term has an entry with a later time."""
        found = self._packed.get(term)
        if found is None:
            return False
        if isinstance(found, list):
            return found[-1] >> _ID_BITS > at
        return found >> _ID_BITS > at

    def later(self, term: int, at: int) -> Iterator[int]:
        """Ids of updates with this term and a later time, the latest first."""
        found = _several(self._packed.get(term))
        first = bisect_right(found, _pack(at, _ID))
        return (packed & _ID for packed in reversed(found[first:]))

    def in_order(self) -> Iterator[list[Entry]]:
        """Yields all entries in order, in parts. Do not add entries after the first call; removed ones are left out."""
        for bucket in range(-_BUCKETS // 2, _BUCKETS // 2):
            for part in _parts(self._buckets[bucket]):
                yield self._sorted(part)

    def _sorted(self, terms: Iterable[int]) -> list[Entry]:
        """The entries of these terms, sorted. Written without generators and calls: sweeps spend much time here."""
        table, entries = self._packed, list[Entry]()
        add = entries.append
        for term in sorted(set(terms)):  # a term that was removed and added again is in the bucket twice
            found = table.get(term)
            if isinstance(found, int):
                add((term, found >> _ID_BITS, found & _ID))
            elif found:
                entries += [(term, packed >> _ID_BITS, packed & _ID) for packed in found]
        return entries


def _parts(terms: Sequence[int]) -> Iterable[Sequence[int]]:
    """Splits a large bucket: most terms of keys are in one bucket, because they start with a time."""
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
