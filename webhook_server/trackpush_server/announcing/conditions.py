"""Translates what the server knows about an endpoint or account into its condition. Pure. Times are milliseconds."""

import msgspec

from trackpush_api.vocabulary import AnnouncementKind
from trackpush_server.announcing.events import AnnouncedEvent
from trackpush_server.announcing.scope import WatchedSubject
from trackpush_server.pusher.observer import EndpointHealth
from trackpush_server.pusher.trouble import describe
from trackpush_server.silence.activity import AccountActivity


class SubjectCondition(msgspec.Struct, frozen=True, kw_only=True):
    """The condition of a subject now: a problem, or known to be well, or neither."""

    problem: AnnouncementKind | None = None
    since: int = 0
    """When the problem began."""
    reason: str = ""
    message: str = ""
    well_at: int | None = None
    """A time at which the subject was well, with no problem since. None: not known, for example after a restart."""


UNKNOWN = SubjectCondition()


def of_endpoint(health: EndpointHealth | None) -> SubjectCondition:
    """The condition of an endpoint. It is well only after a delivery; before the first attempt, nothing is known."""
    if health is None:
        return UNKNOWN
    trouble = health.trouble
    if trouble is None:
        return SubjectCondition(well_at=None if health.delivered_at is None else int(health.delivered_at * 1000))
    kind: AnnouncementKind = "EndpointGone" if trouble.gone else "EndpointFailing"
    return SubjectCondition(problem=kind, since=int(trouble.since * 1000), reason=kind, message=describe(trouble))


def of_account(activity: AccountActivity | None, now: int) -> SubjectCondition:
    """The condition of an account."""
    if activity is None or activity.state == "unknown":
        return UNKNOWN
    if activity.state != "silent":
        return SubjectCondition(well_at=now)
    last = "It never sent an update" if activity.last_update is None else "It sends no updates any more"
    return SubjectCondition(
        problem="AccountSilent",
        since=activity.silent_since or now,
        reason="Silent",
        message=f"{last}, and spec.expectEvery has passed: look into the aggregator's panel.",
    )


def recovered(watched: WatchedSubject, since: int) -> AnnouncedEvent:
    """The endpoint, which failed since then, accepts pushes again."""
    return AnnouncedEvent(
        kind="EndpointRecovered",
        subject=watched.subject,
        name=watched.name,
        since=since,
        reason="Delivered",
        message="The pushes that waited are being sent.",
    )


def counted_event(watched: WatchedSubject, number: int, at: int) -> AnnouncedEvent:
    """Pushes died, or unrecognised bodies arrived; the latest at ``at``."""
    if watched.subject == "PushConfig":
        return AnnouncedEvent(
            kind="PushesDead",
            subject=watched.subject,
            name=watched.name,
            since=at,
            reason="PushesDied",
            message=f"See them: trackpush pushes list --push-config {watched.name} --state dead",
            number=number,
        )
    return AnnouncedEvent(
        kind="AccountUnrecognised",
        subject=watched.subject,
        name=watched.name,
        since=at,
        reason="Unrecognised",
        message=f"See them: trackpush inbox list --account {watched.name}",
        number=number,
    )
