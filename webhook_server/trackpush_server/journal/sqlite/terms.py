"""Numbers that updates are found by: a digest of each text in 48 bits, so that the index is small and holds no text.

Two texts may share a number, however rarely. So every statement compares the row itself after it was found by a number.
Pure; the connection makes `term` known to SQLite, and statements call it as ``term(kind, value)``.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Any

_BYTES = 6
"""SQLite stores an integer of up to 48 bits in six bytes."""
_KEY_SECONDS = slice(1, 4)
"""The part of a key that tells a time in steps of 256 seconds. See `trackpush_server.updates.update_key`."""
_KEY_DIGEST_BYTES = 3
_FEW = frozenset({"status", "config"})
"""Kinds with few values."""


def term(kind: Any, value: Any) -> int:
    """The number of a value; ``kind`` is key (bytes), name (of a shipment), order, status, config or erased.

    Keys of about the same time have numbers close to each other, so they are merged into few pages.

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
