"""Formats exceptions for logs: the frames, and the message without values.

Operator and server both use this for their logs. The text of an exception is dangerous: a database error quotes a row,
``KeyError`` contains only the key, and a parser repeats its input. So values are cut out of it: quoted texts,
everything that looks like a number, a token, an address or a URL, and everything after a word that announces a secret
or a person. Frames contain only file, line and function. They have no local variables, and no source code, which would
have to be read from disk.
"""

import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, Final

HIDDEN: Final = "[…]"
_MOST_FRAMES: Final = 16
"""Maximum number of frames of one exception, from the innermost."""
_MOST_EXCEPTIONS: Final = 6
"""Maximum number of exceptions: the exception, its causes and the members of groups."""
_MOST_TEXT: Final = 240

_QUOTED = re.compile(r"(?<!\w)'[^']*'?|\"[^\"]*\"?|`[^`]*`?|[({\[<].*[)}\]>]")
_ANNOUNCES = re.compile(
    r"((?<![a-z])body|payload|\bkey\b|token|secret|hash|passw|passphrase|credential|authoriz|cookie|header|phone|mobile"
    r"|e-?mail|address\b|customer|consignee|\bname\b|\bawb\b|order|\bdsn\b|\buser\b|detail|\bvalue\b)[a-z]*",
    re.IGNORECASE,
)
_WORD = re.compile(r"[(]?[A-Za-z]{1,24}(?:['_./-][A-Za-z]{1,24}){0,3}[).,:;!?]*|[(]?\d{1,4}[).,:;%]*|[-+=/&|]")
"""A plain word or a short number. Anything else may be a value."""


def with_traceback(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: adds ``exception`` instead of ``exc_info``.

    No renderer gets ``exc_info``: one renderer would write ``true``, the other would print local variables.
    """
    given = event.pop("exc_info", None)
    if given:
        error = given[1] if isinstance(given, tuple) else given if isinstance(given, BaseException) else None
        error = error or sys.exc_info()[1]
        if error is not None:
            event["exception"] = described(error)
    return event


def described(error: BaseException) -> str:
    """The exception and its causes, the last one first, each with its frames, the innermost first."""
    return "\n".join(_lines(error))


def _lines(error: BaseException) -> Iterator[str]:
    for number, (how, found) in enumerate(_chain(error, "", set())):
        if number == _MOST_EXCEPTIONS:
            yield "and more"
            return
        yield f"{how}{type(found).__name__}: {text}" if (text := without_values(found)) else how + type(found).__name__
        frames = [*traceback.walk_tb(found.__traceback__)][-_MOST_FRAMES:]
        for frame, line in reversed(frames):
            code = frame.f_code
            yield f"  {Path(code.co_filename).name}:{line} in {code.co_name}"


def _chain(error: BaseException, how: str, seen: set[int]) -> Iterator[tuple[str, BaseException]]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield how, error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _chain(member, "in the group: ", seen)
    if error.__cause__ is not None:
        yield from _chain(error.__cause__, "caused by: ", seen)
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _chain(error.__context__, "while handling: ", seen)


def without_values(error: BaseException) -> str:
    """The first line of an exception's message, with ``[…]`` for possible values."""
    if isinstance(error, AttributeError | NameError) and error.name is not None:
        return f"no {error.name}"  # raised by the interpreter: the name is from the code and is not a value
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror  # without the file name
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  if the message can't be made, keep the traceback
        return HIDDEN
    return _cut(next(iter(text.splitlines()), "")[:_MOST_TEXT])


def _cut(text: str) -> str:
    announced = _ANNOUNCES.search(text)
    rest = ""
    if announced is not None and announced.end() < len(text):
        text, rest = text[: announced.end()], f" {HIDDEN}"
    words = _QUOTED.sub(f" {HIDDEN} ", text).split()
    kept = [word if word == HIDDEN or _WORD.fullmatch(word) else HIDDEN for word in words]
    short = [word for place, word in enumerate(kept) if word != HIDDEN or place == 0 or kept[place - 1] != HIDDEN]
    return " ".join(short) + (rest if not short or short[-1] != HIDDEN else "")
