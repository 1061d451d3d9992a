"""Encryption of bodies at rest: AES-256-GCM, a fresh nonce for each value. docs/encryption.md. Pure: chance comes in.

A sealed value is a mark, 8 bytes that name its key, 12 bytes of nonce, then ciphertext and tag. What isn't sealed is
JSON (or empty, when it was erased), which never begins with the mark: so both can be in one journal, and encryption
can be turned on, rotated and turned off while a server runs. The update's key and the column are authenticated with
the value, so that nobody who writes to the store can hand one client's body to another.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trackpush_api.routing import Encryption

MARK: Final = b"\x01"
"""First byte of a sealed value, and the version of its form."""
PREFIX_BYTES: Final = 9
"""Mark and key id: what tells without a key how a value is stored."""
NOTIFICATION: Final = b"notification"
BODY: Final = b"body"
_NONCE_BYTES: Final = 12


class UnreadableError(Exception):
    """A sealed value that can't be opened; the message says why and what to do."""


class Payload(NamedTuple):
    """An update's payload as it was before it was stored."""

    notification: bytes
    body: bytes
    unreadable: str | None = None
    """Why it can't be opened; both are empty then."""


class _Ring(NamedTuple):
    """The keys of one moment: replaced as a whole, since several threads seal and open."""

    prefix: bytes
    """Of what is sealed now; empty when nothing is."""
    first: AESGCM | None
    by_prefix: dict[bytes, AESGCM]


class Sealer:
    """Seals and opens with the keys of the moment. From any thread."""

    def __init__(self, chance: Callable[[int], bytes], encryption: Encryption | None = None) -> None:
        """``chance`` gives random bytes that nobody can guess: `os.urandom`."""
        self._chance = chance
        self._encryption: Encryption | None = None
        self._ring = _Ring(b"", None, {})
        self.use(encryption)

    def use(self, encryption: Encryption | None) -> bool:
        """Take these keys from now on; whether they are others than before."""
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
        """The first bytes of what is sealed now; empty when values are stored in clear."""
        return self._ring.prefix

    def seal(self, value: bytes, *, key: bytes, column: bytes) -> bytes:
        """The value of a column of update ``key`` as it is stored. An empty one, an erased one, stays empty."""
        ring = self._ring
        if ring.first is None or not value:
            return value
        nonce = self._chance(_NONCE_BYTES)
        return ring.prefix + nonce + ring.first.encrypt(nonce, value, key + column)

    def open(self, value: bytes, *, key: bytes, column: bytes) -> bytes:
        """The value as it was before it was stored.

        Raises:
            UnreadableError: its key isn't among ours, or it was changed.
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
        """Both values of update ``key``, opened, or why they can't be."""
        try:
            return Payload(self.open(notification, key=key, column=NOTIFICATION), self.open(body, key=key, column=BODY))
        except UnreadableError as error:
            return Payload(b"", b"", str(error))

    def is_current(self, value: bytes) -> bool:
        """Whether a stored value (its first `PREFIX_BYTES` suffice) is sealed as it would be now."""
        if not value:
            return True
        prefix = self._ring.prefix
        return value.startswith(prefix) if prefix else not value.startswith(MARK)


def key_id(key: bytes) -> bytes:
    """8 bytes that name a key: of its digest, which tells nothing of 32 random bytes."""
    return hashlib.sha256(b"trackpush journal key\0" + key).digest()[: PREFIX_BYTES - len(MARK)]


def told(keys: Sequence[bytes]) -> tuple[str, ...]:
    """The ids of keys for people, 16 hex digits each."""
    return tuple(key_id(key).hex() for key in keys)


_MISSING: Final = (
    "its body is sealed with key {key}, which is not among spec.encryption.keys of the WebhookServer; add that key"
)
_CHANGED: Final = "its body is sealed with key {key} and was changed since: restore the journal from a backup"
