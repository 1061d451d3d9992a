"""Removes the members that a definition names in ``redact`` from bodies; everything else keeps its bytes."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from trackpush_aggregators.raw import ELEMENTS, MEMBERS
from trackpush_aggregators.redact import REDACTED
from trackpush_aggregators.values import is_indexed

_ANY: Final = "*"
_EMPTY: Final = frozenset({b"null", b'""', b"{}", b"[]"})
_LONGEST_EMPTY: Final = 8
_MARKER: Final = msgspec.Raw(msgspec.json.encode(REDACTED))


Names = tuple[str, ...]
"""Names of members, from the outside to the inside. A name applies to each object of a list; ``rider_*`` to all members
that begin with ``rider_``."""


class Removal:
    """The paths to remove, as a tree."""

    def __init__(self, paths: Iterable[Names] = ()) -> None:
        self._whole = False
        self._members: dict[str, Removal] = {}
        self._beginnings: dict[str, Removal] = {}
        """By the beginning of a member's name."""
        for path in paths:
            self._add(path)

    def __bool__(self) -> bool:
        return self._whole or bool(self._members) or bool(self._beginnings)

    def _add(self, path: Names) -> None:
        node = self
        for name in path:
            if name.endswith(_ANY):
                node = node._beginnings.setdefault(name[: -len(_ANY)], Removal())
            else:
                node = node._members.setdefault(name, Removal())  # noqa: SLF001
        node._whole = True  # noqa: SLF001

    def _node(self, name: str) -> "Removal | None":
        """What to remove from the member of this name."""
        found = self._members.get(name)
        if found is not None or not self._beginnings:
            return found
        return next((node for begin, node in self._beginnings.items() if name.startswith(begin)), None)

    def within(self, path: Names) -> "Removal":
        """What to remove from the value at this path."""
        node: Removal | None = self
        for name in path:
            node = None if node is None else node._node(name)  # noqa: SLF001
        return Removal() if node is None else node

    def clean(self, value: Any, raw: bytes) -> bytes:
        """The bytes of a value without what must not be stored; the same object if nothing was there."""
        return bytes(self._rewritten(raw)) if self._applies(value) else raw

    def _applies(self, value: Any) -> bool:
        if self._whole:
            return True
        if isinstance(value, dict):
            if any(name in value and node._applies(value[name]) for name, node in self._members.items()):  # noqa: SLF001
                return True
            if self._beginnings and any(
                (node := self._node(name)) is not None and node._applies(member)  # noqa: SLF001
                for name, member in value.items()
            ):
                return True
            return is_indexed(value) and any(map(self._applies, value.values()))
        return isinstance(value, list) and any(map(self._applies, value))

    def _rewritten(self, raw: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
        if self._whole:
            return raw if len(memoryview(raw)) < _LONGEST_EMPTY and bytes(raw).strip() in _EMPTY else _MARKER
        try:
            members: dict[str, Any] = MEMBERS.decode(raw)
        except msgspec.ValidationError:  # not an object
            return self._elements(raw)
        indexed = is_indexed(members)
        for name, member in members.items():
            node = self._node(name) or (self if indexed else None)
            if node is not None:
                members[name] = msgspec.Raw(node._rewritten(member))  # noqa: SLF001
        return msgspec.json.encode(members)

    def _elements(self, raw: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
        try:
            elements = ELEMENTS.decode(raw)
        except msgspec.ValidationError:
            return raw
        return msgspec.json.encode([msgspec.Raw(self._rewritten(element)) for element in elements])
