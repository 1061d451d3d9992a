"""Paths within a body, such as ``shipment.scans[-1]["a.b"]``, compiled to functions.

A path reads what is there: a missing member, an index beyond the end, or a value of another type gives None.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from trackpush_aggregators.definition.faults import InvalidPartError
from trackpush_aggregators.raw import ELEMENTS, MEMBERS
from trackpush_aggregators.values import text
from trackpush_api.suggestions import did_you_mean

BODY: Final = "body"
_TOKEN: Final = re.compile(
    r"""(?:^|\.)(?P<name>[^.\[\]\s"][^.\[\]"]*)|\[(?P<index>-?[0-9]{1,6})\]|\["(?P<quoted>[^"]{1,128})"\]"""
)
_FLAGS: Final = {True: "true", False: "false"}

Scope = tuple[Any, ...]
"""The values of the variables: the body, then the element of each step."""
Segment = str | int
"""The name of a member, or the index of an element."""
Getter = Callable[[Scope], Any]


class FieldPath(NamedTuple):
    """A path: the index of its variable in a scope, and its segments."""

    variable: int
    segments: tuple[Segment, ...]


def member_names(path: FieldPath) -> tuple[str, ...]:
    """The names of members in a path, without indexes."""
    return tuple(segment for segment in path.segments if isinstance(segment, str))


class Variables:
    """The names with which a path may begin: ``body``, then those of the steps."""

    def __init__(self, names: Sequence[str], *, implicit: bool) -> None:
        """With ``implicit``, a path may omit ``body``."""
        self.names = tuple(names)
        self._implicit = implicit

    def path(self, written: str) -> FieldPath:
        """Parse a path.

        Raises:
            InvalidPartError: the syntax is wrong, or the variable is unknown.
        """
        segments = _segments(written)
        first = segments[0]
        if first in self.names:
            return FieldPath(self.names.index(str(first)), segments[1:])
        if self._implicit:
            return FieldPath(0, segments)
        raise InvalidPartError(
            f"{written!r} begins with an unknown variable {first!r}{did_you_mean(str(first), self.names)}"
        )


def _segments(written: str) -> tuple[Segment, ...]:
    at = 0
    segments: list[Segment] = []
    while at < len(written):
        token = _TOKEN.match(written, at)
        if token is None or token.end() == at or (at == 0 and token["name"] is None):
            raise InvalidPartError(
                f"{written!r} is not a path (character {at + 1}); write a path such as shipment.scans[0].code"
            )
        name = token["name"] if token["quoted"] is None else token["quoted"]
        segments.append(int(token["index"]) if name is None else name)
        at = token.end()
    if not segments:
        raise InvalidPartError("an empty path; write a path such as shipment.scans[0].code")
    return tuple(segments)


def step_into(value: Any, segment: Segment) -> Any:
    """The member or element of a value; None if there is none. An object counts as a list of one."""
    if isinstance(segment, str):
        return value.get(segment) if isinstance(value, dict) else None
    if isinstance(value, list):
        return value[segment] if -len(value) <= segment < len(value) else None
    return value if isinstance(value, dict) and segment in {0, -1} else None


def getter(path: FieldPath) -> Getter:
    """A function that returns the value at a path; short paths need no loop."""
    variable, segments = path
    if not segments:
        return lambda scope: scope[variable]
    if len(segments) == 1 and isinstance(name := segments[0], str):

        def member(scope: Scope) -> Any:
            value = scope[variable]
            return value.get(name) if type(value) is dict else None

        return member

    def along(scope: Scope) -> Any:
        value = scope[variable]
        for segment in segments:
            value = step_into(value, segment)
            if value is None:
                return None
        return value

    return along


def written(value: Any) -> str | None:
    """The text of a value: as `text`, and ``true`` or ``false`` for a flag."""
    found = text(value)
    return _FLAGS[value] if found is None and type(value) is bool else found


def raw_at(body: bytes, segments: tuple[Segment, ...]) -> bytes | msgspec.Raw | None:
    """The bytes of the value at a path from the body; None if there is none."""
    raw: bytes | msgspec.Raw = body
    for segment in segments:
        found = _raw_step(raw, segment)
        if found is None:
            return None
        raw = found
    return raw


def _raw_step(raw: bytes | msgspec.Raw, segment: Segment) -> bytes | msgspec.Raw | None:
    try:
        if isinstance(segment, str):
            return MEMBERS.decode(raw).get(segment)
        elements = ELEMENTS.decode(raw)
        return elements[segment] if -len(elements) <= segment < len(elements) else None
    except msgspec.ValidationError:  # a value of another type
        return raw if isinstance(segment, int) and segment in {0, -1} else None
