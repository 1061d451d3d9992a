"""The inbox: bodies that came with a known key and in which nothing names a shipment. docs/inbox.md. Pure.

They are kept until they are parsed again (`trackpush inbox retry`) or their retention ends. A client that floods the
inbox replaces its own oldest bodies: each account has its bound, and the bound over all accounts is enforced on the
account that holds the most.
"""

import hashlib
from typing import Final, NamedTuple

import msgspec

from trackpush_server.journal.sealing import Sealer, UnreadableError

MOST_LISTED: Final = 1000
"""The largest page."""
COLUMN: Final = b"unrecognised"
"""What a sealed body is authenticated with, beside its key."""
_KEY_BYTES: Final = 16


class InboxBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept: entries, and bytes of bodies."""

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
    """As the header said; empty without one."""
    body: bytes
    """With secrets redacted, otherwise as it came."""
    generation: str = ""
    """`trackpush_api.routing.Account.generation`: a body of a former namespace is not a repeat."""


class KeptBodies(NamedTuple):
    """What keeping bodies came to."""

    new: int
    """How many of them were not kept before."""
    dropped: dict[str, int]
    """Bodies that had to go for them, by account."""


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kept body, without the body."""

    id: int
    """The order in which bodies were kept."""
    key: bytes
    account: str
    aggregator: str
    received_at: int
    """When it came first."""
    last_at: int
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
    """Why the body can't be opened (a key of the encryption is missing); it is empty then."""


class InboxQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which bodies. ``None`` accepts all."""

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
    """What is kept of one account."""

    account: str
    entries: int
    bytes: int
    oldest_received_at: int


def unrecognised_key(unrecognised: NewUnrecognised) -> bytes:
    """16 bytes of SHA-256 over account, content type and body: the same body of an account is kept once."""
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
    """Its key, and its body as it is stored."""
    key = unrecognised_key(unrecognised)
    return key, sealer.seal(unrecognised.body, key=key, column=COLUMN)


def opened(sealer: Sealer, row: InboxRow, stored: bytes) -> InboxEntry:
    """The entry with the body as it was before it was stored."""
    try:
        return InboxEntry(row=row, body=sealer.open(stored, key=row.key, column=COLUMN))
    except UnreadableError as error:
        return InboxEntry(row=row, body=b"", unreadable=str(error))


def page(rows: list[InboxRow], limit: int) -> InboxPage:
    """The page of rows that were read up to one more than ``limit``."""
    return InboxPage(tuple(rows[:limit]), rows[limit - 1].id if len(rows) > limit else None)


def checked_inbox_limit(limit: int) -> int:
    """The limit.

    Raises:
        ValueError: it is out of bounds.
    """
    if not 1 <= limit <= MOST_LISTED:
        raise ValueError(f"limit {limit} is out of bounds: 1 to {MOST_LISTED}")
    return limit
