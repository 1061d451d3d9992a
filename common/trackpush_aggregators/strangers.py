"""Examines a body without a known key, only as far as the answer depends on it. Pure.

Without a key, nobody may make the server parse a large body or thousands of updates.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import msgspec

from trackpush_aggregators.document import TOO_DEEP, unwrap
from trackpush_aggregators.errors import MalformedBodyError
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.readers import reader_of
from trackpush_aggregators.registry import found_in
from trackpush_aggregators.times import latest
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.aggregators import PROFILES

MOST_BYTES: Final = 64 * 1024
"""Of an unpacked body. A larger one is not decoded: no panel posts such a probe."""
_MOST_OBJECTS: Final = 100
_MOST_KEYS: Final = 16
_MOST_PLACES: Final = 256
"""Places where the name of the key's member is looked for: a real batch holds one key, many times."""
_VALUE = rb'"\s{0,64}:\s{0,64}("(?:[^"\\]|\\.){1,1024}")'
_KEY_MEMBERS: Final[dict[str, tuple[bytes, re.Pattern[bytes]]]] = {
    aggregator: (f'{member}"'.encode(), re.compile(b'"' + re.escape(member.encode()) + _VALUE))
    for aggregator, profile in PROFILES.items()
    if (member := profile.key_member) is not None
}
"""Of the aggregators that send the key in the body: the end of the member's name, and the member with its text."""


class Content(Enum):
    """What a body holds."""

    PROBE = "nothing: a panel tests the URL"
    UNRECOGNISED = "something, but no shipment"
    UPDATES = "a shipment, or too much to be a probe"


def look(aggregator: Reader | str, document: Any, body: bytes, *, received_at: int) -> Content:
    """The content of a body; stops at the first update. Arguments as for `parse`. Many objects are never a probe.

    Raises:
        MalformedBodyError: ``body`` is nested too deeply, in a part that ``document`` does not show.
    """
    document, body = unwrap(document, body)
    if _size(document) > _MOST_OBJECTS:
        return Content.UPDATES
    content = Content.PROBE
    try:
        for found in found_in(reader_of(aggregator), document, body, latest(received_at)):
            if isinstance(found, TrackingUpdate):
                return Content.UPDATES
            content = Content.UNRECOGNISED
    except RecursionError:  # as in `parse_in_steps`
        raise MalformedBodyError(TOO_DEEP) from None
    return content


def _size(document: Any) -> int:
    """Number of objects to examine: in the document, and in a feed in it."""
    items = document if isinstance(document, list) else [document]
    feeds = (item.get("status_feed") for item in items[: _MOST_OBJECTS + 1] if isinstance(item, dict))
    return len(items) + sum(len(feed) for feed in feeds if isinstance(feed, list | dict))


def keys_in(aggregator: Reader | str, body: bytes) -> Iterator[str]:
    """Keys that a large body may contain, without decoding it: the first few different ones."""
    aggregator = aggregator.name if isinstance(aggregator, Reader) else aggregator
    if aggregator not in _KEY_MEMBERS:
        return
    name, member = _KEY_MEMBERS[aggregator]
    at, seen = 0, set[bytes]()
    for _ in range(_MOST_PLACES):
        at = body.find(name, at + 1)  # many times faster than the expression on a body without any
        if at < 0:
            return
        match = member.match(body, at - 1)
        if match is None or match[1] in seen:
            continue
        seen.add(match[1])
        try:
            yield msgspec.json.decode(match[1], type=str).strip()
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if len(seen) >= _MOST_KEYS:
            return
