"""Turns the snapshot of a PushConfig into conditions."""

from datetime import UTC, datetime

import msgspec

from trackpush_api.problems import Problem
from trackpush_operator.decide.conditions import NO_READY_PODS, SUSPENDED, Finding, StatusOfResource, first, summary
from trackpush_operator.decide.problems import found_in, hints, not_notifying
from trackpush_operator.decide.programmed import programmed
from trackpush_operator.store.rollout import PushTrouble, Rollout

DELIVERING = "Delivering"


class PushSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the status of a PushConfig depends on."""

    problems: tuple[Problem, ...] = ()
    served: bool = False
    used: bool = True
    suspended: bool = False
    rollouts: tuple[Rollout, ...] = ()
    trouble: PushTrouble | None = None


def findings(snapshot: PushSnapshot) -> tuple[Finding, ...]:
    """Ready first, then the conditions that it summarises, then Delivering, which is not about the configuration."""
    problems = snapshot.problems
    accepted = found_in(problems, "Accepted") or _accepted(snapshot)
    resolved = found_in(problems, "ResolvedRefs") or Finding("ResolvedRefs", "True", "ResolvedRefs")
    otherwise = Finding(DELIVERING, "True", DELIVERING, "no failure since the last delivery")
    delivering = first((_suspended, _failing, _unknown), snapshot, otherwise)
    parts = (accepted, resolved, programmed(snapshot.rollouts, served=snapshot.served))
    notifying = not_notifying(problems)
    ready = summary((*parts, *notifying, *([delivering] if snapshot.suspended else [])))
    return ready, *parts, delivering, *notifying


def fields(_: PushSnapshot) -> StatusOfResource:
    """The status fields beside the conditions: none."""
    return StatusOfResource()


def _accepted(snapshot: PushSnapshot) -> Finding:
    if snapshot.used:
        return Finding("Accepted", "True", "Accepted", hints(snapshot.problems))
    return Finding("Accepted", "True", "NotReferenced", "no AggregatorWebhook sends to it")


def _suspended(snapshot: PushSnapshot) -> Finding | None:
    if not snapshot.suspended:
        return None
    return Finding(DELIVERING, "False", SUSPENDED, "spec.suspend is true: pushes wait, and none is lost")


def _failing(snapshot: PushSnapshot) -> Finding | None:
    trouble = snapshot.trouble
    if trouble is None:
        return None
    since = datetime.fromtimestamp(trouble.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f": {trouble.message}" if trouble.message else ""
    return Finding(DELIVERING, "False", trouble.reason, f"since {since}{text}")


def _unknown(snapshot: PushSnapshot) -> Finding | None:
    if snapshot.served and any(rollout.ready or (rollout.grace and rollout.confirmed) for rollout in snapshot.rollouts):
        return None
    if not snapshot.served:
        return Finding(DELIVERING, "Unknown", "NotServed", "it is not served")
    return Finding(DELIVERING, "Unknown", NO_READY_PODS, "no server pod is ready to report on its endpoint")
