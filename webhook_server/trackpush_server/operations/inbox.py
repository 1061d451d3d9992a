"""Retries unrecognised bodies: parses them with the current rules and configuration. docs/inbox.md.

The updates are stored first, then the body is deleted. After a crash between the two, the body is still in the inbox; a
second retry finds its updates stored and only deletes the body.
"""

import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Final, Literal

import msgspec

from trackpush_aggregators import MalformedBodyError, Parsed, Reader
from trackpush_aggregators.updates import NONCE_BYTES
from trackpush_api.routing import Account, RoutingTable
from trackpush_server.definitions import readers_of
from trackpush_server.ids import inbox_id, parse_inbox_id
from trackpush_server.journal.inbox import MOST_LISTED, InboxEntry, InboxQuery
from trackpush_server.journal.ports import InboxStore, UpdateLog
from trackpush_server.journal.search import JournalSearch
from trackpush_server.operations.jobs import Jobs, JobView
from trackpush_server.operations.parsing import parse_again
from trackpush_server.receiver.filters import FilterSelection
from trackpush_server.receiver.intake import intake, new_unrecognised

MOST_IDS: Final = 1000
MOST_RESULTS: Final = 1000
"""Maximum results that a view lists; the sums count all."""

Result = Literal[
    "recognised", "still unrecognised", "probe", "unreadable", "no account", "no definition", "malformed", "gone"
]


class InboxRetryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Selects bodies: by ids, those of an account or a client, or all."""

    ids: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_IDS)] = ()
    account: str | None = None
    """``namespace/name``."""
    client: str | None = None
    """A namespace."""
    all: bool = False


class InboxRetried(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result for one body."""

    id: str
    account: str | None
    result: Result
    accepted: int = 0
    """Number of new updates."""
    duplicates: int = 0
    """Number of updates that were already stored."""
    kept: int = 0
    """Number of parts that still name no shipment; each is now its own entry of the inbox."""
    reason: str | None = None


class InboxRetryView(JobView, kw_only=True):
    """A retry and its progress."""

    found: int = 0
    done: int = 0
    recognised: int = 0
    """Number of bodies removed from the inbox."""
    accepted: int = 0
    duplicates: int = 0
    results: tuple[InboxRetried, ...] = ()
    """The first thousand results."""


