"""The lookup: what people ask of a journal. The port that the admin API and the console read through.

Every look is one consistent read, uses an index, and is bounded: a filter that no index serves is applied to at most
`MOST_LOOKED` rows per walk, and the page then says where to look on. Nothing here slows the dispatcher's own reads.
Times are milliseconds since the epoch. The conformance suite in tests/journal runs against every adapter.
"""

from typing import Protocol

import msgspec

from trackpush_server.journal.inbox import InboxCount, InboxEntry, InboxPage, InboxQuery
from trackpush_server.journal.model import AuditRow, PushState

MOST_ROWS = 1000
"""The largest page."""
MOST_LOOKED = 2000
"""Rows that one walk along an index looks at for a filter that the index doesn't serve."""
MOST_COUNTED = 10_000
"""Counting ends here: a backlog of a million is "10,000 or more" to people."""
MOST_ATTEMPTS = 200
"""Of one push in a timeline, the latest."""


class PushQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which pushes to list. ``None`` accepts all; times are of receipt."""

    awb: str | None = None
    """The update's AWB or the AWB of its forward leg."""
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
    limit: int = 50
    """At most so many, 1 to `MOST_ROWS`."""
    cursor: str | None = None
    """`PushPage.older` or `PushPage.newer` of the page before, or a `PushRow.cursor`."""
    newer: bool = False
    """The page before the cursor, not the one after it: those received next. Needs a cursor."""


class PushRow(msgspec.Struct, frozen=True, kw_only=True):
    """One push, with what people look for of its update."""

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
    """When the next try is due; 0 is at once. Of pending pushes only."""
    received_at: int
    occurred_at: int | None
    ended_at: int | None
    error: str | None
    """Of the last attempt, or why the push ended without one."""
    replays: int = 0
    """How often it was replayed."""
    erased_at: int | None = None
    """When what it told of a person was erased: its shipment, AWBs, order and bodies are empty."""
    cursor: str
    """The page starts after this row."""


class PushPage(msgspec.Struct, frozen=True):
    """Pushes, newest first, and the cursors of the pages beside this one."""

    rows: tuple[PushRow, ...]
    older: str | None = None
    """Cursor of the older ones; None when there are none. A page can be short, even empty, and have one: so many rows
    were read, and the next search continues there."""
    newer: str | None = None
    """Goes back to newer ones (with ``newer=True``); None on the first page."""


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP try."""

    number: int
    started_at: int
    duration_ms: float
    http_status: int | None
    error: str | None


class PushDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One push with its attempts in order, its notification and the aggregator's body, both JSON."""

    push: PushRow
    attempts: tuple[AttemptRow, ...]
    notification: bytes
    body: bytes
    unreadable: str | None = None
    """Why notification and body can't be opened (a key of the encryption is missing), and are empty."""


class ShipmentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose timeline: a shipment by its name, its AWB, or the AWB of its forward leg."""

    shipment: str
    client: str | None = None
    """The namespace of the account; None is all clients."""
    after: int = 0
    """`TimelineEntry.update_id` of the last entry of the page before."""
    limit: int = 100
    """Updates, 1 to `MOST_ROWS`."""


class TimelinePush(msgspec.Struct, frozen=True):
    """One push of an update and its attempts in order, the latest `MOST_ATTEMPTS`."""

    push: PushRow
    attempts: tuple[AttemptRow, ...]


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One tracking update of a shipment and what became of it."""

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
    """JSON; empty once erased, and where it is unreadable."""
    unreadable: str | None = None
    """See `PushDetail.unreadable`."""
    pushes: tuple[TimelinePush, ...]
    """By PushConfig; none when no PushConfig wanted it."""


class Timeline(msgspec.Struct, frozen=True):
    """Updates in the order received; ``after`` is the cursor of the next page, None on the last page."""

    entries: tuple[TimelineEntry, ...]
    after: int | None = None


class QueueCount(msgspec.Struct, frozen=True, kw_only=True):
    """What waits of one PushConfig and what is dead. Counts end at `MOST_COUNTED`."""

    push_config: str
    pending: int
    dead: int
    oldest_received_at: int | None
    """Of the oldest pending push; None when none waits."""


class JournalSearch(Protocol):
    """The port. Methods are called on the event loop and never block it.

    All raise JournalUnavailableError when the store can't be read; the message says why.
    """

    async def list_pushes(self, query: PushQuery) -> PushPage:
        """Pushes that match, newest first, at most ``query.limit``.

        Raises:
            ValueError: the cursor is invalid, or the limit is out of bounds.
        """
        ...

    async def show(self, push_id: str) -> PushDetail | None:
        """One push whole, or None when the journal has none of this id.

        Raises:
            ValueError: the text is not a push id.
        """
        ...

    async def timeline(self, query: ShipmentQuery) -> Timeline:
        """All updates of a shipment, in the order received.

        Raises:
            ValueError: the limit is out of bounds.
        """
        ...

    async def counts(self) -> tuple[QueueCount, ...]:
        """What waits and what is dead, of every PushConfig that the journal ever held a push of; by name."""
        ...

    async def audits(self, *, before: int | None, limit: int) -> tuple[AuditRow, ...]:
        """The audit log, newest first, with id < ``before``."""
        ...

    async def list_unrecognised(self, query: InboxQuery) -> InboxPage:
        """Unrecognised bodies that match, newest first.

        Raises:
            ValueError: the limit is out of bounds.
        """
        ...

    async def show_unrecognised(self, key: bytes) -> InboxEntry | None:
        """One unrecognised body, or None when it isn't kept."""
        ...

    async def count_unrecognised(self) -> tuple[InboxCount, ...]:
        """What is kept of each account that has any, by name."""
        ...

    async def close(self) -> None:
        """End what is under way, close."""
        ...


def checked_limit(limit: int) -> int:
    """The limit.

    Raises:
        ValueError: it is out of bounds.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"limit {limit} is out of bounds: 1 to {MOST_ROWS}")
    return limit


def parse_cursor(text: str | None) -> tuple[int, int] | None:
    """A cursor's update id and PushConfig number.

    Raises:
        ValueError: the cursor is invalid.
    """
    if text is None:
        return None
    update_id, _, config_id = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= _DIGITS for part in (update_id, config_id)):
        raise ValueError(f"not a cursor: {text[:64]!r} (take the one of the page before)")
    return int(update_id), int(config_id)


_DIGITS = 18
"""What 63 bits hold for sure."""
