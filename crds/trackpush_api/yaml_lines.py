"""Stores the lines of a resource's fields in packed form. Pure.

Problems need the lines later, and a tree of nodes is 50 times larger.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
import yaml

_MOST_LEVELS: Final = 64
"""Maximum levels with their own line; deeper fields have the line of the level above."""


class PackedLines(NamedTuple):
    """The lines of one resource. ``fields`` counts from ``first``, so that files with the same layout share it."""

    first: int
    """The first line, counted from 1."""
    fields: bytes


def pack_lines(node: yaml.Node) -> PackedLines:
    """The lines of all fields below a node."""
    first = node.start_mark.line
    try:
        fields = msgspec.msgpack.encode(_tree(node, first, _MOST_LEVELS))
    except UnicodeEncodeError:  # a key contains half of a surrogate pair
        fields = msgspec.msgpack.encode(None)
    return PackedLines(first + 1, _shared(fields))


def find_line(lines: PackedLines | None, field: str) -> int | None:
    """The line (from 1) of a field such as ``spec.keys[0].name``, or of the nearest one above it."""
    if lines is None:
        return None
    line, tree = 0, msgspec.msgpack.decode(lines.fields)
    for part in field.replace("[", ".[").split("."):
        found = _child(tree, part)
        if found is None:
            break
        line, tree = found
    return lines.first + int(line)


def _child(tree: Any, part: str) -> Any:
    if isinstance(tree, dict):
        return tree.get(part)
    if isinstance(tree, list) and part.startswith("[") and part[1:-1].isdigit() and int(part[1:-1]) < len(tree):
        return tree[int(part[1:-1])]
    return None


def _tree(node: yaml.Node, first: int, levels: int) -> Any:
    """Each field's line and its children."""
    if not levels:
        return None
    if isinstance(node, yaml.MappingNode):
        return {
            key.value: (key.start_mark.line - first, _tree(value, first, levels - 1))
            for key, value in node.value
            if isinstance(key.value, str)
        }
    if isinstance(node, yaml.SequenceNode):
        return [(entry.start_mark.line - first, _tree(entry, first, levels - 1)) for entry in node.value]
    return None


@lru_cache(maxsize=4096)
def _shared(fields: bytes) -> bytes:
    return fields
