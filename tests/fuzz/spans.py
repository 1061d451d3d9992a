"""Where the parts of a JSON text are, so that a fuzzer can cut and paste them without decoding."""

import json
from json.scanner import py_make_scanner
from typing import Any, Final, NamedTuple

_WHITE: Final = " \t\r\n"


class Span(NamedTuple):
    """A part of a text, from ``start`` up to ``end``."""

    start: int
    end: int


class Spans(NamedTuple):
    """Values at any depth, and members or elements (with their names, without commas)."""

    values: tuple[Span, ...]
    members: tuple[Span, ...]


def spans(text: bytes) -> Spans:
    """The parts of a valid JSON text in ASCII or UTF-8.

    Raises:
        ValueError: the text is not valid JSON.
    """
    found = _Finder(text.decode("latin-1"))
    found.value(found.skip(0))
    return Spans(tuple(found.values), tuple(found.members))


class _Finder:
    """One walk over a text; Latin-1 keeps one character for each byte."""

    def __init__(self, text: str) -> None:
        self.values: list[Span] = []
        self.members: list[Span] = []
        self._text = text
        self._scalar: Any = py_make_scanner(json.JSONDecoder(strict=False))

    def skip(self, at: int) -> int:
        """Over white space."""
        while at < len(self._text) and self._text[at] in _WHITE:
            at += 1
        return at

    def value(self, start: int) -> int:
        """Note the value that starts there; gives its end."""
        opening = self._text[start : start + 1]
        end = self._container(start + 1, opening) if opening in {"{", "["} else self._scalar(self._text, start)[1]
        self.values.append(Span(start, end))
        return int(end)

    def _container(self, at: int, opening: str) -> int:
        at = self.skip(at)
        while self._text[at] not in "}]":
            start = at
            if opening == "{":
                at = self.skip(self._scalar(self._text, at)[1]) + 1  # the name and its colon
            end = self.value(self.skip(at))
            self.members.append(Span(start, end))
            at = self.skip(end)
            if self._text[at] == ",":
                at = self.skip(at + 1)
        return at + 1
