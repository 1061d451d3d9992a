"""The API operations of the inbox: list unrecognised bodies, and parse them again. docs/inbox.md."""

import base64
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from trackpush_aggregators.updates import rfc3339
from trackpush_server.admin import masking
from trackpush_server.admin.api.acting import ended, known
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import Limit, Name, Params, Text
from trackpush_server.admin.api.shapes import Time
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import Identity, address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.ids import inbox_id, parse_inbox_id
from trackpush_server.journal.inbox import InboxCount, InboxEntry, InboxQuery, InboxRow
from trackpush_server.operations.inbox import InboxRetryRequest, InboxRetryView, describe_retry

_ID: Final = r"^unr_[0-9a-f]{32}$"


class InboxParams(Params, frozen=True, kw_only=True):
    """Selects bodies; absent fields accept all."""

    account: Name | None = None
    client: Text | None = None
    """A namespace."""
    before: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)] | None = None
    limit: Limit = 100


class Unrecognised(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One body with a known key that names no shipment."""

    id: str
    account: str
    aggregator: str
    received_at: Time
    """When it arrived for the first time."""
    last_received_at: Time
    times: int
    """Number of times that exactly this body arrived."""
    bytes: int
    content_type: str


class UnrecognisedAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The number and size of an account's unrecognised bodies."""

    account: str
    bodies: int
    bytes: int
    oldest_received_at: Time


class Inbox(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of the inbox, newest first, and the totals of each account."""

    bodies: tuple[Unrecognised, ...]
    before: int | None
    """Cursor of the next page; null on the last page."""
    accounts: tuple[UnrecognisedAccount, ...]


class UnrecognisedWhole(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One body. Its values are masked for the role view."""

    unrecognised: Unrecognised
    body: Any
    """The parsed JSON, or a string if the body is not JSON."""
    body_base64: str | None
    """The exact bytes; null for the role view, and if the body is unreadable."""
    masked: bool
    unreadable: str | None
    """Why the body can't be shown: the key that encrypted it is missing."""


class UnknownKeyPlace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Refused requests to one aggregator at one host."""

    aggregator: str
    host: str
    """As the requests named it; ``other hosts`` for those that are not counted by themselves."""
    requests: int
    first_at: Time
    last_at: Time


class UnknownKeyList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Requests with an unknown key. Neither keys nor bodies are kept."""

    since: Time
    """Start of the count: it is in memory only."""
    places: tuple[UnknownKeyPlace, ...]


class InboxRetryList(msgspec.Struct, frozen=True, kw_only=True):
    """Retries that the process remembers, newest first."""

    retries: tuple[InboxRetryView, ...]


@operation("GET", "/inbox")
async def list_inbox(call: ApiCall, query: InboxParams) -> Inbox:
    """Bodies with a known key that name no shipment, newest first."""
    asked = InboxQuery(account=query.account, client=query.client, before=query.before, limit=query.limit)
    page = await call.desk.lookup.list_unrecognised(asked)
    counts = await call.desk.lookup.count_unrecognised()
    return Inbox(
        bodies=tuple(map(unrecognised, page.rows)),
        before=page.older,
        accounts=tuple(map(unrecognised_account, counts)),
    )


@operation("GET", "/unknown-keys")
async def list_unknown_keys(call: ApiCall) -> UnknownKeyList:
    """Requests with updates that were refused because of an unknown key, by aggregator and host, the latest first."""
    counted = call.desk.unknown_keys()
    return UnknownKeyList(
        since=rfc3339(counted.since),
        places=tuple(
            UnknownKeyPlace(
                aggregator=place.aggregator,
                host=place.host,
                requests=place.count,
                first_at=rfc3339(place.first_at),
                last_at=rfc3339(place.last_at),
            )
            for place in counted.places
        ),
    )


@operation("POST", "/inbox/retries", status=202, errors=(429,))
async def start_inbox_retry(call: ApiCall, body: InboxRetryRequest) -> InboxRetryView:
    """Parse unrecognised bodies again, with the current rules and configuration."""
    return await retry(call.desk, call.identity, body, address(call.request))


async def retry(desk: AdminServices, who: Identity, request: InboxRetryRequest, came_from: str) -> InboxRetryView:
    """Start a retry, after it was recorded in the audit log.

    Raises:
        ValueError: the request selects nothing, or contains an invalid id.
        TooManyJobsError: too many jobs are running.
        JournalUnavailableError: the audit log can't be written.
    """
    desk.inbox.check(request)
    await desk.audit(who, "inbox.retry", describe_retry(request), came_from)
    return desk.inbox.start(request)


@operation("GET", "/inbox/retries")
async def list_inbox_retries(call: ApiCall) -> InboxRetryList:
    """Retries that this process remembers."""
    return InboxRetryList(retries=call.desk.inbox.jobs.all())


@operation("GET", "/inbox/retries/{id}", errors=(410,))
async def get_inbox_retry(call: ApiCall) -> InboxRetryView:
    """Progress of a retry."""
    return known(call.desk.inbox.jobs, call.path["id"])


@operation("DELETE", "/inbox/retries/{id}", errors=(410,))
async def end_inbox_retry(call: ApiCall) -> InboxRetryView:
    """Cancel a retry; its results so far stay."""
    return await ended(call.desk.inbox.jobs, "inbox.end", call)


@operation("GET", "/inbox/{id}", errors=(404,), path_patterns={"id": _ID})
async def get_unrecognised(call: ApiCall) -> UnrecognisedWhole:
    """One unrecognised body."""
    entry = await call.desk.lookup.show_unrecognised(parse_inbox_id(call.path["id"]))
    if entry is None:
        raise ProblemError(
            404, f"no unrecognised body {call.path['id']}: it was recognised, dropped, erased or expired"
        )
    return unrecognised_whole(entry, plain=call.identity.operates)


OPERATIONS: Final = (
    *(list_inbox, start_inbox_retry, list_inbox_retries, get_inbox_retry, end_inbox_retry),
    get_unrecognised,
    list_unknown_keys,
)


def unrecognised(row: InboxRow) -> Unrecognised:
    return Unrecognised(
        id=inbox_id(row.key),
        account=row.account,
        aggregator=row.aggregator,
        received_at=rfc3339(row.received_at),
        last_received_at=rfc3339(row.last_at),
        times=row.times,
        bytes=row.size,
        content_type=row.content_type,
    )


def unrecognised_account(count: InboxCount) -> UnrecognisedAccount:
    return UnrecognisedAccount(
        account=count.account,
        bodies=count.entries,
        bytes=count.bytes,
        oldest_received_at=rfc3339(count.oldest_received_at),
    )


def unrecognised_whole(entry: InboxEntry, *, plain: bool) -> UnrecognisedWhole:
    """One body; ``plain`` shows personal data."""
    readable = entry.unreadable is None
    content = _decoded(entry.body) if readable else None
    return UnrecognisedWhole(
        unrecognised=unrecognised(entry.row),
        body=content if plain else masking.body(content),
        body_base64=base64.b64encode(entry.body).decode() if plain and readable else None,
        masked=not plain,
        unreadable=entry.unreadable,
    )


def _decoded(body: bytes) -> Any:
    """The JSON, or the text if it is not strict JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")
