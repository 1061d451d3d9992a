"""Checks URLs of a resource at compile time, by the rules that apply to pushes. Pure."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from trackpush_api.egress import EgressRules, Network, read_network
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.routing import Egress
from trackpush_api.target import InvalidUrlError, read_url

ANYWHERE = Egress(https_only=False, allowed_cidrs=("0.0.0.0/0", "::/0"))
"""Rules for a PushConfig that no server serves: they find only problems that exist under any egress rules."""


@lru_cache(maxsize=64)
def rules_of(egress: Egress) -> EgressRules:
    """The egress rules of a WebhookServer, without invalid ranges, which are reported as its own problems."""
    return EgressRules(
        https_only=egress.https_only, allowed=_readable(egress.allowed_cidrs), denied=_readable(egress.denied_cidrs)
    )


def url_problems(resource: Resource, field: str, url: str, rules: EgressRules) -> Iterator[Problem]:
    """The problems of a URL; a fragment causes only a warning, because it is never sent."""
    try:
        objection = rules.objection_to(read_url(url))
    except InvalidUrlError as error:
        objection = str(error)
    if objection is not None:
        yield resource.problem(field, objection, reason=Reason.INVALID)
    elif "#" in url:
        yield resource.problem(field, "has a fragment (#…), which is never sent; remove it", Severity.WARNING)


def _readable(texts: Iterable[str]) -> tuple[Network, ...]:
    networks = []
    for text in texts:
        try:
            networks.append(read_network(text))
        except ValueError:
            continue
    return tuple(networks)