class InboxRetries:
    """The retries of one server."""

    def __init__(
        self,
        updates: UpdateLog,
        inbox: InboxStore,
        search: JournalSearch,
        table: Callable[[], RoutingTable | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._updates = updates
        self._inbox = inbox
        self._search = search
        self._table = table
        self._wall = wall
        self.jobs: Jobs[InboxRetryView] = Jobs("retry", wall)

    def start(self, request: InboxRetryRequest) -> InboxRetryView:
        """Start a retry.

        Raises:
            ValueError: the request selects nothing, or has an invalid id; the message is for people.
            TooManyJobsError: too many jobs are running.
        """
        keys = self.check(request)
        view = InboxRetryView(id=self.jobs.new_id(), begun_at=int(self._wall() * 1000))
        self.jobs.start(view, lambda view: self._work(view, request, keys))
        return view

    def check(self, request: InboxRetryRequest) -> list[bytes]:
        """Check that the retry can start, and return the keys of its ids.

        Raises:
            ValueError: see `start`.
            TooManyJobsError: see `start`.
        """
        keys = [parse_inbox_id(identifier) for identifier in request.ids]
        chosen = [bool(keys), request.account is not None or request.client is not None, request.all]
        if sum(chosen) != 1:
            raise ValueError("name what to retry: ids, account or client, or all")
        self.jobs.check()
        return keys

    async def _work(self, view: InboxRetryView, request: InboxRetryRequest, keys: list[bytes]) -> None:
        chosen = keys or [key async for key in self._matching(request)]
        view.found = len(chosen)
        for key in chosen:
            result = await self._retry(key)
            view.done += 1
            view.accepted += result.accepted
            view.duplicates += result.duplicates
            view.recognised += result.result in {"recognised", "probe"}
            if len(view.results) < MOST_RESULTS:
                view.results = (*view.results, result)

    async def _matching(self, request: InboxRetryRequest) -> AsyncIterator[bytes]:
        """The keys of the selected bodies, oldest first."""
        query = InboxQuery(account=request.account, client=request.client, limit=MOST_LISTED)
        keys: list[bytes] = []
        while True:
            page = await self._search.list_unrecognised(query)
            keys += [row.key for row in page.rows]
            if page.older is None:
                break
            query = msgspec.structs.replace(query, before=page.older)
        for key in reversed(keys):
            yield key

    async def _retry(self, key: bytes) -> InboxRetried:
        entry = await self._search.show_unrecognised(key)
        if entry is None:
            return InboxRetried(id=inbox_id(key), account=None, result="gone", reason="it is not in the inbox")
        table = self._table()
        if table is None:
            return _no_account(entry)
        found = _account_and_reader(table, entry)
        if isinstance(found, InboxRetried):
            return found
        account, reader = found
        if entry.unreadable is not None:
            return _nothing(entry, "unreadable", entry.unreadable)
        try:
            row = entry.row
            parsed = parse_again(reader, entry.body, received_at=row.received_at, content_type=row.content_type)
        except MalformedBodyError as error:
            return _nothing(entry, "malformed", str(error))
        return await self._apply(account, table, entry, parsed)

    async def _apply(self, account: Account, table: RoutingTable, entry: InboxEntry, parsed: Parsed) -> InboxRetried:
        if parsed.updates:
            return await self._store(account, FilterSelection(account, table), entry, parsed)
        if parsed.leftovers:
            return _nothing(entry, "still unrecognised", "nothing in it names a shipment")
        await self._inbox.forget([entry.row.key])
        return _nothing(entry, "probe", "it is a probe of the panel; it was deleted")

    async def _store(
        self, account: Account, selection: FilterSelection, entry: InboxEntry, parsed: Parsed
    ) -> InboxRetried:
        """Store the updates, then the remaining parts, then delete the body.

        Clients see the original time of receipt. In the journal the time of receipt is now, so that the pushes have
        their full maxAge.
        """
        received_at = entry.row.received_at
        now = int(self._wall() * 1000)
        nonce = partial(_nonce, entry.row.key, itertools.count())
        made = intake(account, selection, parsed.updates, received_at, nonce=nonce).updates
        updates = [msgspec.structs.replace(update, received_at=now, arrived_at=received_at) for update in made]
        accepted = await self._updates.append(updates)
        left = [new_unrecognised(account, leftover, received_at) for leftover in parsed.leftovers]
        if left:
            await self._updates.keep(left)
        await self._inbox.forget([entry.row.key])
        return InboxRetried(
            id=inbox_id(entry.row.key),
            account=account.name,
            result="recognised",
            accepted=accepted,
            duplicates=len(updates) - accepted,
            kept=len(left),
        )


def _account_and_reader(table: RoutingTable, entry: InboxEntry) -> tuple[Account, Reader] | InboxRetried:
    account = next((account for account in table.accounts if account.name == entry.row.account), None)
    if account is None:
        return _no_account(entry)
    reader = readers_of(table.server.definitions).get(account.aggregator)
    if reader is None:
        reason = (
            f"no AggregatorDefinition {account.aggregator} is served: create it again, or correct spec.aggregator of"
            f" AggregatorWebhook {account.name}"
        )
        return _nothing(entry, "no definition", reason)
    return account, reader


def _no_account(entry: InboxEntry) -> InboxRetried:
    reason = f"AggregatorWebhook {entry.row.account} is not in the configuration that is served"
    return _nothing(entry, "no account", reason)


def _nothing(entry: InboxEntry, result: Result, reason: str) -> InboxRetried:
    return InboxRetried(id=inbox_id(entry.row.key), account=entry.row.account, result=result, reason=reason)


def _nonce(key: bytes, numbers: Iterator[int]) -> bytes:
    """The same nonce in each retry of a body. Thus an update without a time is not stored twice after a crash."""
    return hashlib.sha256(key + next(numbers).to_bytes(8, "big")).digest()[:NONCE_BYTES]


def describe_retry(request: InboxRetryRequest) -> str:
    if request.ids:
        return (
            request.ids[0]
            if len(request.ids) == 1
            else f"{len(request.ids)} bodies, the first with id {request.ids[0]}"
        )
    parts: Sequence[str] = [
        *([f"account {request.account}"] if request.account is not None else []),
        *([f"client {request.client}"] if request.client is not None else []),
    ]
    return ", ".join(parts) or "all"
