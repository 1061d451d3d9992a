"""The token of a portal link: signed, so that a forged one is refused without a look into the journal. Pure.

``tpl_PAYLOAD.MAC``: the payload is JSON in base64url, the MAC is HMAC-SHA256 over the payload's text, in base64url.
The MACs of tokens and of CSRF tokens have different prefixes, so that one is never accepted as the other.
"""

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from trackpush_server.journal.portal_links import PortalLink, PortalRole

MOST_CHARACTERS: Final = 512
"""Maximum length of a token; a client's name has at most 63 characters, so real ones are shorter."""
_PREFIX: Final = "tpl_"


class TokenContent(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a token says about its link."""

    link_id: str
    client: str
    role: PortalRole
    expires_at: int


def sign(key: bytes, link: PortalLink) -> str:
    """The token of a link."""
    content = TokenContent(link.id, link.client, link.role, link.expires_at)
    payload = _text(msgspec.json.encode(content))
    return f"{_PREFIX}{payload}.{_mac(key, 'link', payload)}"


def read(key: bytes, token: str) -> TokenContent | None:
    """What a token says; None unless it was signed with this key, byte for byte."""
    if len(token) > MOST_CHARACTERS or not token.startswith(_PREFIX) or not token.isascii():
        return None
    payload, dot, mac = token.removeprefix(_PREFIX).partition(".")
    if not dot or not hmac.compare_digest(mac, _mac(key, "link", payload)):
        return None
    return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=TokenContent)


def csrf(key: bytes, token: str) -> str:
    """The value that a page of this link's session returns with each change."""
    return _mac(key, "csrf", token)


def _mac(key: bytes, purpose: str, text: str) -> str:
    return _text(hmac.new(key, f"{purpose}:{text}".encode(), hashlib.sha256).digest())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
