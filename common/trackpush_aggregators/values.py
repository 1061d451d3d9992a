"""Reads a member of a body, whatever its JSON type is.

Bodies come from PHP and Python programs that write the same member as a number today and as a string tomorrow, and
"nothing" in many ways. These functions take any JSON value and never raise.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

_NOTHING = frozenset({"", "na", "n/a", "null", "none", "nil", "nan", "undefined", "-", "--"})
"""Folded to lower case: what §6 names ("NA", "null"), and what programs in Python and
JavaScript make of no value. As an AWB such a text would make one shipment of all that have none."""
_LONGEST_NOTHING = 9
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}(?:\.0*)?")
_PLACE = re.compile(r"[0-9]{1,9}")
_LARGEST_CODE = 10**9
_LONGEST_WHOLE = 40
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no"})
_EMPTY: Mapping[str, Any] = {}


def text(value: Any) -> str | None:
    """The text of a string or a number, without surrounding space; None if missing or of another type.

    Numbers keep every digit. NUL and halves of surrogate pairs, which databases and JSON refuse, are replaced.
    """
    if type(value) is not str:
        return None if value is None else _number(value)
    stripped = value.strip()
    if len(stripped) <= _LONGEST_NOTHING and stripped.lower() in _NOTHING:
        return None
    if stripped.isprintable():  # the usual case in one check: neither NUL nor half a pair is printable
        return stripped
    return stripped.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _number(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, int):
        return _digits(value)
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    # 19041424751540.0 and 1.904142475154e13 are AWBs that went through a float: whole numbers all the same.
    if 0 <= exact.adjusted() <= _LONGEST_WHOLE and exact == exact.to_integral_value():
        return f"{exact.to_integral_value():f}"
    return str(exact)


def _digits(value: int) -> str | None:
    try:
        return str(value)
    except ValueError:  # beyond Python's limit of 4,300 digits: no identifier is that long
        return None


def integer(value: Any) -> int | None:
    """A code as a whole number, from 8, "8", " 8 " or 8.0; None for anything else or beyond 10^9."""
    if type(value) is int:  # not isinstance: true is not 1
        return value if -_LARGEST_CODE < value < _LARGEST_CODE else None
    written = text(value)
    if written is None or _INTEGER.fullmatch(written) is None:
        return None
    return int(written.partition(".")[0])


def code(value: Any) -> str | None:
    """A code as text, written in one way: "8" for 8, "8" and "08"."""
    if value is None:
        return None
    if type(value) is str and value.isalpha():  # the usual case of a value that is not a number
        return text(value)
    number = integer(value)
    return text(value) if number is None else str(number)


def flag(value: Any) -> bool | None:
    """True for true, 1, "1", "true" and "yes"; False for their opposites; None for anything else."""
    if value is True or value is False:
        return value
    written = text(value)
    if written is None:
        return None
    folded = written.lower()
    return True if folded in _TRUE else False if folded in _FALSE else None


def members(value: Any) -> Mapping[str, Any]:
    """The object itself, or an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects in an array, or in an object keyed "0", "1", … by number ("10" after "9"); others are left out."""
    if isinstance(value, dict):
        value = [value[name] for name in sorted(value, key=index)]
    if not isinstance(value, list):
        return ()
    return [item for item in value if isinstance(item, dict)]


def is_indexed(value: Mapping[str, Any]) -> bool:
    """Whether an object is keyed "0", "1", …: PHP writes some lists like that."""
    return bool(value) and all(map(str.isdecimal, value))


def index(name: str) -> tuple[int, str]:
    """The order of an index-keyed object's members: by number, then the rest by name."""
    return (int(name), "") if _PLACE.fullmatch(name) else (_LARGEST_CODE, name)


def cut(value: str | None, length: int) -> str | None:
    """At most ``length`` characters."""
    return value if value is None or len(value) <= length else value[:length]
