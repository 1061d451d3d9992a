"""The API's answers as JSON: camelCase, times as RFC 3339.

Created from the journal's rows, and masked for the role view.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from trackpush_aggregators.document import MOST_LEVELS, levels
from trackpush_aggregators.updates import rfc3339
from trackpush_server.admin import masking
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import AttemptRow, PushDetail, PushPage, PushRow, Timeline, TimelineEntry
from trackpush_server.outbound.answered import ShownAnswer
from trackpush_server.pusher.preview import RequestPreview, curl
from trackpush_server.pusher.why import FILTERED, Explanation, WhyCode

StateName = Literal["pending", "delivered", "dead", "dropped"]
STATES: Mapping[PushState, StateName] = {
    PushState.PENDING: "pending",
    PushState.DELIVERED: "delivered",
    PushState.DEAD: "dead",
    PushState.DROPPED: "dropped",
}
Whys = Mapping[str, Explanation]
"""By push id."""
Time = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]


class Why(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a push waits, or why it ended."""

    code: WhyCode
    message: str
    """One sentence for people, without times."""
    since: Time | None
    """Start of the wait, or the end of the push; null if unknown."""
    next: str
    """What happens next, one sentence; empty if nothing does."""
    next_at: Time | None
    """When it happens; null if that depends on something else."""
    behind: str | None
    """Id of the earlier push that this one waits for."""


