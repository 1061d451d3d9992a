"""The inbox: authenticated request bodies in which the parser found no shipment. docs/inbox.md. Pure.

The journal keeps them until they are parsed again (`trackpush inbox retry`) or their retention ends. A client that
floods the inbox replaces only its own oldest bodies: each account has a bound, and when a total bound is exceeded, the
account with the most entries (or bytes) loses its oldest body.
"""

import hashlib
from typing import Final, NamedTuple

import msgspec

from trackpush_server.journal.sealing import Sealer, UnreadableError

MOST_LISTED: Final = 1000
"""The largest page."""
COLUMN: Final = b"unrecognised"
"""Column name in the additional authenticated data of an encrypted body."""
_KEY_BYTES: Final = 16


class InboxBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Most entries and most bytes of bodies, per account and in total."""

    of_account: int = 1000
    bytes_of_account: int = 16 * 1024 * 1024
    in_all: int = 20_000
    bytes_in_all: int = 128 * 1024 * 1024


class NewUnrecognised(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One body to keep."""

    account: str
    """``namespace/name`` of the AggregatorWebhook."""
    aggregator: str
    """Its slug at the time of receipt."""
    received_at: int
    content_type: str
    """Value of the Content-Type header; empty if it was missing."""
    body: bytes
    """The received body with secrets redacted."""
    generation: str = ""
    """`trackpush_api.routing.Account.generation`: part of the key, so bodies of a former namespace are not repeats."""


class KeptBodies(NamedTuple):
    """Result of storing unrecognised bodies."""

    new: int
    """Number of bodies that were not in the inbox before."""
    dropped: dict[str, int]
    """Number of older bodies deleted to stay within the bounds, by account."""


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kept body, without the body."""

    id: int
    """Ascending in the order in which bodies were stored."""
    key: bytes
    account: str
    aggregator: str
    received_at: int
    """Time of the first arrival."""
    last_at: int
    """Time of the latest arrival."""
    times: int
    """Number of times that exactly this body arrived."""
    size: int
    """Bytes of the body."""
    content_type: str


class InboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One kept body."""

    row: InboxRow
    body: bytes
    unreadable: str | None = None
    """Why the body can't be decrypted (a key is missing), and is empty; otherwise None."""


class InboxQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which bodies to list. ``None`` matches all."""

    account: str | None = None
    client: str | None = None
    """The namespace of the account."""
    before: int | None = None
    """Only ids below this one: `InboxPage.older` of the page before."""
    limit: int = 100


class InboxPage(msgspec.Struct, frozen=True):
    """Kept bodies, newest first; ``older`` is the cursor of the next page, None on the last page."""

    rows: tuple[InboxRow, ...]
    older: int | None = None


class InboxCount(msgspec.Struct, frozen=True, kw_only=True):
    """Size of one account's inbox."""

    account: str
    entries: int
    bytes: int
    oldest_received_at: int


def unrecognised_key(unrecognised: NewUnrecognised) -> bytes:
    """16 bytes of SHA-256 over account, content type and body. An equal body of an account is stored once."""
    digest = hashlib.sha256()
    for part in (
        _identity(unrecognised),
        unrecognised.content_type.encode("utf-8", "replace"),
        unrecognised.body,
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()[:_KEY_BYTES]


def _identity(unrecognised: NewUnrecognised) -> bytes:
    account, generation = unrecognised.account, unrecognised.generation
    return (f"{account}@{generation}" if generation else account).encode()


def sealed(sealer: Sealer, unrecognised: NewUnrecognised) -> tuple[bytes, bytes]:
    """The body's key, and the body encrypted for storage."""
    key = unrecognised_key(unrecognised)
    return key, sealer.seal(unrecognised.body, key=key, column=COLUMN)


def opened(sealer: Sealer, row: InboxRow, stored: bytes) -> InboxEntry:
    """The entry with its body decrypted."""
    try:
        return InboxEntry(row=row, body=sealer.open(stored, key=row.key, column=COLUMN))
    except UnreadableError as error:
        return InboxEntry(row=row, body=b"", unreadable=str(error))


def page(rows: list[InboxRow], limit: int) -> InboxPage:
    """The page from ``rows``, which were read with ``limit + 1`` to detect a next page."""
    return InboxPage(tuple(rows[:limit]), rows[limit - 1].id if len(rows) > limit else None)


def checked_inbox_limit(limit: int) -> int:
    """The limit, validated.

    Raises:
        ValueError: the limit is out of bounds.
    """
    if not 1 <= limit <= MOST_LISTED:
        raise ValueError(f"limit {limit} is out of bounds: 1 to {MOST_LISTED}")
    return limit
