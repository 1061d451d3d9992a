r"""From the bytes of a request to a JSON document, losing as little as a client could miss.

Aggregators pass couriers' texts on: now and then a body has a byte-order mark, bytes in some other encoding, a raw line
break in a remark or half of an emoji. None of that is a reason to lose an update, so what the strict way refuses is
repaired. What is stored and pushed must be valid JSON all the same: a repaired document carries its new bytes along.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from trackpush_server.aggregators import charset
from trackpush_server.aggregators.errors import MalformedBodyError

_STRICT = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DEEP = "The body is nested too deeply to be a tracking update"
_MAX_INT_DIGITS = 4000
"""Python refuses to convert more than 4,300 digits to an int; longer numbers are kept as Decimal."""
_ESCAPE = re.compile(
    r"(?P<keep>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""An escaped backslash or a whole surrogate pair (kept), or half a pair."""


class Repaired(msgspec.Struct, frozen=True):
    """A document that was no valid JSON as it came, and the valid JSON that stands for it."""

    document: Any
    body: bytes


def decode(body: bytes, content_type: str = "") -> Any:
    """The JSON document of a request body; an empty body is ``null``.

    ``content_type`` is the request's, for its charset. Numbers lose nothing: integers of any size, others as Decimal
    (text where Decimal can't hold them). Hand the result to `parse` and `body_key` as it is: it is a `Repaired` where
    the body was not valid JSON in UTF-8.

    Raises:
        MalformedBodyError: no JSON even after repair, or nested too deeply.
    """
    if charset.is_utf8(body, content_type):
        try:
            return _STRICT.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation):
            pass
        except RecursionError:
            raise MalformedBodyError(_DEEP) from None
    return _repair(body, content_type)


def unwrap(document: Any, body: bytes) -> tuple[Any, bytes]:
    """The document itself and the valid JSON that stands for it."""
    return (document.document, document.body) if isinstance(document, Repaired) else (document, body)


def _repair(body: bytes, content_type: str) -> Any:
    failure = MalformedBodyError(_DEEP)
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
            document = _STRICT.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation):
            document = json.loads(
                _ESCAPE.sub(_whole, text.removeprefix("\ufeff")),
                strict=False,
                parse_int=_integer,
                parse_float=_decimal,
                parse_constant=_absent,
            )
            body = _ENCODER.encode(document)
        return Repaired(document, body)
    except json.JSONDecodeError as error:
        raise MalformedBodyError(
            f"The body is no JSON: {error.msg.rstrip(': ')} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise MalformedBodyError(_DEEP) from None


def _whole(match: re.Match[str]) -> str:
    return match[0] if match["keep"] else "\\ufffd"


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else Decimal(digits)


def _decimal(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return digits


def _absent(_: str) -> None:
    """NaN and Infinity, which JSON doesn't know."""
