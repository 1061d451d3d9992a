"""Why a push waits, or why it ended: one code, one sentence, since when, and what happens next. Pure. docs/why.md.

The journal's row says what has happened to the push; `LivePush` says what its endpoint and its lane do now. Console,
command line and API show the result of `explain`, so that they never differ.
"""

from typing import Literal

import msgspec

from trackpush_server.journal.model import PushState
from trackpush_server.journal.sealing import is_unreadable_reason
from trackpush_server.journal.search import PushRow
from trackpush_server.pusher.live import GONE_WITH_NAMESPACE, LivePush, Place
from trackpush_server.pusher.policy import MAX_REJECTIONS
from trackpush_server.pusher.state import State

WhyCode = Literal[
    "Sending",
    "Queued",
    "BehindEarlierPush",
    "RetryScheduled",
    "RateLimited",
    "EndpointFailing",
    "EndpointGone",
    "Suspended",
    "NoPushConfig",
    "WaitsForKeys",
    "OtherReplica",
    "Delivered",
    "Refused",
    "TooOld",
    "LateDropped",
    "DroppedByHand",
    "Erased",
    "Filtered",
]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a push waits or ended. Times are milliseconds since the epoch."""

    code: WhyCode
    message: str
    """One sentence, without times."""
    since: int | None = None
    """Start of the wait, or the end of the push; None if unknown."""
    next: str = ""
    """What happens next, one sentence; empty if nothing does."""
    next_at: int | None = None
    """When it happens; None if that depends on something else."""
    behind: str | None = None
    """Id of the earlier push that this one waits for."""


FILTERED = Explanation(
    code="Filtered",
    message="No PushConfig accepted this update: see their filters, and the statuses of the account.",
    next="Nothing is sent; a replay with the state filtered sends what the current filters accept.",
)


def explain(row: PushRow, live: LivePush | None, *, error: str | None, behind: str | None, now: float) -> Explanation:
    """Explain one push.

    Args:
        row: The push in the journal.
        live: What the server knows; None if there is only the journal.
        error: The row's error as it may be shown: it can quote the endpoint's answer, which may repeat personal data.
        behind: Id of the earliest pending push of its lane, from the journal, if that is another one.
        now: Seconds since the epoch.
    """
    error = error or ""
    if row.state is not PushState.PENDING:
        return _ended(row, error)
    if live is None:
        return _by_journal(row, error, behind=behind, now=now) or _unknown(row)
    return (
        _held(row, live)
        or (_elsewhere(row, live, error, behind=behind, now=now) if live.state is State.ELSEWHERE else None)
        or _by_endpoint(live, error)
        or _by_lane(row, live, error, behind=behind, now=now)
        or _queued(row, live, now)
    )


# ---- ended pushes


def _ended(row: PushRow, error: str) -> Explanation:
    if row.state is PushState.DELIVERED:
        tries = f", at attempt {row.tries}" if row.tries > 1 else ""
        return Explanation(code="Delivered", message=f"The client accepted it{tries}.", since=row.ended_at)
    if row.state is PushState.DEAD:
        return _dead(row, error)
    if row.erased_at is not None:
        message = "Its personal data was erased before it was delivered."
        return Explanation(code="Erased", message=message, since=row.ended_at, next="It can't be replayed.")
    if row.error is None and row.late:
        message = "It was late, and its PushConfig drops late updates: a newer update of this shipment came first."
        return Explanation(code="LateDropped", message=message, since=row.ended_at, next=_REPLAY)
    return Explanation(
        code="DroppedByHand", message=f"It was {row.error or 'dropped'}.", since=row.ended_at, next=_REPLAY
    )


_REPLAY = "Nothing is sent until it is replayed."


def _dead(row: PushRow, error: str) -> Explanation:
    next_step = "Nothing is sent until it is replayed; correct the cause first."
    if row.rejections >= MAX_REJECTIONS:
        message = f"The client rejected it {row.rejections} times while it accepted other pushes{_last(error)}."
        return Explanation(code="Refused", message=message, since=row.ended_at, next=next_step)
    if not row.tries:
        message = f"It was never tried, and became older than maxAge{_detail(error)}."
    else:
        times = "once" if row.tries == 1 else f"{row.tries} times"
        message = f"It was tried {times}, and then there was no time for another attempt within maxAge{_last(error)}."
    return Explanation(code="TooOld", message=message, since=row.ended_at, next=next_step)


# ---- pending pushes, in the order in which causes are checked


def _held(row: PushRow, live: LivePush) -> Explanation | None:
    """What stops the push, whatever its endpoint does."""
    if live.place is Place.SENDING:
        message, since = "An attempt is in progress.", _ms(live.last_attempt_at)
        return Explanation(code="Sending", message=message, since=since, next="The client's answer decides.")
    if live.state is State.UNCONFIGURED:
        return _no_push_config(row, live)
    if live.is_suspended:
        message = f"PushConfig {row.push_config} is suspended."
        since = _ms(live.since) if live.state is State.SUSPENDED else None
        return Explanation(code="Suspended", message=message, since=since, next=_AFTER_SUSPENSION)
    if live.is_account_suspended:
        message = f"AggregatorWebhook {row.account} is suspended, and with it the pushes of its updates."
        return Explanation(code="Suspended", message=message, next=_AFTER_SUSPENSION)
    return None


_AFTER_SUSPENSION = "It is sent when the suspension ends."


def _no_push_config(row: PushRow, live: LivePush) -> Explanation:
    if GONE_WITH_NAMESPACE in row.push_config:
        message = f"Its PushConfig {row.push_config} was in a namespace that was deleted."
        return Explanation(code="NoPushConfig", message=message, next="Only `trackpush pushes drop` ends it.")
    return Explanation(
        code="NoPushConfig",
        message=f"PushConfig {row.push_config} is not in the served configuration: it is missing or invalid.",
        since=_ms(live.since),
        next="It is sent when the PushConfig is valid again; `trackpush pushes drop` ends it.",
    )


def _elsewhere(row: PushRow, live: LivePush, error: str, *, behind: str | None, now: float) -> Explanation:
    """Of a push that another replica sends; what the journal doesn't say, only that replica knows."""
    name = "Another replica" if live.owner is None else f"Replica {live.owner}"
    return _by_journal(row, error, behind=behind, now=now) or Explanation(
        code="OtherReplica",
        message=f"{name} sends the pushes of {row.push_config}; this one doesn't know the state of its endpoint.",
        next="That replica's console and API say why it waits.",
    )


