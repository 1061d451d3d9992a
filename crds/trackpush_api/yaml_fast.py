"""Reads plain YAML with libyaml, which is enough for nearly every file of resources.

For every invalid or unusual text it returns None without an explanation; `yaml_reader` then reads the text with PyYAML.
"""

import operator
import re
import sys
from typing import Any, Final, NamedTuple

import yaml

from trackpush_api.yaml_scalars import KubernetesLoader

try:
    from yaml import CSafeLoader
except ImportError:  # PyYAML was built without libyaml: use only the slow reader
    CSafeLoader = None  # type: ignore[assignment,misc]

_TAG: Final = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ = f"{_TAG}str", f"{_TAG}map", f"{_TAG}seq"
_PLAIN: Final = f"{_TAG}plain"
"""Tag of an unquoted scalar without a tag; PyYAML would have to look for its type."""
_RESOLVERS: Final = KubernetesLoader.yaml_implicit_resolvers
_CONSTRUCTORS: Final = KubernetesLoader.yaml_constructors
_SCALARS: Final = frozenset(_TAG + kind for kind in ("null", "bool", "int", "float", "timestamp"))
_MOST_LEVELS = 200
"""Maximum levels of nesting. libyaml builds its tree recursively in C, so a deeply nested file would overflow the stack
and end the process.
"""
_UNUSUAL: Final = frozenset("\t\x85\u2028\u2029\ufeff")
"""Characters that libyaml and PyYAML read differently.

One difference remains: a ``?`` in an unquoted text within ``{ }`` or ``[ ]``, which PyYAML refuses and Kubernetes
accepts.
"""
_ANCHOR: Final = re.compile(r"&[\w-]")
"""Aliases are refused, and an alias needs an anchor. ``*`` without an anchor is usual: definitions of aggregators match
codes with ``"*"``.
"""


class Document(NamedTuple):
    """One document: its tree with line numbers, and its value."""

    node: yaml.Node
    value: Any


class _Loader(CSafeLoader or object):  # type: ignore[misc]
    """Leaves the tags of plain scalars to `_scalar`, which finds nearly all of them by their first character.

    PyYAML looks up each node three times, in Python, which takes as long as the rest of the parsing in libyaml.
    """

    descend_resolver = staticmethod(operator.is_)  # tags by path are not used; these methods do nothing, and run in C
    ascend_resolver = staticmethod(bool)

    def resolve(self, kind: type[yaml.Node], _: str | None, implicit: Any) -> str:
        """The tag of a node without one; ``implicit`` of a scalar says whether it may be something else than a text."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _STR
        return _MAP if kind is yaml.MappingNode else _SEQ


def read_plain(text: str) -> list[Document] | None:
    """All documents, or None if any of them is invalid or unusual."""
    if CSafeLoader is None or not _UNUSUAL.isdisjoint(text) or ("*" in text and _ANCHOR.search(text)):
        return None
    if not _is_shallow(text):
        return None
    try:
        loader = _Loader(text)
        try:
            documents = []
            while loader.check_node():
                node = loader.get_node()
                assert node is not None
                documents.append(Document(node, _value(node, loader)))
            return documents
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None


def _is_shallow(text: str) -> bool:
    """Whether the text has few levels of nesting. Usually its indentation is enough to decide."""
    flow = text.count("[") + text.count("{")
    if flow <= _MOST_LEVELS and max(map(len, text.splitlines()), default=0) <= _MOST_LEVELS:
        return True  # each block is indented more than the one around it, or is a list with the same indentation
    level = 0
    try:
        for event in yaml.parse(text, Loader=CSafeLoader):  # the event parser is not recursive
            if isinstance(event, yaml.CollectionStartEvent):
                level += 1
                if level > _MOST_LEVELS:
                    return False
            elif isinstance(event, yaml.CollectionEndEvent):
                level -= 1
    except (yaml.YAMLError, ValueError):
        return False
    return True


def _value(node: yaml.Node, loader: "CSafeLoader") -> Any:
    """The value of a node.

    Raises:
        ValueError: `yaml_reader` must read the text.
    """
    kind, tag = type(node), node.tag
    if kind is yaml.ScalarNode:
        return _scalar(node, loader)
    if kind is yaml.MappingNode and tag == _MAP:
        found = {}
        for key, value in node.value:
            name = _scalar(key, loader)
            if type(name) is not str:
                raise ValueError("a key that is not text is unusual")
            found[sys.intern(name)] = _value(value, loader)  # intern: the same few names are in every client's file
        if len(found) == len(node.value):
            return found
        raise ValueError("a key is there twice")
    if kind is yaml.SequenceNode and tag == _SEQ:
        return [_value(entry, loader) for entry in node.value]
    raise ValueError(f"{tag} is unusual here")


def _scalar(node: yaml.Node, loader: "CSafeLoader") -> Any:
    tag, value = node.tag, node.value
    if tag is _PLAIN:
        patterns = _RESOLVERS.get(value[:1])
        if patterns is None:
            return value
        tag = next((found for found, pattern in patterns if pattern.match(value)), _STR)
    if tag == _STR and type(value) is str:
        return value
    if tag in _SCALARS:
        return _CONSTRUCTORS[tag](loader, node)
    raise ValueError(f"{tag} is unusual here")
