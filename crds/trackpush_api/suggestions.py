"""``did you mean``: suggests the valid word closest to the written one. Pure."""

import difflib
from collections.abc import Iterable

_MOST_LISTED = 40
_LIKE = 0.7


def closest(text: str, words: Iterable[str]) -> str | None:
    """The valid word that was probably intended: equal except for case, or similar."""
    by_folded = {_folded(word): word for word in reversed(list(words))}
    near = difflib.get_close_matches(_folded(text), by_folded, n=1, cutoff=_LIKE)
    return by_folded[near[0]] if near else None


def did_you_mean(text: str, words: Iterable[str]) -> str:
    """``; did you mean X?``; if no word is similar, ``; write one of …``."""
    found = list(words)
    near = closest(text, found)
    if near is not None:
        return f"; did you mean {near}?"
    more = f" and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    return f"; write one of {', '.join(found[:_MOST_LISTED])}{more}" if found else ""


def _folded(text: str) -> str:
    return text.casefold().replace("-", "_").replace(" ", "_")