def _by_endpoint(live: LivePush, error: str) -> Explanation | None:
    if live.state is State.GONE:
        return _gone(live.reason or "HTTP 410", since=_ms(live.since))
    if live.state is State.OPEN:
        # The push's own answer has the endpoint's words; the state of the endpoint has only the status.
        detail = error if error.startswith(live.reason) else live.reason
        failures = "" if live.failures < 2 else f" The last {live.failures} attempts failed."  # noqa: PLR2004
        return Explanation(
            code="EndpointFailing",
            message=f"The endpoint fails{_detail(detail)}.{failures}",
            since=_ms(live.since),
            next="Trackpush tries one push about once a minute; when one is delivered, this one is sent.",
            next_at=_ms(live.next_probe_at),
        )
    return None


def _by_lane(row: PushRow, live: LivePush, error: str, *, behind: str | None, now: float) -> Explanation | None:
    if live.place is Place.BEHIND or (live.place is Place.ON_DISK and behind is not None):
        return _behind(row, live.behind or behind)
    if live.place is Place.UNREADABLE or (live.place is Place.ON_DISK and is_unreadable_reason(row.error)):
        return _waits_for_keys(row)
    return _retry(row, error, now=now, since=_ms(live.last_attempt_at))


def _queued(row: PushRow, live: LivePush, now: float) -> Explanation:
    since = _begun(row)
    if live.paused_until is not None and live.paused_until > now:
        message = "The endpoint asked for a pause (Retry-After), so no push is sent to it."
        return Explanation(code="RateLimited", message=message, next=_ITS_TURN, next_at=_ms(live.paused_until))
    if live.rate_limited_until is not None and live.rate_limited_until > now:
        message = f"The rate limit of {row.push_config} is used up, and pushes before this one wait, too."
        return Explanation(
            code="RateLimited", message=message, since=since, next=_ITS_TURN, next_at=_ms(live.rate_limited_until)
        )
    if live.is_held_back:
        message = "The server starts no attempts now: it ends, or its journal stores outcomes too slowly."
        return Explanation(code="Queued", message=message, since=since, next=_ITS_TURN)
    if live.concurrency and live.in_flight >= live.concurrency:
        running = "1 attempt is" if live.in_flight == 1 else f"{live.in_flight} attempts are"
        message = f"{running} in progress, as many as the endpoint gets at once."
        return Explanation(code="Queued", message=message, since=since, next=_ITS_TURN)
    where = "It is on disk, behind other pushes of its PushConfig." if live.place is Place.ON_DISK else "It is ready."
    return Explanation(code="Queued", message=where, since=since, next=_ITS_TURN)


