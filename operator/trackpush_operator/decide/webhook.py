"""Turns the snapshot of an AggregatorWebhook into conditions, the URL to paste, and instructions where to paste it."""

import msgspec

from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.problems import Problem
from trackpush_operator.decide.conditions import Finding, StatusOfResource, summary
from trackpush_operator.decide.problems import found_in, hints
from trackpush_operator.decide.programmed import programmed
from trackpush_operator.decide.receiving import last_update_time, receiving
from trackpush_operator.store.rollout import AccountReport, Rollout

_SUSPENDED = "spec.suspend is true: updates are stored, and their pushes wait"


class WebhookSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the status of an AggregatorWebhook depends on."""

    facts: AggregatorProfile | None
    """Of its aggregator; None for an invalid spec, and for an aggregator that the server doesn't know."""
    problems: tuple[Problem, ...] = ()
    server: str | None = None
    """``namespace/name``; None if there is no server for it."""
    server_spec: WebhookServerSpec | None = None
    withheld: frozenset[str] = frozenset()
    """Hosts of the server that another WebhookServer owns."""
    served: bool = False
    suspended: bool = False
    rollouts: tuple[Rollout, ...] = ()
    refusals: int = 0
    """Its sender received at least so many answers in a row that are not 2xx; 0 if that is not reported."""
    expect_every: str | None = None
    """As the spec has it."""
    activity: AccountReport | None = None
    """None if no pod has reported it since the operator started."""
    before: StatusOfResource = StatusOfResource()
    """The current status."""


def findings(snapshot: WebhookSnapshot) -> tuple[Finding, ...]:
    """Ready first, then the conditions that it summarises."""
    problems = snapshot.problems
    told = "; ".join(text for text in (_SUSPENDED if snapshot.suspended else "", hints(problems)) if text)
    accepted = found_in(problems, "Accepted") or Finding("Accepted", "True", "Accepted", told)
    resolved = found_in(problems, "ResolvedRefs") or Finding("ResolvedRefs", "True", "ResolvedRefs")
    parts = (accepted, resolved, programmed(snapshot.rollouts, served=snapshot.served))
    return summary(parts), *parts, *receiving(snapshot)


def fields(snapshot: WebhookSnapshot) -> StatusOfResource:
    """The status fields beside the conditions."""
    return StatusOfResource(url=url(snapshot), setup=setup(snapshot), last_update_time=last_update_time(snapshot))


def url(snapshot: WebhookSnapshot) -> str | None:
    """The URL to paste; None without a server. It shows the place of a key that the URL contains, not the key."""
    spec, facts = snapshot.server_spec, snapshot.facts
    if spec is None or facts is None or snapshot.server is None:
        return None
    hosts = [host.host for host in spec.hosts if host.serves(facts.aggregator)]
    host = next((host for host in hosts if host not in snapshot.withheld), None)
    if host is None and spec.hosts:
        return None
    namespace, _, name = snapshot.server.partition("/")
    base = f"{_scheme(spec)}://{host}" if host is not None else f"http://{name}.{namespace}.svc"
    return f"{base}{spec.base_path}{facts.notify_path}"


def setup(snapshot: WebhookSnapshot) -> str | None:
    """Instructions for the aggregator's panel."""
    spec, facts = snapshot.server_spec, snapshot.facts
    if spec is None or facts is None:
        return None
    taken = [host.host for host in spec.hosts if host.serves(facts.aggregator) and host.host in snapshot.withheld]
    if url(snapshot) is None and taken:
        return f"Another WebhookServer than {snapshot.server} has {', '.join(taken)}; see the conditions of this one."
    if url(snapshot) is None:
        return f"WebhookServer {snapshot.server} has no host for {facts.aggregator}; add it to one of its spec.hosts."
    inside = " The WebhookServer has no hosts: this URL works within the cluster only." if not spec.hosts else ""
    return facts.setup + inside


def _scheme(spec: WebhookServerSpec) -> str:
    """The URL's scheme: http only if an Ingress certainly has no certificate; otherwise TLS ends before the server."""
    ingress = None if spec.expose is None else spec.expose.ingress
    return "http" if ingress is not None and ingress.tls_secret_name is None else "https"
