"""Encrypts payloads at rest: AES-256-GCM with a random nonce per value. docs/encryption.md. Pure: randomness comes in.

Format of a sealed value: 1 byte version mark, 8 bytes key id, 12 bytes nonce, ciphertext and tag. A plain value is
JSON (or empty after an erasure) and never starts with the mark. So a journal can hold both, and encryption can be
enabled, rotated and disabled while a server runs. The update's key and the column are additional authenticated data:
an attacker with write access to the store can't move one client's body to another client's update.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trackpush_api.routing import Encryption

MARK: Final = b"\x01"
"""First byte of a sealed value: the version of the format."""
PREFIX_BYTES: Final = 9
"""Length of mark and key id. This prefix shows, without decryption, how a value is stored."""
NOTIFICATION: Final = b"notification"
BODY: Final = b"body"
_NONCE_BYTES: Final = 12


class UnreadableError(Exception):
    """A sealed value can't be decrypted; the message says why and what to do."""


class Payload(NamedTuple):
    """An update's decrypted payload."""

    notification: bytes
    body: bytes
    unreadable: str | None = None
    """Why it can't be decrypted, and both values are empty; otherwise None."""


class _Ring(NamedTuple):
    """The current keys. Immutable and replaced as a whole, because several threads encrypt and decrypt."""

    prefix: bytes
    """Prefix of newly sealed values; empty while encryption is off."""
    first: AESGCM | None
    by_prefix: dict[bytes, AESGCM]


class Sealer:
    """Encrypts and decrypts with the current keys. Thread-safe."""

    def __init__(self, chance: Callable[[int], bytes], encryption: Encryption | None = None) -> None:
        """``chance`` returns cryptographically secure random bytes: `os.urandom`."""
        self._chance = chance
        self._encryption: Encryption | None = None
        self._ring = _Ring(b"", None, {})
        self.use(encryption)

    def use(self, encryption: Encryption | None) -> bool:
        """Set the keys; returns whether they changed."""
        if encryption == self._encryption:
            return False
        self._encryption = encryption
        keys = {} if encryption is None else {MARK + key_id(key): AESGCM(key) for key in encryption.keys}
        seals = encryption is not None and not encryption.decrypt_only
        prefix = next(iter(keys)) if seals else b""
        self._ring = _Ring(prefix, keys.get(prefix), keys)
        return True

    @property
    def prefix(self) -> bytes:
        """Prefix of newly sealed values; empty while values are stored unencrypted."""
        return self._ring.prefix

    def seal(self, value: bytes, *, key: bytes, column: bytes) -> bytes:
        """Encrypt the value of a column of update ``key``. An empty (erased) value stays empty."""
        ring = self._ring
        if ring.first is None or not value:
            return value
        nonce = self._chance(_NONCE_BYTES)
        return ring.prefix + nonce + ring.first.encrypt(nonce, value, key + column)

    def open(self, value: bytes, *, key: bytes, column: bytes) -> bytes:
        """Decrypt a stored value.

        Raises:
            UnreadableError: its key is not configured, or the value was modified.
        """
        if not value.startswith(MARK):
            return value
        cipher = self._ring.by_prefix.get(value[:PREFIX_BYTES])
        if cipher is None:
            raise UnreadableError(_MISSING.format(key=value[1:PREFIX_BYTES].hex()))
        nonce, rest = value[PREFIX_BYTES : PREFIX_BYTES + _NONCE_BYTES], value[PREFIX_BYTES + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, rest, key + column)
        except (InvalidTag, ValueError):
            raise UnreadableError(_CHANGED.format(key=value[1:PREFIX_BYTES].hex())) from None

    def payload(self, *, key: bytes, notification: bytes, body: bytes) -> Payload:
        """Decrypt both values of update ``key``; on failure, `Payload.unreadable` says why."""
        try:
            return Payload(self.open(notification, key=key, column=NOTIFICATION), self.open(body, key=key, column=BODY))
        except UnreadableError as error:
            return Payload(b"", b"", str(error))

    def is_current(self, value: bytes) -> bool:
        """Whether a stored value is sealed with the current key (or plain if encryption is off).

        The first `PREFIX_BYTES` of the value are enough.
        """
        if not value:
            return True
        prefix = self._ring.prefix
        return value.startswith(prefix) if prefix else not value.startswith(MARK)


def key_id(key: bytes) -> bytes:
    """8-byte id of a key, from its SHA-256: does not reveal the key, which is 32 random bytes."""
    return hashlib.sha256(b"trackpush journal key\0" + key).digest()[: PREFIX_BYTES - len(MARK)]


def is_unreadable_reason(text: str | None) -> bool:
    """Whether a stored error of a push is the message of an `UnreadableError`."""
    return text is not None and text.startswith(_SEALED)


def told(keys: Sequence[bytes]) -> tuple[str, ...]:
    """Key ids for messages: 16 hex digits each."""
    return tuple(key_id(key).hex() for key in keys)


_SEALED: Final = "its body is sealed with key "
"""Beginning of every message of `UnreadableError`."""
_MISSING: Final = _SEALED + "{key}, which is not among spec.encryption.keys of the WebhookServer; add that key"
_CHANGED: Final = _SEALED + "{key} and was changed since: restore the journal from a backup"
