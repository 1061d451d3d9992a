"""Verifies signatures: HMAC-SHA256 over the bytes of a body, with a secret of an account. Pure.

A signature without a key names no account, so the secrets of all accounts of the aggregator are tried. That is work
that a stranger can cause: it is limited, and done in steps between which the event loop serves other requests.
"""

import base64
import binascii
import hmac
import re
import unicodedata
from collections.abc import Generator, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from trackpush_api.routing import Account, Signature
from trackpush_api.signature_bounds import MOST_SECRETS
from trackpush_server.receiver.keys import Headers, Match

MOST_BYTES: Final = 128 * 1024 * 1024
"""After so many hashed bytes no other account is tried: a body of 1 MiB is compared with 128 secrets."""
STEP_BYTES: Final = 256 * 1024
"""Bytes that are hashed between two turns of the event loop: about 0.4 ms."""
_OVERHEAD: Final = 4096
"""Trying a secret takes this many bytes' time more than its hashing."""
_MOST_VALUES: Final = 4
"""Signatures that a request may present; more are ignored."""
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64: Final = re.compile(r"[0-9A-Za-z+/]{43}=?")


class SigningSecret(NamedTuple):
    """One form of a secret, ready to compute signatures."""

    text: str
    """The secret as the account has it."""
    started: hmac.HMAC
    """To be copied."""


class SigningAccount(NamedTuple):
    """An account with the secrets that may have signed its bodies."""

    account: Account
    secrets: tuple[SigningSecret, ...]


@lru_cache(maxsize=16_384)
def signing_secrets(text: str) -> tuple[SigningSecret, ...]:
    """The forms of a secret; computed once, so that a new routing table doesn't prepare thousands of them again."""
    return tuple(SigningSecret(text, hmac.new(key, digestmod="sha256")) for key in _forms(text))


def presented(headers: Headers, signature: Signature) -> tuple[bytes, ...] | None:
    """The signatures in the headers, decoded: empty if none can be read, None without the header.

    A proxy may join repeated headers with commas. A signature contains none, but its prefix may, as ``v1,`` does.
    """
    if signature.header not in headers:
        return None
    prefix = signature.prefix.strip()
    values = [text for line in headers.getall(signature.header, ()) for text in _parts(line, prefix)]
    decoded = (_decoded(text.strip(), signature) for text in values[:_MOST_VALUES])
    return tuple(found for found in decoded if found is not None)


def _parts(line: str, prefix: str) -> Sequence[str]:
    """The values that a header's line joins with commas."""
    if "," not in prefix:
        return line.split(",")
    _, *values = re.split(re.escape(prefix), line, flags=re.IGNORECASE)
    return [prefix + value.partition(",")[0] for value in values]


def search(
    accounts: Iterable[SigningAccount], content: bytes, signatures: Sequence[bytes]
) -> Generator[None, None, Match | None]:
    """The account, one of whose secrets made one of the signatures of this content.

    Yields after each `STEP_BYTES`. After `MOST_SECRETS` or `MOST_BYTES`, no other account is tried.
    """
    tried = hashed = step = 0
    for account, secrets in accounts if signatures else ():
        if tried >= MOST_SECRETS or hashed >= MOST_BYTES:
            return None
        tried += len(secrets)
        for text, started in secrets:
            digest = yield from _digest(started, content)
            if _is_one_of(digest, signatures):
                return Match(account, text)
            hashed += len(content)
            step += len(content) + _OVERHEAD
            if step >= STEP_BYTES:
                step = 0
                yield
    return None


def _digest(started: hmac.HMAC, content: bytes) -> Generator[None, None, bytes]:
    """Yields after each `STEP_BYTES` but the last."""
    made = started.copy()
    if len(content) <= STEP_BYTES:
        made.update(content)
        return made.digest()
    view = memoryview(content)
    for start in range(0, len(view), STEP_BYTES):
        if start:
            yield
        made.update(view[start : start + STEP_BYTES])
    return made.digest()


def _is_one_of(digest: bytes, signatures: Sequence[bytes]) -> bool:
    return any(hmac.compare_digest(digest, signature) for signature in signatures)


def _forms(text: str) -> tuple[bytes, ...]:
    """The secret's bytes. Some senders normalise it first (NFKD), which changes only texts that are not ASCII."""
    plain = text.encode("utf-8", "surrogateescape")
    normalised = unicodedata.normalize("NFKD", text).encode("utf-8", "surrogateescape")
    return (plain,) if plain == normalised else (plain, normalised)


def _decoded(text: str, signature: Signature) -> bytes | None:
    """32 bytes, or None. The case of the prefix does not matter, nor the padding of Base64."""
    prefix = signature.prefix.strip()
    if text[: len(prefix)].lower() != prefix.lower():
        return None
    text = text[len(prefix) :].strip()
    if signature.encoding == "Hex":
        return bytes.fromhex(text) if _HEX.fullmatch(text) else None
    if not _BASE64.fullmatch(text):
        return None
    try:
        return base64.b64decode(text.rstrip("=") + "=", validate=True)
    except binascii.Error:
        return None
