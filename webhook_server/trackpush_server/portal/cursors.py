"""Encrypts the cursors of pages. Pure.

A cursor of the journal is a position among the updates of all clients, which a visitor must not learn. So the links
between pages contain it encrypted. The key is made of the session's CSRF token: a cursor of another link is as invalid
as any other text.
"""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_LONGEST = 128


class CursorError(ValueError):
    """The text is not a cursor of this session."""


def seal(cursor: str, secret: str) -> str:
    """The encrypted cursor: the same for the same cursor, so that links don't change."""
    return base64.urlsafe_b64encode(_cipher(secret).encrypt(cursor.encode(), None)).rstrip(b"=").decode()


def unseal(text: str, secret: str) -> str:
    """The cursor.

    Raises:
        CursorError: this session's pages contain no such cursor.
    """
    if len(text) > _LONGEST or not text.isascii():
        raise CursorError(_INVALID)
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _cipher(secret).decrypt(content, None).decode()
    except (binascii.Error, InvalidTag, ValueError):
        raise CursorError(_INVALID) from None


def _cipher(secret: str) -> AESSIV:
    return AESSIV(hashlib.sha512(f"cursor:{secret}".encode()).digest())


_INVALID = "This link to another page is not valid any more: begin with the first page again."
