"""Index terms: 48-bit digests of the searchable values, so that the index is small and contains no text.

Two values may have the same term, although rarely. So every statement also compares the row's value.
Pure. The connection registers `term` as an SQL function, and statements call it as ``term(kind, value)``.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Any

_BYTES = 6
"""SQLite stores an integer of up to 48 bits in six bytes."""
_KEY_SECONDS = slice(1, 4)
"""The bytes of a key that contain a time in steps of 256 seconds. See `trackpush_aggregators.updates.update_key`."""
_KEY_DIGEST_BYTES = 3
_FEW = frozenset({"status", "config"})
"""Kinds with few different values, whose terms are cached."""


def term(kind: Any, value: Any) -> int:
    """The term of a value; ``kind`` is key (bytes), name (of a shipment), order, status, config or erased.

    Keys with similar times have similar terms, so a sweep merges them into few pages.

    Raises:
        TypeError: the value is not a key.
        UnicodeEncodeError: the text is not valid Unicode.
    """
    if kind == "key":
        key = bytes(value)
        return _signed((key[_KEY_SECONDS] + blake2b(key, digest_size=_KEY_DIGEST_BYTES).digest()).rjust(_BYTES, b"\0"))
    return _of_few(kind, value) if kind in _FEW else _of_text(kind, value)


@lru_cache(maxsize=4096)
def _of_few(kind: str, value: object) -> int:
    return _of_text(kind, value)


def _of_text(kind: str, value: object) -> int:
    return _signed(blake2b(f"{kind} {value}".encode(), digest_size=_BYTES).digest())


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)
