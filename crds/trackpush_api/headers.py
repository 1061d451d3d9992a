"""The rules for a PushConfig's headers and their values. Compiler and transport use the same functions. Pure.

Sources: RFC 9110, sections 5.1 (names) and 5.5 (values); Standard Webhooks 1.0; W3C Trace Context and Baggage.
"""

import re
from collections.abc import Iterable
from typing import Final

from trackpush_api.kinds import patterns
from trackpush_api.kinds.reserved import RESERVED, RESERVED_PREFIX

MOST_VALUE: Final = 8192
"""Maximum bytes of one value: common servers refuse more (Apache's LimitRequestFieldSize is 8190)."""
MOST_HEADERS: Final = 32 * 1024
"""Maximum bytes of all headers of a PushConfig: with more, common servers answer 431."""

_NAME: Final = re.compile(patterns.HEADER_NAME)
_BAD: Final = re.compile(r"[^\t\x20-\x7e]")


def is_reserved(name: str) -> bool:
    """Whether Trackpush sets this header itself."""
    return name.lower() in RESERVED or name.lower().startswith(RESERVED_PREFIX)


def objection_to_name(name: str) -> str | None:
    """The reason why a PushConfig may not set a header of this name, or None."""
    if _NAME.fullmatch(name) is None:
        return f"{name[:64]!r} is not a header name: write letters, digits and -, such as X-Api-Key"
    if is_reserved(name):
        return f"the header {name} is set by Trackpush itself; remove it"
    return None


def objection_to_value(value: str) -> str | None:
    """The reason why a header can't have this value, without quoting it, or None."""
    bad = _BAD.search(value)
    if bad is not None:
        where = f"character {bad.start() + 1} of {len(value)}"
        if ord(bad[0]) > 0x7E and bad[0] != "\x7f":  # noqa: PLR2004  the last printable character of ASCII
            return f"{where} is not ASCII, which a header can't contain; encode it as the receiver expects"
        return f"{where} is a line break or a control character, which no header may contain; remove it"
    if len(value) > MOST_VALUE:
        return f"has {len(value)} bytes; a header carries at most {MOST_VALUE}"
    return None


def objection_to_size(headers: Iterable[tuple[str, str]]) -> str | None:
    """The reason why these headers are too large for one request, or None."""
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    return f"have {size} bytes in all; at most {MOST_HEADERS} are sent" if size > MOST_HEADERS else None
