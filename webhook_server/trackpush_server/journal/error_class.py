"""Error classes: groups the errors of pushes, for searches and replays. Pure.

A push stores its error as text: ``HTTP 422: unknown order``, ``timeout: no response within 10 s``. The class is the
beginning of this text, which Trackpush wrote; the endpoint's own words come after it.
"""

import re
from collections.abc import Iterable
from typing import Final

FAILURES: Final = ("denied", "dns", "connect", "tls", "timeout", "reset", "protocol", "proxy", "token", "fenced")
"""The failures of attempts without a response: `trackpush_server.outbound.port.Failure`."""
TOO_OLD: Final = "too-old"
"""The push reached maxAge before an attempt could be made."""
OTHER: Final = "other"
NAMES: Final = ("3xx", "4xx", "5xx", *FAILURES, TOO_OLD, OTHER)
"""An HTTP status like ``422`` is a class, too."""
PATTERN: Final = rf"^(?:{'|'.join(NAMES)}|[1-5][0-9][0-9])$"
_HTTP = re.compile(r"HTTP ([1-5][0-9][0-9])(?![0-9])")
_EXPIRED = "older than its maxAge"


def parse_error_classes(text: str) -> tuple[str, ...]:
    """The classes of a list separated by commas or blanks.

    Raises:
        ValueError: a class is unknown; the message lists the known ones.
    """
    found = tuple(dict.fromkeys(part.lower() for part in re.split(r"[\s,]+", text.strip()) if part))
    for name in found:
        if not re.fullmatch(PATTERN, name):
            raise ValueError(f"unknown error class {name[:40]!r}; use {', '.join(NAMES)}, or an HTTP status like 422")
    return found


def classes_of(error: str | None) -> frozenset[str]:
    """The classes of an error: ``4xx`` and ``422`` for ``HTTP 422: no``; none without an error."""
    if not error:
        return frozenset()
    if status := _HTTP.match(error):
        return frozenset({status[1], f"{status[1][0]}xx"})
    if error.startswith(_EXPIRED):
        return frozenset({TOO_OLD})
    head = error.partition(":")[0]
    return frozenset({head if head in FAILURES else OTHER})


def matches(wanted: Iterable[str], error: str | None) -> bool:
    """Whether an error is of one of these classes. Without classes, everything matches."""
    wanted = frozenset(wanted)
    return not wanted or not wanted.isdisjoint(classes_of(error))
