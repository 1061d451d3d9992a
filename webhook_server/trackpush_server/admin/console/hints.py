"""What a person may have meant by a name that matches nothing. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from trackpush_api.routing import RoutingTable, namespace_of

_MOST: Final = 5
_LONGEST: Final = 63
"""The longest name of a namespace."""


def client_names(table: RoutingTable | None) -> frozenset[str]:
    """The clients of the configuration."""
    if table is None:
        return frozenset()
    names = [account.name for account in table.accounts] + [destination.name for destination in table.destinations]
    return frozenset(map(namespace_of, names))


def similar(text: str, names: Iterable[str]) -> list[str]:
    """The names that contain the text or differ in a few letters, the best first; none if the text is a name."""
    known = sorted(names)
    if not text or text in known:
        return []
    part = text.casefold()
    inside = sorted((name for name in known if part in name.casefold()), key=lambda name: not name.startswith(part))
    close = get_close_matches(part, known, n=_MOST, cutoff=0.7) if len(text) <= _LONGEST else []
    return list(dict.fromkeys((*inside, *close)))[:_MOST]
