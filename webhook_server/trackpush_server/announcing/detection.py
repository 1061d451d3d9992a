"""Compares the condition of a subject now with what was announced about it. Pure. Times are milliseconds.

It compares levels, not events. So a change is found even if the server was not running when it happened, and a change
that was announced is not announced again after a restart.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import msgspec

from trackpush_api.vocabulary import AnnouncementKind
from trackpush_server.announcing.conditions import SubjectCondition, counted_event, recovered
from trackpush_server.announcing.events import AnnouncedEvent
from trackpush_server.announcing.scope import AnnouncementScope, WatchedSubject
from trackpush_server.journal.announcements import Announced, SubjectTotal

COUNTS_EVERY: Final = 3_600_000
"""Dead pushes of a PushConfig, and unrecognised bodies of an account, are announced at most once in this time."""
_OF_ENDPOINTS: Final = frozenset({"EndpointFailing", "EndpointGone"})


class Change(NamedTuple):
    """What to store about one target and subject, with its events."""

    row: Announced
    events: tuple[AnnouncedEvent, ...]


def compare(
    watched: WatchedSubject,
    target: str,
    row: Announced | None,
    *,
    condition: SubjectCondition,
    total: SubjectTotal | None,
    chosen: AbstractSet[AnnouncementKind],
    now: int,
) -> Change | None:
    """The change to announce, or None.

    ``row``: what was announced to this target about this subject; ``chosen``: the events that the target wants. Other
    changes are stored, too, so that a later change is compared with the right state.
    """
    before = _known(watched, target, row)
    after, problems = _problem(watched, before, condition)
    after, counts = _counts(watched, after, total, now)
    if after == before:
        return None
    events = tuple(event for event in (*problems, *counts) if event.kind in chosen)
    return Change(msgspec.structs.replace(after, version=before.version + 1, changed_at=now), events)


def baseline_of(scope: AnnouncementScope, totals: Iterable[SubjectTotal], now: int) -> list[Announced]:
    """The rows of new targets: what was counted before they were configured is not announced."""
    counted = {(total.subject, total.name): total.total for total in totals}
    return [
        Announced(
            target=target,
            subject=watched.subject,
            name=watched.name,
            version=1,
            tenant=watched.tenant,
            total=counted[watched.subject, watched.name],
            changed_at=now,
        )
        for watched in scope.subjects
        if (watched.subject, watched.name) in counted
        for target in watched.targets
    ]


def _known(watched: WatchedSubject, target: str, row: Announced | None) -> Announced:
    """What was announced about this subject, without problems of an earlier namespace of the same name."""
    if row is None:
        return Announced(target=target, subject=watched.subject, name=watched.name, version=0, tenant=watched.tenant)
    if row.tenant == watched.tenant:
        return row
    return msgspec.structs.replace(row, tenant=watched.tenant, kind="", since=0)


def _problem(
    watched: WatchedSubject, before: Announced, condition: SubjectCondition
) -> tuple[Announced, tuple[AnnouncedEvent, ...]]:
    if condition.problem is not None:
        if condition.problem == before.kind:
            return before, ()
        event = AnnouncedEvent(
            kind=condition.problem,
            subject=watched.subject,
            name=watched.name,
            since=condition.since,
            reason=condition.reason,
            message=condition.message,
        )
        return msgspec.structs.replace(before, kind=condition.problem, since=condition.since), (event,)
    if not before.kind or condition.well_at is None or condition.well_at < before.since:
        return before, ()
    ended = recovered(watched, before.since)
    return msgspec.structs.replace(before, kind="", since=0), (ended,) if before.kind in _OF_ENDPOINTS else ()


def _counts(
    watched: WatchedSubject, before: Announced, total: SubjectTotal | None, now: int
) -> tuple[Announced, tuple[AnnouncedEvent, ...]]:
    if total is None or total.total == before.total:
        return before, ()
    if 0 <= now - before.counted_at < COUNTS_EVERY:
        return before, ()
    # A total below the announced one began again from 0, because nothing was counted for a long time.
    number = total.total - before.total if total.total > before.total else total.total
    counted = msgspec.structs.replace(before, total=total.total, counted_at=now)
    return counted, (counted_event(watched, number, total.last_at),)
