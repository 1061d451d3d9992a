"""Escapes text from outside, so that a terminal shows it and executes nothing.

An AWB or a courier's label may contain escape sequences that change the window's title, hide text or write a link;
bidirectional controls that change the visible order; line breaks that forge a row; and characters without a width.
Everything that `str.isprintable` rejects is escaped (controls, formats, surrogates, private and unassigned characters,
all line breaks and all spaces but the plain one), and also characters that it accepts although they are invisible.
"""

import re
from collections.abc import Callable, MutableMapping
from typing import Any, Final

_INVISIBLE: Final = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""The printable characters of Unicode's property Default_Ignorable_Code_Point: fillers, joiners, variation selectors.
"""
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_BYTE: Final = 0xFF
_BASIC_PLANE: Final = 0xFFFF


def is_shown(text: str) -> bool:
    """Whether a terminal shows every character and executes none."""
    return text.isprintable() and (text.isascii() or _INVISIBLE.search(text) is None)


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with ``\n``, ``\x1b``, ``\u202e`` or ``\U000e0001`` for invisible characters; ``keep`` stays."""
    return _escaped(text, keep, _escape)


def printable_json(document: str) -> str:
    r"""JSON text of the same value, with ``\uXXXX`` instead of invisible characters; its own line breaks stay."""
    return _escaped(document, "\n", _json_escape)


def printable_yaml(document: str) -> str:
    """YAML text of the same value, if every string that is not printable is in double quotes; line breaks stay."""
    return _escaped(document, "\n", _escape)


def printable_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog for lines that people read, because structlog doesn't escape a text without spaces."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, keep="\n" if name == "exception" else "")
    return event


def _escaped(text: str, keep: str, escape: Callable[[str], str]) -> str:
    if is_shown(text):
        return text
    return "".join(char if char in keep or is_shown(char) else escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code <= _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _BASIC_PLANE else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    """The escape of a character; outside the basic plane, a pair of surrogates (RFC 8259, section 7)."""
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
