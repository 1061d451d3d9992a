"""The id of a push, the same in the ``webhook-id`` header, the body's ``id``, the CLI and the console.

``psh_`` + the update's 16-byte key in hex + ``-`` + the PushConfig's tag of 8 hex digits.
"""

import hashlib
import re
from functools import lru_cache

_PUSH_ID = re.compile(r"psh_([0-9a-f]{32})-([0-9a-f]{8})")
PORTAL_LINK_ID = re.compile(r"lnk_[0-9a-f]{32}")
INBOX_ID = re.compile(r"unr_([0-9a-f]{32})")


@lru_cache(maxsize=16384)
def push_config_tag(name: str) -> str:
    """8 hex digits for a PushConfig's ``namespace/name``."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def push_id(key: bytes, push_config: str) -> str:
    """The id of the push of update ``key`` (16 bytes) to ``push_config`` (``namespace/name``)."""
    return f"psh_{key.hex()}-{push_config_tag(push_config)}"


def without_occurrence(identity: str) -> str:
    """A push id without its occurrence, see `trackpush_aggregators.updates.occurrence_key`."""
    match = _PUSH_ID.fullmatch(identity)
    return identity if match is None else f"psh_{'0' * 10}{match[1][10:22]}{'0' * 10}-{match[2]}"


def parse_push_id(text: str) -> tuple[bytes, str]:
    """The update's key and the PushConfig's tag.

    Raises:
        ValueError: the text is not a push id.
    """
    match = _PUSH_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"not a push id: {text!r} (psh_, 32 hex digits, -, 8 hex digits)")
    return bytes.fromhex(match[1]), match[2]


def inbox_id(key: bytes) -> str:
    """The id of an unrecognised body by its key (16 bytes)."""
    return f"unr_{key.hex()}"


def parse_inbox_id(text: str) -> bytes:
    """The key of an unrecognised body.

    Raises:
        ValueError: the text is not the id of an unrecognised body.
    """
    match = INBOX_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"not the id of an unrecognised body: {text[:64]!r} (unr_ and 32 hex digits)")
    return bytes.fromhex(match[1])
