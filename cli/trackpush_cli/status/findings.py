"""Finds the problems of a resource from its status. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from trackpush_server.admin.finding import StatusFinding

Body = dict[str, Any]
_SUMMARY: Final = "Ready"
_INTENDED: Final = frozenset({"Suspended", "ServerSuspended"})
"""Reasons for states that somebody requested: they are shown, but don't count as problems."""


_EXPECTED: Final = frozenset({"NoUpdateYet", "NotReported"})
"""Reasons for which nobody must act: the account is new."""


def of_resources(bodies: Iterable[Body]) -> list[StatusFinding]:
    """All findings, those of servers first, errors before warnings."""
    order = {"WebhookServer": 0, "AggregatorWebhook": 1, "PushConfig": 2}
    found = [finding for body in bodies for finding in of_resource(body)]
    return sorted(
        found, key=lambda finding: (finding.severity, order.get(finding.kind, 3), finding.name, finding.condition)
    )


def of_resource(body: Body) -> Iterator[StatusFinding]:
    """Each condition that isn't True; `Ready` only if no other condition explains it."""
    conditions = (body.get("status") or {}).get("conditions") or []
    if not conditions:
        message = "it has no status: is the operator running, and does it watch this namespace?"
        yield _finding(body, {"type": _SUMMARY, "reason": "NotSeen", "message": message})
        return
    bad = [condition for condition in conditions if condition["status"] != "True" and condition["type"] != _SUMMARY]
    summary = [condition for condition in conditions if condition["status"] != "True" and condition["type"] == _SUMMARY]
    yield from (_finding(body, condition) for condition in _told_once(bad) or summary)
    generation = body["metadata"].get("generation", 0)
    if any(condition.get("observedGeneration", generation) < generation for condition in conditions):
        message = "the operator hasn't processed the newest change yet; if this persists, check its log"
        yield _finding(body, {"type": _SUMMARY, "reason": "Outdated", "message": message}, is_minor=True)


def _told_once(conditions: list[Body]) -> list[Body]:
    """The conditions without those that follow from another one: a resource that isn't accepted isn't served either."""
    causes = [condition for condition in conditions if condition["reason"] not in {"NotServed", "NoReadyPods"}]
    return causes or conditions[:1]


def _finding(body: Body, condition: Body, *, is_minor: bool = False) -> StatusFinding:
    metadata = body["metadata"]
    minor = is_minor or condition["reason"] in _INTENDED | _EXPECTED
    return StatusFinding(
        severity="warning" if minor else "error",
        kind=str(body["kind"]),
        name=f"{metadata['namespace']}/{metadata['name']}",
        condition=str(condition["type"]),
        reason=str(condition["reason"]),
        since=condition.get("lastTransitionTime"),
        message=str(condition.get("message", "")),
    )
