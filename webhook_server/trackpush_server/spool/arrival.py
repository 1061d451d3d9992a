"""One spooled request, and its line in the spool's file. Pure.

A line is text, because text has a mark that no value can contain: its end. So bytes that a crash left in the middle of
a line can be skipped, and no body can forge a line. A line begins and ends with a line break: what is written after
half a line is whole again.

The version that writes a line may be older or newer than the one that reads it. So the payload is JSON with names, and
a new field of the structs in it needs a default.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable
from typing import Final

import msgspec

from trackpush_aggregators import Leftover
from trackpush_aggregators.updates import NONCE_BYTES, TrackingUpdate
from trackpush_api.routing import Account
from trackpush_server.journal.sealing import Sealer, UnreadableError

_KEY: Final = b"spool"
_COLUMN: Final = b"arrival"
_DIGITS: Final = 8
"""Hexadecimal digits of the checksum before the payload."""


class SpooledRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request's updates and unrecognised bodies, with secrets redacted."""

    id: str
    """Random. Repeated reads of one line give the same keys of updates without a time."""
    account: Account
    """As the standby knew it, without keys."""
    received_at: int
    """Milliseconds since the epoch."""
    updates: tuple[TrackingUpdate, ...]
    leftovers: tuple[Leftover, ...] = ()


class BadLineError(Exception):
    """A line that can't be read; the message says why and quotes nothing of it."""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(SpooledRequest).decode


def without_keys(account: Account) -> Account:
    """The account as it may be written to the spool."""
    return msgspec.structs.replace(account, key_digests=(), grace=(), secrets=())


def line_of(arrival: SpooledRequest, sealer: Sealer) -> bytes:
    """The line to append, encrypted if the sealer encrypts."""
    payload = base64.b64encode(sealer.seal(_encode(arrival), key=_KEY, column=_COLUMN))
    return b"\n%0*x %b\n" % (_DIGITS, zlib.crc32(payload), payload)


def arrival_of(line: bytes, sealer: Sealer) -> SpooledRequest:
    """The arrival of a line.

    Raises:
        BadLineError: the line is incomplete or damaged, or its key is missing.
    """
    checksum, space, payload = line.strip().partition(b" ")
    if not space or checksum != b"%0*x" % (_DIGITS, zlib.crc32(payload)):
        raise BadLineError("the line is incomplete or damaged")
    try:
        return _decode(sealer.open(base64.b64decode(payload, validate=True), key=_KEY, column=_COLUMN))
    except UnreadableError as error:
        raise BadLineError(str(error)) from None
    except (binascii.Error, msgspec.DecodeError) as error:
        raise BadLineError(f"the line is not an arrival: {type(error).__name__}") from None


def nonces(arrival: SpooledRequest) -> Callable[[], bytes]:
    """The nonces of its updates without a time, one after the other: the same for each read of the line."""
    count = 0

    def nonce() -> bytes:
        nonlocal count
        count += 1
        return hashlib.sha256(f"{arrival.id} {count}".encode()).digest()[:NONCE_BYTES]

    return nonce
