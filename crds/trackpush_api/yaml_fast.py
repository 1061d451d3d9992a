"""Reads plain YAML by libyaml, which is enough for nearly every file of resources.

It gives up on everything broken or unusual, without an explanation: `yaml_reader` then reads the text with PyYAML.
"""

import operator
import sys
from typing import Any, Final, NamedTuple

import yaml

from trackpush_api.yaml_scalars import KubernetesLoader

try:
    from yaml import CSafeLoader
except ImportError:  # PyYAML was built without libyaml: everything is read slowly
    CSafeLoader = None  # type: ignore[assignment,misc]

_TAG: Final = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ = f"{_TAG}str", f"{_TAG}map", f"{_TAG}seq"
_PLAIN: Final = f"{_TAG}plain"
"""Of an unquoted scalar without a tag; PyYAML would look for its tag."""
_RESOLVERS: Final = KubernetesLoader.yaml_implicit_resolvers
_CONSTRUCTORS: Final = KubernetesLoader.yaml_constructors
_SCALARS: Final = frozenset(_TAG + kind for kind in ("null", "bool", "int", "float", "timestamp"))
_MOST_LEVELS = 200
"""libyaml's tree is built recursively in C: without a bound, a deeply nested file overflows the stack and kills us."""
_UNUSUAL: Final = frozenset("\t*\x85\u2028\u2029\ufeff")
"""Aliases, which are refused, and characters that libyaml and PyYAML take differently.

One difference is left: a ``?`` in an unquoted text within ``{ }`` or ``[ ]``, which PyYAML refuses and
Kubernetes takes.
"""


class Document(NamedTuple):
    """One document: its tree with line numbers, and its value."""

    node: yaml.Node
    value: Any


class _Loader(CSafeLoader or object):  # type: ignore[misc]
    """Leaves the tags of plain scalars to `_scalar`, which finds nearly all of them by their first character.

    PyYAML looks each node up three times, in Python, which takes as long as libyaml takes for all the rest.
    """

    descend_resolver = staticmethod(operator.is_)  # nobody asks for tags by path: they do nothing, in C
    ascend_resolver = staticmethod(bool)

    def resolve(self, kind: type[yaml.Node], _: str | None, implicit: Any) -> str:
        """The tag of a node without one; ``implicit`` of a scalar says whether it may be other than a text."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _STR
        return _MAP if kind is yaml.MappingNode else _SEQ


def read_plain(text: str) -> list[Document] | None:
    """All documents, or None if any of them is broken or unusual."""
    if CSafeLoader is None or not _UNUSUAL.isdisjoint(text) or not _is_shallow(text):
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
    """Whether the text has few levels of nesting; usually its shape is enough to decide."""
    flow = text.count("[") + text.count("{")
    if flow <= _MOST_LEVELS and max(map(len, text.splitlines()), default=0) <= _MOST_LEVELS:
        return True  # each block is indented further than the one around it, or is a list at the same place
    level = 0
    try:
        for event in yaml.parse(text, Loader=CSafeLoader):  # not recursive
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
            found[sys.intern(name)] = _value(value, loader)  # the same few names are in every client's file
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