_ITS_TURN = "It is sent when its turn comes."


# ---- what the journal alone says


def _by_journal(row: PushRow, error: str, *, behind: str | None, now: float) -> Explanation | None:
    if behind is not None:
        return _behind(row, behind)
    if is_unreadable_reason(row.error):
        return _waits_for_keys(row)
    if (retry := _retry(row, error, now=now, since=None)) is not None:
        return retry
    if row.due_at or not error:
        return None
    # Only a push that waits for its endpoint has failed and no time of its next attempt.
    if error.startswith("HTTP 410"):
        return _gone(error, since=None)
    message = f"The endpoint failed when this push was last tried{_detail(error)}."
    return Explanation(
        code="EndpointFailing", message=message, next="It is sent when the endpoint accepts pushes again."
    )


def _unknown(row: PushRow) -> Explanation:
    message = "It is pending. The journal alone doesn't show the state of its endpoint: ask the running server."
    return Explanation(code="Queued", message=message, since=_begun(row), next=_ITS_TURN)


# ---- parts


def _gone(cause: str, *, since: int | None) -> Explanation:
    return Explanation(
        code="EndpointGone",
        message=f"The endpoint answered that it is permanently gone{_detail(cause)}.",
        since=since,
        next="Nothing is sent until the PushConfig changes or somebody reopens the endpoint.",
    )


def _behind(row: PushRow, head: str | None) -> Explanation:
    return Explanation(
        code="BehindEarlierPush",
        message=f"An earlier push of this shipment is still pending{'' if head is None else f': {head}'}.",
        since=_begun(row),
        next="It is sent when that one has ended.",
        behind=head,
    )


def _waits_for_keys(row: PushRow) -> Explanation:
    message = f"It can't be sent: {row.error or 'its body can not be decrypted'}."
    return Explanation(code="WaitsForKeys", message=message, next="It is sent when the key is configured.")


def _retry(row: PushRow, error: str, *, now: float, since: int | None) -> Explanation | None:
    if row.due_at <= now * 1000:
        return None
    message = f"Attempt {row.tries} failed{_detail(error)}." if row.tries else "An attempt failed."
    return Explanation(
        code="RetryScheduled", message=message, since=since, next="It is tried again then.", next_at=row.due_at
    )


def _begun(row: PushRow) -> int | None:
    """When it began to wait, if it was never replayed."""
    return None if row.replays else row.received_at


def _detail(text: str) -> str:
    return f": {text.rstrip('.')}" if text else ""


def _last(error: str) -> str:
    return f"; the last answer: {error.rstrip('.')}" if error else ""


def _ms(seconds: float | None) -> int | None:
    return int(seconds * 1000) if seconds else None