class Push(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One push: a notification for one PushConfig."""

    id: str
    push_config: str
    account: str
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    state: StateName
    late: bool
    tries: int
    replays: int
    error: str | None
    erased_at: Time | None
    occurred_at: Time | None
    received_at: Time
    ended_at: Time | None
    next_try_at: Time | None
    """Time of the next attempt of a pending push; null: at once, or when its endpoint recovers."""
    why: Why


class Pushes(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of pushes, newest first."""

    pushes: tuple[Push, ...]
    older: str | None
    """Cursor of the next page; null on the last page.

    If a page is short and has a cursor, the search continues there.
    """
    newer: str | None
    """Cursor of the previous page, for use with ``newer=true``."""
    hint: str | None
    """Why the page is empty, if no push has the name of this client, PushConfig or account; with a similar name."""


class AnswerHeader(msgspec.Struct, frozen=True, kw_only=True):
    """One header of a client's answer."""

    name: str
    value: str


class AttemptAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the client answered, without secrets."""

    headers: tuple[AnswerHeader, ...]
    excerpt: str | None
    """The beginning of the text."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One attempt."""

    number: int
    started_at: Time
    duration_ms: float
    http_status: int | None
    error: str | None
    answer: AttemptAnswer | None = None
    """Of the newest attempts of this process, in the view of one push with the role operate; otherwise null."""


class RequestHeader(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One header of a request; the value of a secret one is replaced by dots."""

    name: str
    value: str
    secret: bool


class PushRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The request with which the push is sent to the present version of its PushConfig."""

    url: str
    """Without the values of its query, which may be secrets."""
    headers: tuple[RequestHeader, ...]
    body: str
    """The exact text of the body."""
    curl: str
    """A shell command that sends the request; each hidden value is an environment variable."""
    sent_by: tuple[int, ...]
    """Numbers of the attempts that sent exactly this, but for their times (and signatures)."""
    certainty: str
    """Which attempts sent it, and what may differ in the others, as a sentence."""


class PushWhole(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One push with its attempts and bodies. Values of the bodies are masked for the role view."""

    push: Push
    attempts: tuple[Attempt, ...]
    notification: Any
    body: Any
    request: PushRequest | None
    """Null for the role view, if the bodies were erased or can't be read, and if the PushConfig is missing."""
    masked: bool
    unreadable: str | None
    """Why the bodies can't be shown: the key that encrypted them is missing."""


class ShipmentPush(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One push of an update, with its latest attempts."""

    push: Push
    attempts: tuple[Attempt, ...]


class ShipmentUpdate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One tracking update of a shipment, with its pushes."""

    id: int
    account: str
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    occurred_at: Time | None
    received_at: Time
    erased_at: Time | None
    notification: Any
    pushes: tuple[ShipmentPush, ...]
    why: Why | None
    """Why the update has no push; null if it has one."""


class Shipment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A shipment's updates in the order in which they were received."""

    updates: tuple[ShipmentUpdate, ...]
    after: int | None
    """Cursor of the next page; null on the last page."""


def time(milliseconds: int | None) -> str | None:
    """The time as RFC 3339; None for None."""
    return None if milliseconds is None else rfc3339(milliseconds)


def why(explained: Explanation) -> Why:
    return Why(
        code=explained.code,
        message=explained.message,
        since=time(explained.since),
        next=explained.next,
        next_at=time(explained.next_at),
        behind=explained.behind,
    )


def push(row: PushRow, explained: Explanation, *, plain: bool) -> Push:
    """One push; ``plain`` shows personal data."""
    waits = row.state is PushState.PENDING and row.due_at
    return Push(
        id=row.push_id,
        push_config=row.push_config,
        account=row.account,
        shipment=row.shipment,
        awb=row.awb,
        forward_awb=row.forward_awb,
        order_id=row.order_id,
        status=row.status,
        state=STATES[row.state],
        late=row.late,
        tries=row.tries,
        replays=row.replays,
        error=row.error if plain else masking.error(row.error),
        erased_at=time(row.erased_at),
        occurred_at=time(row.occurred_at),
        received_at=rfc3339(row.received_at),
        ended_at=time(row.ended_at),
        next_try_at=rfc3339(row.due_at) if waits else None,
        why=why(explained),
    )


def pushes(page: PushPage, whys: Whys, *, plain: bool) -> Pushes:
    rows = tuple(push(row, whys[row.push_id], plain=plain) for row in page.rows)
    return Pushes(pushes=rows, older=page.older, newer=page.newer, hint=page.hint)


def attempt(row: AttemptRow, *, plain: bool, answer: ShownAnswer | None = None) -> Attempt:
    headers = () if answer is None else answer.headers
    return Attempt(
        answer=None
        if answer is None or not plain
        else AttemptAnswer(
            headers=tuple(AnswerHeader(name=name, value=value) for name, value in headers), excerpt=answer.excerpt
        ),
        number=row.number,
        started_at=rfc3339(row.started_at),
        duration_ms=round(row.duration_ms, 1),
        http_status=row.http_status,
        error=row.error if plain else masking.error(row.error),
    )


def request(found: RequestPreview, *, sent_by: tuple[int, ...], certainty: str) -> PushRequest:
    return PushRequest(
        url=found.url,
        headers=tuple(
            RequestHeader(name=header.name, value=header.value, secret=header.is_secret) for header in found.headers
        ),
        body=found.body.decode("utf-8", "replace"),
        curl=curl(found),
        sent_by=sent_by,
        certainty=certainty,
    )


def push_whole(
    detail: PushDetail,
    whys: Whys,
    shown: PushRequest | None,
    *,
    plain: bool,
    answers: Mapping[int, ShownAnswer],
) -> PushWhole:
    """One push with all its data."""
    notification, body = _decoded(detail.notification), _decoded(detail.body)
    return PushWhole(
        push=push(detail.push, whys[detail.push.push_id], plain=plain),
        attempts=tuple(attempt(entry, plain=plain, answer=answers.get(entry.number)) for entry in detail.attempts),
        notification=notification if plain else masking.notification(notification),
        body=body if plain else masking.body(body),
        request=shown if plain else None,
        masked=not plain,
        unreadable=detail.unreadable,
    )


def shipment(timeline: Timeline, whys: Whys, *, plain: bool) -> Shipment:
    updates = tuple(_update(entry, whys, plain=plain) for entry in timeline.entries)
    return Shipment(updates=updates, after=timeline.after)


def _update(entry: TimelineEntry, whys: Whys, *, plain: bool) -> ShipmentUpdate:
    notification = _decoded(entry.notification)
    return ShipmentUpdate(
        id=entry.update_id,
        account=entry.account,
        shipment=entry.shipment,
        awb=entry.awb,
        forward_awb=entry.forward_awb,
        order_id=entry.order_id,
        status=entry.status,
        occurred_at=time(entry.occurred_at),
        received_at=rfc3339(entry.received_at),
        erased_at=time(entry.erased_at),
        notification=notification if plain else masking.notification(notification),
        pushes=tuple(
            ShipmentPush(
                push=push(pushed.push, whys[pushed.push.push_id], plain=plain),
                attempts=tuple(attempt(tried, plain=plain) for tried in pushed.attempts),
            )
            for pushed in entry.pushes
        ),
        why=None if entry.pushes else why(FILTERED),
    )


def _decoded(content: bytes) -> Any:
    """The parsed document, or its text if it can't be parsed (older versions stored such bodies)."""
    if not content:
        return None
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "replace")
    return content.decode("utf-8", "replace") if levels(document) > MOST_LEVELS else document
