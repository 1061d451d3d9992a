"""Computes what is wrong now. `trackpush status` and the console's Overview show the same findings. Pure.

A finding is an error if somebody must act, and a warning otherwise. Findings contain neither personal data nor an
endpoint's response, so that the role view may read them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec

from trackpush_aggregators.updates import rfc3339
from trackpush_server.admin.accounts import statuses
from trackpush_server.admin.clients import Waiting
from trackpush_server.admin.finding import QueueStatus, ServerFindings, StatusFinding
from trackpush_server.admin.health import Readiness
from trackpush_server.admin.undelivered import Failing, RefusedAccount, Undelivered
from trackpush_server.announcing.observer import UnreachableTarget
from trackpush_server.config.watch import Report
from trackpush_server.journal.inbox import InboxCount
from trackpush_server.journal.search import MOST_COUNTED
from trackpush_server.silence.activity import AccountActivity
from trackpush_server.telemetry.unknown_codes import CodeCounts, UnknownCode
from trackpush_server.telemetry.unknown_keys import UnknownKeyCounts

_RECENT: Final = 86_400.0
"""Seconds for which a request with an unknown key is reported."""
_REFUSALS: Final = 20
"""In a row: from so many on, an account is reported, as in the status of its AggregatorWebhook."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a server that findings are computed from."""

    readiness: Readiness
    report: Report | tuple[str, ...]
    """The configuration; only its problems if none is loaded."""
    undelivered: Undelivered
    unknown: CodeCounts
    unknown_keys: UnknownKeyCounts | None = None
    now: float = 0.0
    """Seconds since the epoch."""
    waiting: tuple[Waiting, ...] = ()
    inbox: tuple[InboxCount, ...] = ()
    activity: tuple[AccountActivity, ...] = ()
    unreachable: tuple[UnreachableTarget, ...] = ()
    died: Mapping[str, int] = {}
    """Number of pushes that died within the last day, by PushConfig."""
    unread: str | None = None
    """Why the journal could not be read; then ``waiting``, ``inbox`` and ``died`` are empty."""


def server_findings(seen: Observed) -> ServerFindings:
    """Everything that is wrong, errors first."""
    loaded = seen.report if isinstance(seen.report, Report) else None
    found = _all(seen, (loaded and loaded.server) or "this server")
    return ServerFindings(
        server=None if loaded is None else loaded.server,
        clients=None if loaded is None else loaded.push_configs,
        findings=tuple(sorted(found, key=attrgetter("severity"))),
        queues=_queues(seen.waiting),
        accounts=statuses(seen.activity),
    )


def _queues(waiting: Iterable[Waiting]) -> tuple[QueueStatus, ...]:
    longest_first = sorted(waiting, key=lambda entry: (-entry.age_seconds, -entry.dead, entry.push_config))
    return tuple(map(_queue, longest_first))


def _all(seen: Observed, server: str) -> Iterator[StatusFinding]:
    yield from (_server(server, "Ready", "NotReady", reason) for reason in seen.readiness.reasons)
    if seen.unread is not None:
        yield _server(server, "Ready", "JournalUnreadable", seen.unread)
    yield from (_server(server, "Complete", "JournalIncomplete", text) for text in seen.readiness.warnings)
    yield from (_endpoint(endpoint) for endpoint in seen.undelivered.push_configs)
    yield from (_gone(entry) for entry in seen.waiting if entry.state == "missing" and entry.pending)
    refused = [account for account in seen.undelivered.refused_accounts if account.in_a_row >= _REFUSALS]
    yield from map(_refused, refused)
    yield from _silent(seen.activity, {account.name for account in refused})
    yield from map(_unreachable, seen.unreachable)
    yield from _configuration(server, seen.report)
    yield from (_died(entry, seen.died[entry.push_config]) for entry in seen.waiting if _is_new(entry, seen.died))
    yield from (_unrecognised(count) for count in seen.inbox)
    yield from _unknown_codes(seen.unknown)
    yield from _unknown_keys(seen)


def _configuration(server: str, report: Report | tuple[str, ...]) -> Iterator[StatusFinding]:
    problems = report.problems if isinstance(report, Report) else report
    yield from (_server(server, "Programmed", "BrokenConfig", text) for text in problems)
    for text in report.warnings if isinstance(report, Report) else ():
        yield msgspec.structs.replace(_server(server, "Programmed", "ConfigWarning", text), severity="warning")


def _server(name: str, condition: str, reason: str, message: str) -> StatusFinding:
    return StatusFinding(kind="WebhookServer", name=name, condition=condition, reason=reason, message=message)


