"""Why a push waits or ended: one code and one sentence for each situation, with since when and what happens next."""

from typing import Any

import msgspec
import pytest

from journal.stores import NOW
from support.rows import every_row
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import PushRow
from trackpush_server.pusher.live import LivePush, Place
from trackpush_server.pusher.state import State
from trackpush_server.pusher.why import Explanation, explain

ROW = PushRow(
    push_id="psh_1",
    push_config="acme/oms",
    account="acme/clickpost",
    shipment="S1",
    awb="S1",
    forward_awb=None,
    order_id=None,
    status="IN_TRANSIT",
    state=PushState.PENDING,
    late=False,
    tries=0,
    rejections=0,
    due_at=0,
    received_at=NOW,
    occurred_at=None,
    ended_at=None,
    error=None,
    cursor="7.1",
)
LATER = NOW + 60_000
SEALED = "its body is sealed with key 00, which is not among spec.encryption.keys of the WebhookServer; add that key"


def why(
    row: dict[str, Any], live: dict[str, Any] | None, *, behind: str | None = None, error: str | None = None
) -> Explanation:
    """The explanation of a push whose fields differ from `ROW` and from a healthy endpoint by these."""
    found = msgspec.structs.replace(ROW, **row)
    known = None if live is None else LivePush(**{"state": State.CLOSED, **live})
    return explain(found, known, error=error or found.error, behind=behind, now=NOW / 1000)


PENDING: dict[str, tuple[dict[str, Any], dict[str, Any] | None, str, str, int | None]] = {
    # what differs from a new push of a healthy endpoint: in the journal, in memory; code, part of the sentence, since
    "an attempt runs": ({}, {"place": Place.SENDING, "last_attempt_at": 5.0}, "Sending", "in progress", 5000),
    "an attempt of an open endpoint": ({}, {"place": Place.SENDING, "state": State.OPEN}, "Sending", "", None),
    "ready": ({}, {"place": Place.READY}, "Queued", "ready", NOW),
    "on disk": ({}, {}, "Queued", "on disk", NOW),
    "all slots are used": ({}, {"in_flight": 3, "concurrency": 3}, "Queued", "3 attempts are in progress", NOW),
    "the server ends": ({}, {"is_held_back": True}, "Queued", "starts no attempts", NOW),
    "replayed": ({"replays": 1}, {"place": Place.READY}, "Queued", "", None),
    "rate limit": ({}, {"rate_limited_until": LATER / 1000}, "RateLimited", "rate limit of acme/oms", NOW),
    "Retry-After": ({}, {"paused_until": LATER / 1000}, "RateLimited", "Retry-After", None),
    "a retry": (
        {"due_at": LATER, "tries": 2, "error": "HTTP 422: no such order"},
        {"place": Place.WAITING, "last_attempt_at": 5.0},
        *("RetryScheduled", "Attempt 2 failed: HTTP 422: no such order", 5000),
    ),
    "a retry on disk": ({"due_at": LATER, "tries": 1, "error": "dns"}, {}, "RetryScheduled", "dns", None),
    "a due retry": ({"due_at": NOW, "tries": 1, "error": "dns"}, {"place": Place.READY}, "Queued", "", NOW),
    "behind, in memory": ({}, {"place": Place.BEHIND, "behind": "psh_0"}, "BehindEarlierPush", "psh_0", NOW),
    "failing": (
        {},
        {"state": State.OPEN, "reason": "HTTP 503", "since": 9.0, "failures": 5},
        *("EndpointFailing", "HTTP 503. The last 5", 9000),
    ),
    "failing, and behind": (
        {},
        {"state": State.OPEN, "place": Place.BEHIND, "behind": "psh_0"},
        *("EndpointFailing", "", None),
    ),
    "gone": ({}, {"state": State.GONE, "reason": "HTTP 410", "since": 9.0}, "EndpointGone", "HTTP 410", 9000),
    "suspended": (
        {},
        {"state": State.SUSPENDED, "is_suspended": True, "since": 9.0},
        *("Suspended", "PushConfig acme/oms", 9000),
    ),
    "suspended, sent by another replica": (
        {},
        {"state": State.ELSEWHERE, "is_suspended": True, "since": 9.0},
        *("Suspended", "PushConfig acme/oms", None),
    ),
    "suspended account": ({}, {"is_account_suspended": True}, "Suspended", "AggregatorWebhook acme/clickpost", None),
    "no PushConfig": ({}, {"state": State.UNCONFIGURED}, "NoPushConfig", "missing or invalid", None),
    "a deleted namespace": (
        {"push_config": "acme@u-1/oms"},
        {"state": State.UNCONFIGURED},
        *("NoPushConfig", "namespace that was deleted", None),
    ),
    "unreadable": ({"error": SEALED}, {"place": Place.UNREADABLE}, "WaitsForKeys", "sealed with key 00", None),
    "unreadable on disk": ({"error": SEALED}, {}, "WaitsForKeys", "sealed with key 00", None),
    "readable again": ({"error": SEALED}, {"place": Place.READY}, "Queued", "", NOW),
    "another replica": ({}, {"state": State.ELSEWHERE}, "OtherReplica", "Another replica", None),
    "a known replica": ({}, {"state": State.ELSEWHERE, "owner": "main-1"}, "OtherReplica", "Replica main-1", None),
    "another replica, a retry": (
        {"due_at": LATER, "tries": 1, "error": "dns"},
        {"state": State.ELSEWHERE},
        *("RetryScheduled", "Attempt 1 failed: dns", None),
    ),
    "another replica, failing": (
        {"tries": 3, "error": "HTTP 503"},
        {"state": State.ELSEWHERE},
        *("EndpointFailing", "HTTP 503", None),
    ),
    "another replica, gone": (
        {"tries": 3, "error": "HTTP 410"},
        {"state": State.ELSEWHERE},
        *("EndpointGone", "HTTP 410", None),
    ),
    "another replica, unreadable": ({"error": SEALED}, {"state": State.ELSEWHERE}, "WaitsForKeys", "", None),
    "only the journal": ({}, None, "Queued", "ask the running server", NOW),
    "only the journal, failing": ({"tries": 3, "error": "timeout"}, None, "EndpointFailing", "timeout", None),
    "only the journal, a retry": ({"due_at": LATER, "tries": 1, "error": "dns"}, None, "RetryScheduled", "dns", None),
}  # fmt: skip


