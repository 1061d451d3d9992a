"""Decides which WebhookServer owns a host: the oldest valid one that claims it. Pure.

Two servers that are exposed under one host would share its traffic, and each would answer 401 to the other's keys. So a
host is exposed only for its owner.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.problems import Reason
from trackpush_api.settings import compile_settings
from trackpush_api.vocabulary import AggregatorName
from trackpush_operator.decide.pod_template import objections
from trackpush_operator.store.objects import Item, resource_of

ANY_HOST: Final = ""
"""The host of a server that is exposed without naming hosts: every host that no other server owns."""
ANY_AGGREGATOR: Final = "*"
"""In place of a name: all aggregators, those that definitions add included."""
HostPath = tuple[str, AggregatorName]
"""A host, and an aggregator whose requests use it."""


class HostClaim(NamedTuple):
    """The hosts that one WebhookServer claims."""

    namespace: str
    order: str
    is_valid: bool
    hosts: frozenset[HostPath]


def hosts_of_others(mine: HostClaim, others: Iterable[HostClaim]) -> frozenset[HostPath]:
    """The hosts that other servers own.

    An invalid server owns nothing, so every valid one takes precedence. Within a namespace, two servers may share a
    host if they serve different aggregators. Across namespaces a host is never shared: it has one certificate, and a
    tenant must not replace another tenant's certificate.
    """
    taken: set[HostPath] = set()
    for other in others:
        if not other.is_valid or (mine.is_valid and other.order >= mine.order):
            continue
        taken |= other.hosts
        if other.namespace != mine.namespace:
            taken |= {(host, ANY_AGGREGATOR) for host, _ in other.hosts}
    return frozenset(taken)


def claim_of(item: Item, *, any_pod_template: bool = False) -> HostClaim:
    """The hosts that a WebhookServer claims; none while its spec is invalid or its podTemplate is refused."""
    is_valid, hosts = _read(item, any_pod_template=any_pod_template)
    return HostClaim(namespace=item.key.namespace, order=item.order, is_valid=is_valid, hosts=hosts)


@lru_cache(maxsize=512)
def _read(item: Item, *, any_pod_template: bool) -> tuple[bool, frozenset[HostPath]]:
    resource, problems = resource_of(item)
    problems += compile_settings(resource, secrets={}).problems
    is_valid = not any(problem.reason is Reason.INVALID and not problem.only_notification for problem in problems)
    spec = resource.spec
    if not isinstance(spec, WebhookServerSpec):
        return False, frozenset()
    is_allowed = any_pod_template or next(iter(objections(spec.pod_template)), None) is None
    return is_valid and is_allowed, _claimed(spec)


def _claimed(spec: WebhookServerSpec) -> frozenset[HostPath]:
    portal = () if spec.portal is None else ((spec.portal.host, ANY_AGGREGATOR),)
    return _claimed_for_aggregators(spec).union(portal)


def _claimed_for_aggregators(spec: WebhookServerSpec) -> frozenset[HostPath]:
    if spec.hosts:
        return frozenset((host.host, name) for host in spec.hosts for name in host.aggregators or (ANY_AGGREGATOR,))
    is_exposed = spec.expose is not None and (spec.expose.ingress is not None or spec.expose.http_route is not None)
    return frozenset({(ANY_HOST, ANY_AGGREGATOR)}) if is_exposed else frozenset()


def withheld(spec: WebhookServerSpec, taken: frozenset[HostPath]) -> frozenset[str]:
    """The hosts in a server's spec that another server owns."""
    return frozenset(host for host, name in _claimed(spec) if any(_overlap((host, name), other) for other in taken))


def _overlap(path: HostPath, other: HostPath) -> bool:
    return path[0] == other[0] and (path[1] == other[1] or ANY_AGGREGATOR in {path[1], other[1]})
