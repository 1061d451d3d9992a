"""Turns the snapshot of a WebhookServer into conditions, and decides whether to create children."""

from typing import Final

import msgspec

from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.kubernetes_names import MOST_SERVER_NAME, objection_to_server_name
from trackpush_api.problems import Problem, Reason
from trackpush_operator.decide.annotations import refused_annotations
from trackpush_operator.decide.conditions import (
    NO_READY_PODS,
    PENDING,
    SUSPENDED,
    Finding,
    StatusOfResource,
    first,
    summary,
)
from trackpush_operator.decide.host_ownership import HostPath, withheld
from trackpush_operator.decide.pod_template import objections
from trackpush_operator.decide.problems import found_in, hints, not_notifying
from trackpush_operator.decide.programmed import PROGRAMMED
from trackpush_operator.kube.kinds import COMPONENT_LABEL, INSTANCE_LABEL

_MOST_NAMESPACES: Final = 5
_UNDERSCORES: Final = "trackpush.dev/underscores"
_MOST_OBJECTIONS: Final = 5


class ServerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the status and the children of a WebhookServer depend on."""

    name: str
    spec: WebhookServerSpec | None = None
    problems: tuple[Problem, ...] = ()
    older_hosts: frozenset[HostPath] = frozenset()
    """Hosts of older WebhookServers. For an invalid WebhookServer: hosts of all valid ones."""
    any_annotation: bool = False
    """Whether the operator was started with the option to accept every annotation of an Ingress."""
    any_pod_template: bool = False
    """Whether the operator was started with the option to accept every field of a podTemplate."""
    has_http_routes: bool = True
    applied: bool = False
    """Whether the children are as desired."""
    trouble: str = ""
    """Why the children are not as desired, if known."""
    volume: str = ""
    """How its volume differs from the spec."""
    written: bool = False
    """Whether the settings are in their Secret."""
    pods: int = 0
    """Number of pods, ready or not."""
    ready: int = 0
    """Number of ready pods."""
    served: bool = False
    """Whether all ready pods answered and serve the settings."""
    unasked: str = ""
    """Why a pod can't be queried; empty if all can."""
    unwatched: dict[str, int] = {}
    """Number of entries of namespaces that the operator doesn't watch, by namespace."""


def findings(snapshot: ServerSnapshot) -> tuple[Finding, ...]:
    """Ready first, then the conditions that it summarises."""
    problems = snapshot.problems
    fine = Finding("Accepted", "True", "Accepted", hints(problems))
    accepted = first((_invalid_name, _problems, _pod_template, _annotations, _host_conflict), snapshot, fine)
    done = Finding(PROGRAMMED, "True", PROGRAMMED, "every pod is ready and serves the settings")
    resolved = found_in(problems, "ResolvedRefs") or Finding("ResolvedRefs", "True", "ResolvedRefs")
    parts = (accepted, resolved, first(_PROGRAMMED, snapshot, done))
    notifying = not_notifying(problems)
    return summary((*parts, *notifying)), *parts, *notifying, *_unwatched(snapshot)


def _unwatched(snapshot: ServerSnapshot) -> tuple[Finding, ...]:
    """A condition that exists only while it is False. It isn't about this resource, so Ready ignores it."""
    if not snapshot.unwatched:
        return ()
    names = list(snapshot.unwatched)
    shown = ", ".join(names[:_MOST_NAMESPACES])
    more = f" and {len(names) - _MOST_NAMESPACES} more" if len(names) > _MOST_NAMESPACES else ""
    message = (
        f"it serves {sum(snapshot.unwatched.values())} resources of namespaces that the operator doesn't watch"
        f" ({shown}{more}): they stay as they were, and changes of them have no effect. Add the namespaces to the"
        " chart's watch.namespaces, or set watch.dropOthers to stop serving them"
    )
    return (Finding("Watched", "False", "NamespacesNotWatched", message),)


def makes_children(snapshot: ServerSnapshot) -> bool:
    """Whether to reconcile children; if not, leave existing ones alone."""
    refused = _invalid_name(snapshot) or _pod_template(snapshot) or _annotations(snapshot)
    return snapshot.spec is not None and refused is None


def awaits_children(snapshot: ServerSnapshot) -> bool:
    """Whether its children were not reconciled yet. That is done first, and enqueues its status afterwards."""
    return not snapshot.applied and not snapshot.trouble and makes_children(snapshot)


def fields(snapshot: ServerSnapshot) -> StatusOfResource:
    """The status fields beside the conditions; `kubectl scale` reads all three."""
    return StatusOfResource(
        replicas=snapshot.pods,
        ready_replicas=snapshot.ready,
        selector=f"{INSTANCE_LABEL}={snapshot.name},{COMPONENT_LABEL}=server",
    )


def withheld_hosts(snapshot: ServerSnapshot) -> frozenset[str]:
    """Its hosts for which no Ingress or HTTPRoute may be created."""
    return frozenset() if snapshot.spec is None else withheld(snapshot.spec, snapshot.older_hosts)


def _invalid_name(snapshot: ServerSnapshot) -> Finding | None:
    if objection_to_server_name(snapshot.name) is None:
        return None
    message = (
        f"metadata.name names a Service, too: at most {MOST_SERVER_NAME} letters, digits and hyphens, a letter first;"
        " make another WebhookServer"
    )
    return Finding("Accepted", "False", Reason.INVALID.value, message)


