"""Reads YAML 1.1 like Kubernetes: documents with positions, and errors in plain words. Pure.

libyaml reads plain documents (`yaml_fast`) ten times as fast. PyYAML's own reader reads every text that is invalid or
unusual, so the error messages do not depend on libyaml.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.reader import ReaderError

from trackpush_api.yaml_fast import Document, read_plain
from trackpush_api.yaml_scalars import KubernetesLoader

Mapping = dict[Any, Any]
_MOST_SHOWN = 64


class UnreadableYamlError(Exception):
    """The text is not valid YAML; ``line`` counts from 1 and is None if unknown."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.line = line


class _Loader(KubernetesLoader):
    """A loader without aliases, because a few lines of aliases can expand to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not supported; write the value itself", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Mapping:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Refuse a duplicate key, because YAML would silently use the second value."""
        seen: set[str] = set()
        for key, _ in node.value:
            text = str(key.value)
            if text in seen:
                problem = f"duplicate key {text[:_MOST_SHOWN]!r}; remove one"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(text)
        return super().construct_mapping(node, deep)


def read_documents(text: str) -> Iterator[Document]:
    """All documents of a text, up to the first invalid one.

    Raises:
        UnreadableYamlError: what is wrong, where it begins, and what to do.
    """
    plain = read_plain(text)
    if plain is None:
        yield from _read_carefully(text)
    else:
        yield from plain


def _read_carefully(text: str) -> Iterator[Document]:
    try:
        loader = _Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                assert node is not None
                yield Document(node, loader.construct_document(node))
        finally:
            loader.dispose()
    except ReaderError as error:
        raise _unreadable_character(text, error) from error
    except yaml.YAMLError as error:
        raise _explained(text, error) from error
    except RecursionError as error:
        raise UnreadableYamlError("it is nested too deeply", None) from error
    except (ValueError, OverflowError) as error:  # numbers and dates that Python can't hold
        raise UnreadableYamlError(
            "it contains a number or a date that can't be read; put it in quotes", None
        ) from error


def child(node: yaml.Node | None, part: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Key and value of a field of a mapping; for a sequence, None and the entry ``[n]``."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == part:
                return key, value
    elif isinstance(node, yaml.SequenceNode) and part.startswith("[") and part[1:-1].isdigit():
        index = int(part[1:-1])
        if index < len(node.value):
            return None, node.value[index]
    return None, None


def line_of(node: yaml.Node | None, field: str) -> int | None:
    """The line (from 1) of a field such as ``spec.keys[0].name``, or of the nearest node above it."""
    if node is None:
        return None
    place = node
    for part in field.replace("[", ".[").split("."):
        key, found = child(node, part)
        if found is None:
            break
        node, place = found, key or found
    return int(place.start_mark.line) + 1


_WORDS: Final = (
    (r"found character '\\t'", "a tab, which YAML does not allow here; indent with spaces"),
    (
        r"mapping values are not allowed here",
        "a colon inside a value, or a wrong indentation; put the value in quotes, or align it with its neighbours",
    ),
    (
        r"could not determine a constructor for the tag '(?:tag:yaml\.org,2002:)?(?P<what>[^']*)'",
        "the tag {what}, which Kubernetes does not know; remove it, or put the value in quotes",
    ),
    (r"sequence entries are not allowed here", "a value that begins with -; put it in quotes, or begin the list below"),
    (r"mapping keys are not allowed here", "a value that begins with ?; put it in quotes"),
    (r"could not find expected ':'", "a line without a colon; write KEY: VALUE"),
    (r"found character '(?P<what>.)' that cannot start", "an unquoted {what}; put the value in quotes"),
    (r"found unknown escape character", "a backslash in double quotes that begins no escape; write \\\\ or use '…'"),
    (
        r"expected <block end>|expected the node content|did not find expected",
        "a wrong indentation or bracket; align it",
    ),
    (r"expected ',' or '(?P<what>[}\]])'", "a list or mapping that is not closed; add a comma or {what}"),
)
"""What PyYAML's messages mean to the author of a resource."""


def _explained(text: str, error: yaml.YAMLError) -> UnreadableYamlError:
    mark = getattr(error, "problem_mark", None)
    reason = str(getattr(error, "problem", None) or type(error).__name__)
    opened = _open_quote(text, error)
    if opened is not None:
        return UnreadableYamlError("a quote opens here and is not closed on its line; close it", opened + 1)
    for pattern, words in _WORDS:
        found = re.search(pattern, reason)
        if found is not None:
            reason = words.format(**found.groupdict())
            break
    return UnreadableYamlError(reason, None if mark is None else int(mark.line) + 1)


def _open_quote(text: str, error: yaml.YAMLError) -> int | None:
    """The line of the quote that caused the error: an unclosed one extends to the next quote, lines below."""
    if getattr(error, "context", None) == "while scanning a quoted scalar":
        return int(getattr(error, "context_mark").line)  # noqa: B009  only marked errors have one
    mark = getattr(error, "problem_mark", None)
    if mark is None or not isinstance(error, yaml.parser.ParserError | yaml.scanner.ScannerError):
        return None
    opened = None
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if token.start_mark.index > mark.index:
                break
            if isinstance(token, yaml.ScalarToken) and token.style in {"'", '"'}:
                lines = token.start_mark.line, token.end_mark.line
                opened = lines[0] if lines[0] < lines[1] == mark.line else opened
            elif isinstance(token, yaml.DocumentStartToken):
                opened = None
    except yaml.YAMLError:
        pass  # the error itself
    return opened


def _unreadable_character(text: str, error: ReaderError) -> UnreadableYamlError:
    character = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
    line = text.count("\n", 0, error.position) + 1
    return UnreadableYamlError(f"the character U+{character:04X}, which YAML does not allow; remove it", line)
