"""Bodies that report several status changes: each becomes an update with its own body.

An update is stored and pushed alone, so each gets what the aggregator would have sent for it alone: the item's exact
bytes, put in the feed's envelope where the format has one.
"""

from typing import Any

import msgspec

from trackpush_aggregators.parsed import Item
from trackpush_aggregators.raw import ELEMENTS, MEMBERS
from trackpush_aggregators.values import index, is_indexed


def reports(document: Any, body: bytes) -> list[tuple[Item, bytes]]:
    """Each object of the document with its bytes: the document itself, or those of an array."""
    if isinstance(document, dict):
        return [(document, body)]
    return _array(document, body) if isinstance(document, list) else []


def feed(given: Any, raw: bytes | msgspec.Raw) -> list[tuple[Item, bytes]]:
    """The objects of a feed with their bytes: an array, an object keyed "0", "1", …, or one bare object."""
    if isinstance(given, list):
        return _array(given, raw)
    if not isinstance(given, dict) or not given:
        return []
    if not is_indexed(given):
        return [(given, bytes(raw))]
    raws = MEMBERS.decode(raw)
    return [(given[place], bytes(raws[place])) for place in sorted(given, key=index) if isinstance(given[place], dict)]


def _array(given: list[Any], raw: bytes | msgspec.Raw) -> list[tuple[Item, bytes]]:
    elements = zip(given, ELEMENTS.decode(raw), strict=True)
    return [(item, bytes(bytes_)) for item, bytes_ in elements if isinstance(item, dict)]