def _problems(snapshot: ServerSnapshot) -> Finding | None:
    return found_in(snapshot.problems, "Accepted")


def _pod_template(snapshot: ServerSnapshot) -> Finding | None:
    if snapshot.spec is None or snapshot.any_pod_template:
        return None
    found = list(objections(snapshot.spec.pod_template))
    if not found:
        return None
    shown = "; ".join(f"{objection.field} {objection.message}" for objection in found[:_MOST_OBJECTIONS])
    more = f"; and {len(found) - _MOST_OBJECTIONS} more" if len(found) > _MOST_OBJECTIONS else ""
    message = f"{shown}{more}. Only the chart's value podTemplate.allowAll, set by an administrator, permits this"
    return Finding("Accepted", "False", "PodTemplateNotAllowed", message)


def _annotations(snapshot: ServerSnapshot) -> Finding | None:
    if snapshot.spec is None or snapshot.any_annotation:
        return None
    names = list(refused_annotations(snapshot.spec.expose))
    if not names:
        return None
    shown = ", ".join(names[:_MOST_OBJECTIONS]) + (" and more" if len(names) > _MOST_OBJECTIONS else "")
    message = (
        f"spec.expose.ingress.annotations must not contain {shown}: they change an ingress controller that others"
        " use, or take other hosts; remove them. Only the chart's value ingress.allowAllAnnotations, set by an"
        " administrator, permits this"
    )
    return Finding("Accepted", "False", "AnnotationNotAllowed", message)


def _host_conflict(snapshot: ServerSnapshot) -> Finding | None:
    taken = sorted(withheld_hosts(snapshot))
    if not taken:
        return None
    names = ", ".join(host or "all hosts (it names none)" for host in taken)
    message = f"another WebhookServer has {names}, so it is not exposed here; use another host, or remove it there"
    return Finding("Accepted", "False", "HostConflict", message)


def _not_made(snapshot: ServerSnapshot) -> Finding | None:
    if makes_children(snapshot):
        return None
    return Finding(PROGRAMMED, "False", "NotServed", "it is not accepted; existing children stay as they are")


def _unresolved(snapshot: ServerSnapshot) -> Finding | None:
    if found_in(snapshot.problems, "ResolvedRefs") is None:
        return None
    message = "its settings can't be created without the Secrets that it names; pods keep their current settings"
    return Finding(PROGRAMMED, "False", "NotServed", message)


def _unexposed(snapshot: ServerSnapshot) -> Finding | None:
    expose = None if snapshot.spec is None else snapshot.spec.expose
    if expose is None:
        return None
    if expose.http_route is not None and not snapshot.has_http_routes:
        message = "this cluster has no Gateway API (HTTPRoute); install it, or use expose.ingress"
        return Finding(PROGRAMMED, "False", "ExposeUnavailable", message)
    ingress = expose.ingress
    if ingress is None or "nginx" not in (ingress.class_name or "") or _UNDERSCORES in ingress.annotations:
        return None
    message = (
        "ingress-nginx drops headers with an underscore, such as webhook_key: set enable-underscores-in-headers to"
        f' "true" in its ConfigMap, then the annotation {_UNDERSCORES}: allowed in expose.ingress.annotations'
    )
    return Finding(PROGRAMMED, "False", "ExposeUnavailable", message)


def _unapplied(snapshot: ServerSnapshot) -> Finding | None:
    if snapshot.applied and snapshot.written:
        return None
    return Finding(PROGRAMMED, "False", PENDING, snapshot.trouble or "its children are being created")


def _suspended(snapshot: ServerSnapshot) -> Finding | None:
    if snapshot.spec is None or not snapshot.spec.suspend:
        return None
    message = "spec.suspend is true: it has no pods, aggregators get 503, and what is stored stays as it is"
    return Finding(PROGRAMMED, "False", SUSPENDED, message)


def _without_pods(snapshot: ServerSnapshot) -> Finding | None:
    if snapshot.ready:
        return None
    return Finding(PROGRAMMED, "False", NO_READY_PODS, "no pod of it is ready; look at its pods and their events")


def _few_pods(snapshot: ServerSnapshot) -> Finding | None:
    wanted = 1 if snapshot.spec is None else snapshot.spec.fewest_pods
    if snapshot.ready >= wanted:
        return None
    return Finding(PROGRAMMED, "False", "PodsNotReady", f"{snapshot.ready} of {wanted} pods are ready")


def _unserved(snapshot: ServerSnapshot) -> Finding | None:
    if snapshot.served:
        return None
    return Finding(PROGRAMMED, "False", PENDING, snapshot.unasked or "not every pod serves the settings yet")


def _other_volume(snapshot: ServerSnapshot) -> Finding | None:
    """The last check: the server works, but its volume differs from the spec."""
    return Finding(PROGRAMMED, "False", "VolumeSize", snapshot.volume) if snapshot.volume else None


_PROGRAMMED = (
    _not_made,
    _unresolved,
    _unexposed,
    _unapplied,
    _suspended,
    _without_pods,
    _few_pods,
    _unserved,
    _other_volume,
)
