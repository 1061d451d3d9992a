"""Parts of a body that name no shipment and are not probes: they are kept, to be parsed again. docs/inbox.md.

A body of which nothing was recognised is one leftover, byte for byte as it came unless a secret had to be taken out.
Where a batch holds updates, each of its other objects is a leftover of its own.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from trackpush_aggregators import redact
from trackpush_aggregators.document import decode, unwrap
from trackpush_aggregators.errors import MalformedBodyError
from trackpush_aggregators.parsed import Leftover, Stray
from trackpush_aggregators.raw import ELEMENTS, MEMBERS
from trackpush_aggregators.redact import SecretFinder
from trackpush_aggregators.values import is_indexed
from trackpush_aggregators.values import text as as_text

JSON: Final = "application/json"
_MOST_ALONE: Final = 50
_MOST_NAMES: Final = 12
_LONGEST_NAME: Final = 40
_LONGEST_CONTENT_TYPE: Final = 128
_LONG_ENOUGH: Final = 8
"""Characters of an AWB that hardly occur in another number by chance."""
_FEED: Final = "status_feed"
_OF_PROBES: Final = frozenset({"hash", _FEED})


def is_probe(item: dict[str, Any]) -> bool:
    """Whether an object without a shipment is a panel's test of the URL: nothing, or an empty feed."""
    return item.keys() <= _OF_PROBES and is_empty(item.get(_FEED))


def whole(document: Any, body: bytes, original: bytes, content_type: str, finder: SecretFinder | None) -> Leftover:
    """The whole body. ``body`` is valid JSON; ``original`` is the received body, the same if it was valid JSON."""
    cleaned = _cleaned(body, finder)
    declared = printable(content_type)[:_LONGEST_CONTENT_TYPE]
    if cleaned == body:
        return Leftover(body=original, content_type=declared, names=_names(document, finder))
    declared = declared if body is original else JSON
    return Leftover(body=cleaned, content_type=declared, names=_names(document, finder))


def each(strays: Sequence[Stray], finder: SecretFinder | None) -> Iterator[Leftover]:
    """Objects of a batch, each separately; too many as one array, so that their number is bounded."""
    if len(strays) > _MOST_ALONE:
        body = b"[" + b",".join([stray.body for stray in strays]) + b"]"
        strays = (Stray([strays[0].document], body),)
    for stray in strays:
        yield Leftover(body=_cleaned(stray.body, finder), content_type=JSON, names=_names(stray.document, finder))


def mentions(body: bytes, text: str) -> bool:
    """Whether a text occurs in a body: in its bytes, or in a name, string or number of its JSON.

    A short text must be a whole word: "702" does not occur in "7020".
    """
    literal = re.escape(text)
    pattern = re.compile(literal if len(text) >= _LONG_ENOUGH else f"(?<![0-9A-Za-z]){literal}(?![0-9A-Za-z])")
    if pattern.search(body.decode("utf-8", "replace")):
        return True
    try:
        document, _ = unwrap(decode(body), body)
    except MalformedBodyError:
        return False
    return any(map(pattern.search, _texts(document)))


def _texts(document: Any) -> Iterator[str]:
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield from value
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif value is not None:
            yield as_text(value) or ""


def printable(text: str) -> str:
    """ASCII on one line, safe for a log or a column."""
    return text.encode("unicode_escape").decode("ascii")


def _cleaned(body: bytes, finder: SecretFinder | None) -> bytes:
    cleaned = redact.everywhere(body, _RULES)
    return cleaned if finder is None else finder.remove(cleaned)


def _names(document: Any, finder: SecretFinder | None) -> tuple[str, ...]:
    """Names of the top-level members of the object, or of an array's first object."""
    if isinstance(document, list):
        document = next((part for part in document if isinstance(part, dict)), None)
    if not isinstance(document, dict):
        return ()
    found = [(name if finder is None else finder.clean(name) or "") for name in list(document)[:_MOST_NAMES]]
    cut = tuple(printable(name)[:_LONGEST_NAME] for name in found)
    return cut if len(document) <= _MOST_NAMES else (*cut, f"and {len(document) - _MOST_NAMES} more")


def is_empty(value: Any) -> bool:
    """Whether a document or a feed is empty: null, "", an array of empty values."""
    return not value or (isinstance(value, list) and not any(value))


def _hidden(value: Any) -> Any:
    return redact.REDACTED if value or value == 0 else value


_RULES: Final[dict[str, Callable[[Any], Any]]] = {
    "hash": _hidden,
    "callback_url": redact.url,
    "internal.key": _hidden,
    "internal.url": redact.url,
}
"""Where aggregators echo a client's key, at whatever depth: Shipway's members, and those of Clickpost's wrapper."""


def strays(given: Any, raw: bytes | msgspec.Raw) -> Iterator[Stray]:
    """Elements of an array, or of an object keyed "0", "1", …, that are not objects and not empty."""
    if isinstance(given, list):
        raws: Iterable[msgspec.Raw] = ELEMENTS.decode(raw)
        values: Iterable[Any] = given
    elif isinstance(given, dict) and is_indexed(given):
        members = MEMBERS.decode(raw)
        values, raws = given.values(), [members[name] for name in given]
    else:
        return
    for value, bytes_ in zip(values, raws, strict=True):
        if value and not isinstance(value, dict):
            yield Stray(value, bytes(bytes_))