@every_row(("name", "case"), PENDING.items())
def test_a_pending_push_says_why_it_waits(
    name: str, case: tuple[dict[str, Any], dict[str, Any] | None, str, str, int | None]
) -> None:
    del name
    row, live, code, part, since = case
    found = why(row, live)
    assert (found.code, found.since) == (code, since)
    assert part in found.message
    assert found.next, "it says what happens next"


ENDED: dict[str, tuple[dict[str, Any], str, str]] = {
    "delivered": ({"state": PushState.DELIVERED, "tries": 1}, "Delivered", "The client accepted it."),
    "delivered later": ({"state": PushState.DELIVERED, "tries": 3}, "Delivered", "at attempt 3"),
    "erased after its delivery": (
        {"state": PushState.DELIVERED, "tries": 1, "erased_at": NOW},
        *("Delivered", "The client accepted it."),
    ),
    "refused": (
        {"state": PushState.DEAD, "tries": 7, "rejections": 6, "error": "HTTP 422: no such order"},
        *("Refused", "rejected it 6 times while it accepted other pushes; the last answer: HTTP 422: no such order"),
    ),
    "too old": (
        {"state": PushState.DEAD, "tries": 12, "rejections": 1, "error": "HTTP 503"},
        *("TooOld", "tried 12 times, and then there was no time for another attempt within maxAge"),
    ),
    "too old, never tried": (
        {"state": PushState.DEAD, "error": "older than its maxAge while its endpoint was failing"},
        *("TooOld", "never tried, and became older than maxAge: older than its maxAge while its endpoint was failing"),
    ),
    "dropped because it was late": ({"state": PushState.DROPPED, "late": True}, "LateDropped", "newer update"),
    "dropped by hand": (
        {"state": PushState.DROPPED, "error": "dropped by hand: its PushConfig did not exist"},
        *("DroppedByHand", "It was dropped by hand: its PushConfig did not exist."),
    ),
    "late, and dropped by hand": (
        {"state": PushState.DROPPED, "late": True, "error": "dropped by hand: its PushConfig did not exist"},
        *("DroppedByHand", "dropped by hand"),
    ),
    "erased": (
        {"state": PushState.DROPPED, "late": True, "erased_at": NOW, "error": "erased before it was delivered"},
        *("Erased", "erased before it was delivered"),
    ),
}  # fmt: skip


@every_row(("name", "case"), ENDED.items())
def test_an_ended_push_says_why_it_ended_whatever_its_endpoint_does_now(
    name: str, case: tuple[dict[str, Any], str, str]
) -> None:
    del name
    row, code, part = case
    for live in (None, {"state": State.GONE}, {"state": State.ELSEWHERE}, {"state": State.UNCONFIGURED}):
        found = why({"ended_at": LATER, **row}, live)
        assert (found.code, found.since, found.next_at, found.behind) == (code, LATER, None, None)
        assert part in found.message


@pytest.mark.parametrize("state", [State.CLOSED, State.ELSEWHERE])
def test_an_earlier_push_of_its_shipment_that_only_the_journal_knows_is_named(state: State) -> None:
    found = why({}, {"state": state}, behind="psh_0")
    assert (found.code, found.behind) == ("BehindEarlierPush", "psh_0")
    assert "psh_0" in found.message


def test_the_head_of_a_lane_in_memory_is_behind_none_whatever_an_older_read_of_the_journal_said() -> None:
    found = why({}, {"place": Place.READY}, behind="psh_0")
    assert (found.code, found.behind) == ("Queued", None)


def test_the_time_of_the_next_step_is_reported_where_it_is_known() -> None:
    assert why({"due_at": LATER, "tries": 1}, {}).next_at == LATER
    assert why({}, {"state": State.OPEN, "next_probe_at": LATER / 1000}).next_at == LATER
    assert why({}, {"rate_limited_until": LATER / 1000}).next_at == LATER
    assert why({}, {"state": State.GONE}).next_at is None


def test_the_sentence_quotes_only_the_error_that_the_caller_allows() -> None:
    row = {"due_at": LATER, "tries": 1, "error": "HTTP 422: no order of Asha, 98765"}
    assert "Asha" in why(row, {}).message
    for live in ({}, None, {"state": State.ELSEWHERE}):
        assert "Asha" not in msgspec.json.encode(why(row, live, error="HTTP 422: •••")).decode()
    dead = {"state": PushState.DEAD, "rejections": 6, "tries": 6, "error": "HTTP 422: no order of Asha, 98765"}
    assert "Asha" not in msgspec.json.encode(why(dead, None, error="HTTP 422: •••")).decode()
