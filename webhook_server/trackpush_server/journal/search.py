"""The search port: the queries of the admin API and the console.

Every query reads one snapshot, uses an index, and is bounded: a filter without an index is applied to at most
`MOST_LOOKED` rows per index scan, and the page has a cursor where the search continues. Queries don't slow down the
dispatcher's reads. Times are milliseconds since the epoch. The conformance suite in tests/journal runs against every
adapter.
"""

import re
from collections.abc import Sequence
from typing import Protocol

import msgspec

from trackpush_server.journal.config_history import ConfigEntry
from trackpush_server.journal.inbox import InboxCount, InboxEntry, InboxPage, InboxQuery
from trackpush_server.journal.model import AuditRow, PushState
from trackpush_server.journal.rollups import TallyRow

MOST_ROWS = 1000
"""The largest page."""
MOST_LOOKED = 2000
"""Rows that one index scan reads at most to apply a filter that has no index."""
MOST_AWBS = 200
"""A query names at most so many AWBs."""
MOST_COUNTED = 10_000
"""Counts end here; the console shows a larger backlog as "10,000 or more"."""
MOST_ATTEMPTS = 200
"""A timeline contains so many attempts of one push, the latest."""


class PushQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which pushes to list. ``None`` and empty tuples match all; times are times of receipt, unless named otherwise."""

    awbs: tuple[str, ...] = ()
    """The update's AWB or the AWB of its forward leg is one of these, at most `MOST_AWBS`."""
    order_id: str | None = None
    client: str | None = None
    """The namespace of the PushConfig."""
    push_config: str | None = None
    """``namespace/name``."""
    account: str | None = None
    """``namespace/name`` of the AggregatorWebhook."""
    status: str | None = None
    """A `trackpush_api.vocabulary.Status` code."""
    state: PushState | None = None
    since: int | None = None
    """Inclusive."""
    until: int | None = None
    """Exclusive."""
    ended_since: int | None = None
    """Only pushes that were delivered, dropped or given up at or after this time. Pending pushes never match."""
    ended_until: int | None = None
    """The same, exclusive."""
    errors: tuple[str, ...] = ()
    """The error of the push is of one of these classes (`error_class`). Delivered pushes have no error."""
    limit: int = 50
    """Rows per page, 1 to `MOST_ROWS`."""
    cursor: str | None = None
    """`PushPage.older` or `PushPage.newer` of the current page, or a `PushRow.cursor`."""
    newer: bool = False
    """Return the page of newer pushes, not of older ones. Needs a cursor."""

    @property
    def received_before(self) -> int | None:
        """Upper bound of the times of receipt, exclusive: a push ends after its update was received.

        ``ended_until`` is widened, because clocks of several replicas differ.
        """
        ended = None if self.ended_until is None else self.ended_until + _CLOCKS_DIFFER
        return min((time for time in (self.until, ended) if time is not None), default=None)


class PushRow(msgspec.Struct, frozen=True, kw_only=True):
    """One push with the searchable fields of its update."""

    push_id: str
    push_config: str
    account: str
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    state: PushState
    late: bool
    tries: int
    rejections: int
    due_at: int
    """When the next attempt is due; 0 means immediately. Only meaningful for pending pushes."""
    received_at: int
    occurred_at: int | None
    ended_at: int | None
    error: str | None
    """Error of the last attempt, or why the push ended without an attempt."""
    replays: int = 0
    """Number of replays."""
    erased_at: int | None = None
    """When its personal data was erased; then its shipment, AWBs, order and bodies are empty."""
    cursor: str
    """Cursor of a page that starts after this row."""


class PushPage(msgspec.Struct, frozen=True):
    """Pushes, newest first, and the cursors of the next and the previous page."""

    rows: tuple[PushRow, ...]
    older: str | None = None
    """Cursor of the page with older pushes; None if there are none. A short or empty page can have one: the search has
    reached its bound of rows and continues there."""
    newer: str | None = None
    """Cursor of the page with newer pushes (use it with ``newer=True``); None on the first page."""
    hint: str | None = None
    """Why the page is empty: the client, PushConfig or account has no pushes, and which has a similar name.

    It names other clients: never show it to a client.
    """


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP attempt."""

    number: int
    started_at: int
    duration_ms: float
    http_status: int | None
    error: str | None


class PushDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One push with its attempts in order, its notification and the aggregator's body. Both are JSON."""

    push: PushRow
    attempts: tuple[AttemptRow, ...]
    notification: bytes
    body: bytes
    unreadable: str | None = None
    """Why notification and body can't be decrypted (a key is missing), and are empty; otherwise None."""


class ShipmentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Selects a shipment by its name, its AWB, or the AWB of its forward leg."""

    shipment: str
    client: str | None = None
    """The namespace of the account; None matches all clients."""
    after: int = 0
    """`Timeline.after` of the previous page."""
    limit: int = 100
    """Updates per page, 1 to `MOST_ROWS`."""


class TimelinePush(msgspec.Struct, frozen=True):
    """One push of an update and its attempts in order, the latest `MOST_ATTEMPTS`."""

    push: PushRow
    attempts: tuple[AttemptRow, ...]


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One tracking update of a shipment and its pushes."""

    update_id: int
    account: str
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    received_at: int
    occurred_at: int | None
    erased_at: int | None
    notification: bytes
    """JSON; empty if erased or unreadable."""
    unreadable: str | None = None
    """See `PushDetail.unreadable`."""
    pushes: tuple[TimelinePush, ...]
    """Sorted by PushConfig; empty if no PushConfig selected the update."""


class Timeline(msgspec.Struct, frozen=True):
    """Updates in the order received; ``after`` is the cursor of the next page, None on the last page."""

    entries: tuple[TimelineEntry, ...]
    after: int | None = None


class QueueCount(msgspec.Struct, frozen=True, kw_only=True):
    """Pending and dead pushes of one PushConfig. Counts end at `MOST_COUNTED`."""

    push_config: str
    pending: int
    dead: int
    oldest_received_at: int | None
    """When the oldest pending push was received; None if none is pending."""


class JournalSearch(Protocol):
    """The port. Methods run on the event loop and never block it.

    All raise JournalUnavailableError if the store can't be read; the message says why.
    """

    async def list_pushes(self, query: PushQuery) -> PushPage:
        """Matching pushes, newest first, at most ``query.limit``.

        Raises:
            ValueError: the cursor is invalid, or the limit is out of bounds.
        """
        ...

    async def show(self, push_id: str) -> PushDetail | None:
        """One push with its attempts and payloads; None if the journal has no push with this id.

        Raises:
            ValueError: ``push_id`` is malformed.
        """
        ...

    async def timeline(self, query: ShipmentQuery) -> Timeline:
        """All updates of a shipment, in the order received.

        Raises:
            ValueError: the limit is out of bounds.
        """
        ...

    async def lane_heads(self, cursors: Sequence[str]) -> dict[str, str]:
        """Of pending pushes, given by `PushRow.cursor`: the id of the earliest pending push of the same lane.

        Contains only pushes that have to wait for another one; at most `MOST_ROWS` are looked up. A lane is a shipment
        of one account and one PushConfig; whether its pushes wait for each other depends on the PushConfig.

        Raises:
            ValueError: a cursor is invalid.
        """
        ...

    async def counts(self) -> tuple[QueueCount, ...]:
        """Pending and dead pushes of every PushConfig that ever had a push, sorted by name."""
        ...

    async def audits(self, *, before: int | None, limit: int) -> tuple[AuditRow, ...]:
        """Entries of the audit log with id < ``before``, newest first."""
        ...

    async def list_unrecognised(self, query: InboxQuery) -> InboxPage:
        """Matching unrecognised bodies, newest first.

        Raises:
            ValueError: the limit is out of bounds.
        """
        ...

    async def show_unrecognised(self, key: bytes) -> InboxEntry | None:
        """One unrecognised body; None if it isn't stored."""
        ...

    async def rollups(self, *, now: int) -> tuple[TallyRow, ...]:
        """Counts of each account, PushConfig, and aggregator with status, over the last day and week before ``now``."""
        ...

    async def config_history(self, *, before: int | None, limit: int) -> tuple[ConfigEntry, ...]:
        """Entries of the configuration's history with id < ``before``, newest first.

        Raises:
            ValueError: the limit is out of bounds.
        """
        ...

    async def count_unrecognised(self) -> tuple[InboxCount, ...]:
        """The inbox's size of each account that has bodies, sorted by name."""
        ...

    async def close(self) -> None:
        """Finish the running query, then close."""
        ...


def checked_limit(limit: int) -> int:
    """The limit, validated.

    Raises:
        ValueError: the limit is out of bounds.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"limit {limit} is out of bounds: 1 to {MOST_ROWS}")
    return limit


def parse_awbs(text: str) -> tuple[str, ...]:
    """The AWBs of a pasted list: separated by commas, semicolons, blanks or line breaks.

    A short text is also taken as one AWB, first, because an AWB may contain such characters.
    """
    parts = tuple(dict.fromkeys(part for part in re.split(r"[\s,;]+", text) if part))
    whole = text.strip()
    return tuple(dict.fromkeys((whole, *parts))) if len(parts) > 1 and len(whole) <= _LONGEST_AWB else parts


def parse_cursor(text: str | None) -> tuple[int, int] | None:
    """The update id and the PushConfig's number of a cursor; None without a cursor.

    Raises:
        ValueError: the cursor is invalid.
    """
    if text is None:
        return None
    update_id, _, config_id = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= _DIGITS for part in (update_id, config_id)):
        raise ValueError(f"not a cursor: {text[:64]!r} (take the one of the page before)")
    return int(update_id), int(config_id)


_LONGEST_AWB = 256
_CLOCKS_DIFFER = 3_600_000
_DIGITS = 18
"""Every number with so many decimal digits fits into 63 bits."""
