"""Removes the members that a definition names in ``redact`` from bodies; everything else keeps its bytes."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from trackpush_aggregators.redact import REDACTED

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_EMPTY: Final = frozenset({b"null", b'""', b"{}", b"[]"})
_LONGEST_EMPTY: Final = 8
_MARKER: Final = msgspec.Raw(msgspec.json.encode(REDACTED))


Names = tuple[str, ...]
"""Names of members, from the outside to the inside. A name applies to each object of a list."""


class Removal:
    """A tree of what to remove."""

    def __init__(self, paths: Iterable[Names] = ()) -> None:
        self._whole = False
        self._members: dict[str, Removal] = {}
        for path in paths:
            self._add(path)

    def __bool__(self) -> bool:
        return self._whole or bool(self._members)

    def _add(self, path: Names) -> None:
        node = self
        for name in path:
            node = node._members.setdefault(name, Removal())
        node._whole = True  # noqa: SLF001

    def within(self, path: Names) -> "Removal":
        """What to remove from the value at this path."""
        node: Removal | None = self
        for name in path:
            node = None if node is None else node._members.get(name)  # noqa: SLF001
        return Removal() if node is None else node

    def clean(self, value: Any, raw: bytes) -> bytes:
        """The bytes of a value without what must not be stored; the same object if nothing was there."""
        return bytes(self._rewritten(raw)) if self._applies(value) else raw

    def _applies(self, value: Any) -> bool:
        if self._whole:
            return True
        if isinstance(value, dict):
            return any(
                name in value and node._applies(value[name])  # noqa: SLF001
                for name, node in self._members.items()
            ) or any(map(self._applies, _listed(value)))
        return isinstance(value, list) and any(map(self._applies, value))

    def _rewritten(self, raw: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
        if self._whole:
            return raw if len(memoryview(raw)) < _LONGEST_EMPTY and bytes(raw).strip() in _EMPTY else _MARKER
        try:
            members: dict[str, Any] = _MEMBERS.decode(raw)
        except msgspec.ValidationError:  # not an object
            return self._elements(raw)
        indexed = bool(members) and all(map(str.isdecimal, members))
        for name, member in members.items():
            node = self._members.get(name, self if indexed else None)
            if node is not None:
                members[name] = msgspec.Raw(node._rewritten(member))  # noqa: SLF001
        return msgspec.json.encode(members)

    def _elements(self, raw: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
        try:
            elements = _ELEMENTS.decode(raw)
        except msgspec.ValidationError:
            return raw
        return msgspec.json.encode([msgspec.Raw(self._rewritten(element)) for element in elements])


def _listed(value: dict[str, Any]) -> Iterable[Any]:
    """The elements of an object keyed "0", "1", …: PHP writes some lists like that."""
    return value.values() if value and all(map(str.isdecimal, value)) else ()
