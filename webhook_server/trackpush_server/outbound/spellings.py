"""Finds a secret in a text in any spelling: percent-encoded, escaped as in JSON or HTML, in another case.

The text is decoded step by step. Each decoded byte remembers its position in the original text. So one search covers
every mixture of spellings, including one inside another (`%253D`).
"""

import html
import re
from functools import lru_cache
from typing import Final

_STEPS: Final = 3
_ENCODED: Final = re.compile(rb"%([0-9a-f]{2})|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\(.)|(&#?\w{2,8};)", re.DOTALL)
_ESCAPES: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

_Decoded = list[tuple[int, int, int]]
"""A byte in lower case, and the start and end of its spelling in the text."""


def spans(text: bytes, secret: bytes, *, shortest: int) -> list[tuple[int, int]]:
    """The positions of the secret, and of its beginning (``shortest`` bytes or more) at the end of the text."""
    forms = _forms(secret)
    found: list[tuple[int, int]] = []
    decoded = _read(_fold(text))
    for _ in range(_STEPS):
        plain = bytes(byte for byte, _, _ in decoded)
        places = [place for form in forms for place in _places(plain, form, shortest)]
        found += [(decoded[start][1], decoded[stop - 1][2]) for start, stop in places]
        decoded = _decode(decoded)
    return found


@lru_cache(maxsize=256)
def _forms(secret: bytes) -> frozenset[bytes]:
    """The secret as it is, and decoded once.

    It may contain something that looks like an escape, which decoding the text changes.
    """
    wanted = _read(_fold(secret))
    return frozenset(bytes(byte for byte, _, _ in form) for form in (wanted, _decode(wanted)))


def _fold(text: bytes) -> bytes:
    """The text in lower case, with a form's ``+`` as a space."""
    return text.lower().replace(b"+", b" ")


def _read(text: bytes) -> _Decoded:
    return [(byte, at, at + 1) for at, byte in enumerate(text)]


def _places(plain: bytes, wanted: bytes, shortest: int) -> list[tuple[int, int]]:
    places = [match.span() for match in re.finditer(re.escape(wanted), plain)] if wanted else []
    for length in range(min(len(wanted) - 1, len(plain)), shortest - 1, -1):
        if plain.endswith(wanted[:length]):  # the text was cut off inside the secret
            return [*places, (len(plain) - length, len(plain))]
    return places


def _decode(decoded: _Decoded) -> _Decoded:
    plain = bytes(byte for byte, _, _ in decoded)
    made: _Decoded = []
    last = 0
    for match in _ENCODED.finditer(plain):
        made += decoded[last : match.start()]
        last = match.end()
        begin, end = decoded[match.start()][1], decoded[match.end() - 1][2]
        made += [(byte, begin, end) for byte in _fold(_meaning(match))]
    return made + decoded[last:]


def _meaning(match: re.Match[bytes]) -> bytes:
    percent, unicode, byte, escaped, entity = match.groups()
    if percent or byte:
        return bytes([int(percent or byte, 16)])
    if unicode:
        return chr(int(unicode, 16)).encode("utf-8", "replace")
    if escaped:
        return _ESCAPES.get(escaped, bytes(escaped))
    return html.unescape(entity.decode("utf-8", "replace")).encode()
