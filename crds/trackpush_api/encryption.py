"""Parses keys for the encryption of bodies. Pure."""

import base64
import binascii
from typing import Final

KEY_BYTES: Final = 32
_HOW: Final = "create a key with: openssl rand -base64 32"


def parse_key(text: str) -> bytes:
    """The 32 bytes of a key in base64; whitespace at its ends is ignored.

    Raises:
        ValueError: the text is not a key; the message doesn't quote it.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not base64; {_HOW}") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"has {len(key)} bytes, but a key has {KEY_BYTES}; {_HOW}")
    return key
