"""Finds the members of a body that a definition could name: each with its path, and the lists around it."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from trackpush_aggregators.definition.paths import written
from trackpush_aggregators.values import index, is_indexed

_PLAIN: Final = re.compile(r'[^.\[\]\s"](?:[^.\[\]"\x00-\x1f\x7f-\x9f]*[^.\[\]\s"\x00-\x1f\x7f-\x9f])?')
_QUOTABLE: Final = re.compile(r'[^"\x00-\x1f\x7f-\x9f]{1,128}')
_MOST: Final = 2_000
_LONGEST: Final = 200

Lists = tuple[str, ...]
"""Paths of the lists around a member, each from the element of the one before; the first from the body."""


class Leaf(NamedTuple):
    """A text, number or flag in a body."""

    lists: Lists
    path: str
    """Path that starts at the element of the innermost list, such as ``.order.id``."""
    name: str
    text: str


def leaves(document: Any) -> list[Leaf]:
    """The leaves of a body in its order; of a list of objects those of its first object."""
    found: list[Leaf] = []
    for leaf in _walk(document, (), "", ""):
        found.append(leaf)
        if len(found) == _MOST:
            break
    return found


def first_object(document: Any) -> Any:
    """The first object of a list that is not empty, or None; any other document itself."""
    if isinstance(document, list):
        return next((element for element in document if isinstance(element, dict) and element), None)
    return document


def _walk(value: Any, lists: Lists, path: str, name: str) -> Iterator[Leaf]:
    if len(path) > _LONGEST:
        return
    if isinstance(value, dict) and is_indexed(value) and path:
        value = [value[number] for number in sorted(value, key=index)]
    if isinstance(value, dict):
        for member, inner in value.items():
            segment = _segment(member)
            if segment is not None:
                yield from _walk(inner, lists, path + segment, member)
    elif isinstance(value, list):
        if (first := first_object(value)) is not None:
            yield from _walk(first, (*lists, path), "", "")
    elif (text := written(value)) is not None:
        yield Leaf(lists, path, name, text)


def _segment(name: str) -> str | None:
    if _PLAIN.fullmatch(name):
        return f".{name}"
    return f'["{name}"]' if _QUOTABLE.fullmatch(name) else None