def _endpoint(endpoint: Failing) -> StatusFinding:
    return StatusFinding(
        kind="PushConfig",
        name=endpoint.name,
        condition="Delivering",
        reason=endpoint.reason,
        since=datetime.fromtimestamp(endpoint.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        message=endpoint.message,
    )


def _gone(entry: Waiting) -> StatusFinding:
    message = (
        f"no PushConfig of this name is configured, and {entry.pending} pushes wait for it; restore it, or drop"
        " them: trackpush pushes drop --without-push-config"
    )
    return StatusFinding(
        kind="PushConfig", name=entry.push_config, condition="Accepted", reason="Missing", message=message
    )


def _refused(account: RefusedAccount) -> StatusFinding:
    return StatusFinding(
        kind="AggregatorWebhook",
        name=account.name,
        condition="Receiving",
        reason="SenderRefused",
        message=f"the last {account.in_a_row} requests of its sender were not answered with 2xx",
    )


def _unreachable(target: UnreachableTarget) -> StatusFinding:
    kind, namespace, resource, entry = target.name.split("/")
    attempts = "1 attempt" if target.tries == 1 else f"{target.tries} attempts"
    return StatusFinding(
        kind=kind,
        name=f"{namespace}/{resource}",
        condition="Notifying",
        reason="NotificationFailing",
        since=rfc3339(target.since),
        message=f"notification {entry} accepted none of {attempts} to send it a message, the last one failed with:"
        f" {target.error}; messages are kept for 24 hours",
    )


def _silent(activity: Iterable[AccountActivity], refused: AbstractSet[str]) -> Iterator[StatusFinding]:
    """Silent accounts; not those whose requests are refused, because that is the cause."""
    for account in activity:
        if account.state != "silent" or account.name in refused or account.silent_since is None:
            continue
        last = "never sent an update" if account.last_update is None else "sends no updates any more"
        yield StatusFinding(
            kind="AggregatorWebhook",
            name=account.name,
            condition="Receiving",
            reason="Silent",
            since=rfc3339(account.silent_since),
            message=f"its aggregator {last}, and spec.expectEvery has passed: look into the aggregator's panel",
        )


def _is_new(entry: Waiting, died: Mapping[str, int]) -> bool:
    """Whether it has dead pushes, some of which died within the last day."""
    return entry.dead > 0 and entry.push_config in died


def _died(entry: Waiting, number: int) -> StatusFinding:
    dead = f"{entry.dead} or more" if entry.dead >= MOST_COUNTED else str(entry.dead)
    return StatusFinding(
        severity="warning",
        kind="PushConfig",
        name=entry.push_config,
        condition="Delivering",
        reason="PushesDied",
        message=f"{_pushes(number)} died in the last 24 hours; dead now: {dead}."
        f" See them: trackpush pushes list --push-config {entry.push_config} --state dead",
    )


def _pushes(number: int) -> str:
    return "1 push" if number == 1 else f"{number} pushes"


def _unrecognised(count: InboxCount) -> StatusFinding:
    bodies = "1 body names" if count.entries == 1 else f"{count.entries} bodies name"
    return StatusFinding(
        severity="warning",
        kind="AggregatorWebhook",
        name=count.account,
        condition="Recognised",
        reason="Unrecognised",
        since=rfc3339(count.oldest_received_at),
        message=f"{bodies} no shipment: trackpush inbox list --account {count.account}",
    )


def _unknown_codes(counted: CodeCounts) -> Iterator[StatusFinding]:
    """One finding for each aggregator. It does not name the codes: a sender may write anything there."""
    codes = sorted(counted.codes, key=attrgetter("aggregator"))
    for aggregator, found in groupby(codes, key=attrgetter("aggregator")):
        yield _unknown(str(aggregator), tuple(found))


def _unknown(aggregator: str, codes: Sequence[UnknownCode]) -> StatusFinding:
    updates = sum(code.count for code in codes)
    arrived = "1 update" if updates == 1 else f"{updates} updates"
    different = "1 code" if len(codes) == 1 else f"{len(codes)} different codes"
    return StatusFinding(
        severity="warning",
        kind="Aggregator",
        name=aggregator,
        condition="Recognised",
        reason="UnknownCodes",
        since=rfc3339(min(code.first_at for code in codes)),
        message=f"{arrived} with {different} became UNKNOWN; the console's page Aggregators has the rows to add",
    )


def _unknown_keys(seen: Observed) -> Iterator[StatusFinding]:
    """One finding for each aggregator with such a request in the last day. It has no host, which may be any text."""
    places = () if seen.unknown_keys is None else seen.unknown_keys.places
    recent = [place for place in places if place.last_at >= (seen.now - _RECENT) * 1000]
    for aggregator, found in groupby(sorted(recent, key=attrgetter("aggregator")), key=attrgetter("aggregator")):
        group = tuple(found)
        number = sum(place.count for place in group)
        requests = "1 request" if number == 1 else f"{number} requests"
        yield StatusFinding(
            severity="warning",
            kind="Aggregator",
            name=str(aggregator),
            condition="Authorized",
            reason="UnknownKey",
            since=rfc3339(min(place.first_at for place in group)),
            message=f"{requests} with an update had an unknown key and got 401: trackpush inbox summary",
        )


def _queue(entry: Waiting) -> QueueStatus:
    return QueueStatus(
        push_config=entry.push_config,
        pending=entry.pending,
        oldest_seconds=entry.age_seconds if entry.pending else None,
        dead=entry.dead,
    )
