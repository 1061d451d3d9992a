r"""Decodes the bytes of a request to a JSON document, and loses as little as possible.

Aggregators pass couriers' texts on: now and then a body has a byte-order mark, bytes in some other encoding, a raw line
break in a remark or half of an emoji. None of that is a reason to lose an update, so what the strict way refuses is
repaired. What is stored and pushed must be valid JSON all the same: a repaired document carries its new bytes along.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from trackpush_aggregators import charset
from trackpush_aggregators.errors import MalformedBodyError

MOST_LEVELS = 64
"""Levels of nesting. Real bodies have fewer than ten; what reads a body later is bounded by this."""
_LARGEST_EXPONENT = 308
"""Of numbers: beyond, a double is infinite, and most readers of JSON fail. Such a number becomes its text."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")
TOO_DEEP = f"The body is nested more than {MOST_LEVELS} levels deep; no tracking update is"
_ESCAPE = re.compile(
    r"(?P<keep>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""An escaped backslash or a whole surrogate pair (kept), or half a pair."""


class Repaired(msgspec.Struct, frozen=True):
    """A document that arrived as invalid JSON, and its valid replacement."""

    document: Any
    body: bytes


def decode(body: bytes, content_type: str = "") -> Any:
    """The JSON document of a request body; an empty body is ``null``.

    ``content_type`` is the request's, for its charset. Numbers lose nothing: integers become int, others Decimal, and
    one that no double can hold becomes its text. Hand the result to `parse` and `body_key` as it is: it is a `Repaired`
    where the body was not valid JSON in UTF-8 with readable numbers.

    Raises:
        MalformedBodyError: no JSON even after repair, or nested too deeply.
    """
    if charset.is_utf8(body, content_type):
        try:
            return _within_bounds(_STRICT.decode(body), body)
        except (msgspec.DecodeError, UnicodeDecodeError, _UnreadableNumberError):
            pass
        except RecursionError:
            raise MalformedBodyError(TOO_DEEP) from None
    return _repair(body, content_type)


def unwrap(document: Any, body: bytes) -> tuple[Any, bytes]:
    """The document itself and the valid JSON that stands for it."""
    return (document.document, document.body) if isinstance(document, Repaired) else (document, body)


def _repair(body: bytes, content_type: str) -> Any:
    failure = MalformedBodyError(TOO_DEEP)
    for text in charset.texts(body, content_type):
        try:
            return _read(text)
        except MalformedBodyError as error:
            failure = error
    raise failure


def _read(text: str) -> Any:
    """The document of a text.

    Raises:
        MalformedBodyError: no JSON even after repair, or nested too deeply.
    """
    if not text.strip("\ufeff\x00 \t\r\n"):
        return None
    try:
        body = text.removeprefix("\ufeff").encode()
        try:
            document = _within_bounds(_STRICT.decode(body), body)
        except (msgspec.DecodeError, UnicodeDecodeError, _UnreadableNumberError):
            document = json.loads(
                _ESCAPE.sub(_whole, text.removeprefix("\ufeff")),
                strict=False,
                parse_int=_integer,
                parse_float=_decimal,
                parse_constant=_absent,
            )
            body = _ENCODER.encode(_within_bounds(document, body))
        return Repaired(document, body)
    except json.JSONDecodeError as error:
        raise MalformedBodyError(
            f"The body is not JSON: {error.msg.rstrip(': ')} at line {error.lineno}, column {error.colno}" + _hint(text)
        ) from None
    except RecursionError:
        raise MalformedBodyError(TOO_DEEP) from None


_FORM = re.compile(r"[\w.%+\[\]-]{1,128}=")


def _hint(text: str) -> str:
    """What the body probably is."""
    plain = text.lstrip()
    what = "a form" if _FORM.match(plain) else "XML" if plain.startswith("<") else None
    return "" if what is None else f"; it looks like {what}, so set the sender to JSON"


def _whole(match: re.Match[str]) -> str:
    return match[0] if match["keep"] else "\\ufffd"


class _UnreadableNumberError(ValueError):
    """A number that no double can hold."""


def _within_bounds(document: Any, body: bytes) -> Any:
    """The document.

    Raises:
        MalformedBodyError: it has too many levels.
        _UnreadableNumberError: an integer is too large. Other numbers are looked at while they are decoded.
    """
    if body.count(b"[") + body.count(b"{") > MOST_LEVELS and levels(document) > MOST_LEVELS:
        raise MalformedBodyError(TOO_DEEP)
    if _LONG_DIGITS in body[::_PROBE].translate(_DIGITS) and _has_huge_integer(document):
        raise _UnreadableNumberError
    return document


_PROBE = 44
"""Only each 44th byte is looked at: a number that is too large has seven of those in a row."""
_LONG_DIGITS = b"0" * (_LARGEST_EXPONENT // _PROBE)
_DIGITS = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else ord(" ") for byte in range(256))  # noqa: PLR2004
"""Makes every digit a zero and the rest spaces: a search for text is many times as fast as one for a pattern."""


def levels(document: Any) -> int:
    """The depth of nesting, at most one more than is allowed; without recursion."""
    level, containers = 0, [document] if isinstance(document, dict | list) else []
    while containers and level <= MOST_LEVELS:
        level += 1
        containers = [
            value
            for container in containers
            for value in (container.values() if isinstance(container, dict) else container)
            if isinstance(value, dict | list)
        ]
    return level


def _has_huge_integer(document: Any) -> bool:
    """Whether an integer is too large; the document's levels must be bounded."""
    if isinstance(document, int):
        return not -_HUGE < document < _HUGE
    values = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return any(map(_has_huge_integer, values))


_HUGE = 10**_LARGEST_EXPONENT


def _number(digits: str) -> Decimal:
    """A number with a fraction or an exponent.

    Raises:
        _UnreadableNumberError: no double can hold it.
    """
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise _UnreadableNumberError from None
    if abs(number.adjusted()) >= _LARGEST_EXPONENT and number:
        raise _UnreadableNumberError
    return number


_STRICT = msgspec.json.Decoder(float_hook=_number)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LARGEST_EXPONENT else digits


def _decimal(digits: str) -> Decimal | str:
    try:
        return _number(digits)
    except _UnreadableNumberError:
        return digits


def _absent(_: str) -> None:
    """Replace NaN and Infinity, which JSON doesn't have."""
