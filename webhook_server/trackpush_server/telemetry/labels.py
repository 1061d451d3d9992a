"""Limits the number of label values, so that thousands of clients don't create millions of series."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

MOST_PUSH_CONFIGS = 200
OTHER = "_other"
"""The label value for all names beyond the limit. No resource can have this name, because it has no namespace."""

T = TypeVar("T")


class BoundedLabels:
    """The names that have their own label value: the first ``most`` names, as long as they exist."""

    def __init__(self, most: int = MOST_PUSH_CONFIGS) -> None:
        self._most = most
        self._own: set[str] = set()

    def of(self, name: str) -> str:
        own = self._own
        if name in own:
            return name
        if len(own) < self._most:
            own.add(name)
            return name
        return OTHER

    def retain(self, names: Iterable[str]) -> frozenset[str]:
        """Keep only these names; returns those that lost their label value."""
        gone = self._own.difference(names)
        self._own -= gone
        return frozenset(gone)


class Children(Generic[T]):
    """Metric children by name, so that the hot path needs only one dict lookup."""

    def __init__(self, labels: BoundedLabels, make: Callable[[str], T]) -> None:
        self._labels = labels
        self._make = make
        self._children: dict[str, T] = {}

    def of(self, name: str) -> T:
        """The child for a name; all names beyond the limit share one."""
        child = self._children.get(name)
        if child is not None:
            return child
        label = self._labels.of(name)
        child = self._children.get(label)
        if child is None:
            child = self._children[label] = self._make(label)
        return child

    def forget(self, names: Iterable[str]) -> None:
        """Drop the children of deleted names."""
        for name in names:
            self._children.pop(name, None)
